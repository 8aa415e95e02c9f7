# SPDX-License-Identifier: Apache-2.0
"""V4L2Camera with everything real but the device, which build machines have not; tests/system/test_v4l2.py has it."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_gate.core.errors import CameraError, CameraMissing
from edge_gate.eye.cameras import CameraGarbled, Frame, live
from edge_gate.eye.cameras.identity import Identity
from edge_gate.eye.cameras.v4l2 import UNREADABLE_IN_A_ROW, V4L2Camera, device_node
from edge_gate.settings import config
from tests.support.clocks import HeldClock

UNPLUGGED = "unplugged"
UNREADABLE = "unreadable"
EMPTY = "empty"
NOTHING = "nothing"
RAISES = "raises"
REFUSED = "refused"  # grab says no, and the device goes on
PATIENCE_S = 20.0


class Sensor:
    """A device that does what it is told: pictures are grey levels, made when they are decoded."""

    def __init__(self) -> None:
        self.stamp_ms = 0.0
        self.pictures: list[weakref.ref[np.ndarray]] = []
        self.released = threading.Event()
        self._told: deque[int | str] = deque()
        self._now: int | str = UNREADABLE
        self._idle = False
        self._lock = threading.Condition()

    def show(self, *items: int | str) -> None:
        with self._lock:
            self._told.extend(items)
            self._idle = False
            self._lock.notify_all()

    def wait_until_the_reader_waits(self) -> None:
        with self._lock:
            assert self._lock.wait_for(lambda: self._idle, PATIENCE_S)

    def grab(self) -> bool:
        with self._lock:
            while not self._told:
                self._idle = True
                self._lock.notify_all()
                self._lock.wait()
            self._now = self._told.popleft()
            return self._now not in (UNPLUGGED, REFUSED)

    def retrieve(self) -> tuple[bool, Any]:
        if self._now == UNREADABLE:
            return False, None
        if self._now == EMPTY:
            return True, np.empty((0, 0, 3), np.uint8)
        if self._now == NOTHING:
            return True, None
        if self._now == RAISES:
            cv2.imdecode(np.empty(0, np.uint8), cv2.IMREAD_COLOR)
            cv2.cvtColor(np.empty((0, 0, 3), np.uint8), cv2.COLOR_BGR2GRAY)
        picture = np.full((48, 64, 3), self._now, np.uint8)
        self.pictures.append(weakref.ref(picture))
        return True, picture

    def get(self, propId: int) -> float:  # noqa: N803
        assert propId == cv2.CAP_PROP_POS_MSEC
        return self.stamp_ms

    def release(self) -> None:
        self.released.set()


class Bench:
    """A camera on a bench: the node in a folder instead of /dev, and each opening finds the present sensor."""

    def __init__(self, folder: Path, pinned: str = "") -> None:
        self.node = folder / "edge-gate-camera"
        self.clock = HeldClock()
        self.openings = 0
        self.sensor = Sensor()
        self.plug_in()
        self.identity = Identity("uvcvideo", "usb-0000:01:00.0-1.2", "046d:0825")
        settings = config.CameraSettings(source=str(self.node), stall_s=2.0, pinned=pinned)
        self.camera = V4L2Camera(settings, self.clock, self._open, lambda source, node: self.identity)

    def _open(self, node: Path, settings: config.CameraSettings) -> Sensor:
        assert node == self.node
        self.openings += 1
        return self.sensor

    def plug_in(self) -> None:
        self.sensor = Sensor()
        self.node.touch()

    def unplug(self) -> None:
        self.node.unlink()
        self.sensor.show(UNPLUGGED)

    def read(self) -> Frame:
        frame = self.camera.read(PATIENCE_S)
        assert frame is not None
        return frame


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(live, "CLOSE_WAIT_S", 0.05)
    bench = Bench(tmp_path)
    yield bench
    bench.camera.close()
    bench.sensor.show(UNPLUGGED)


def test_a_slow_reader_gets_the_newest_picture_and_never_an_older_one(bench: Bench) -> None:
    bench.sensor.show(1)
    assert bench.read().bgr[0, 0, 0] == 1
    bench.sensor.show(2, 3, 4)
    bench.sensor.wait_until_the_reader_waits()
    assert bench.read().bgr[0, 0, 0] == 4
    assert bench.camera.read(0.0) is None


def test_no_picture_outlives_the_one_who_took_it(bench: Bench) -> None:
    bench.sensor.show(1, 2)
    frame = bench.read()
    bench.sensor.wait_until_the_reader_waits()
    assert frame.bgr is not None
    del frame
    bench.camera.read(0.0)
    assert [picture() for picture in bench.sensor.pictures] == [None, None]


def test_a_picture_that_nobody_took_is_forgotten_when_the_camera_is_closed(bench: Bench) -> None:
    bench.sensor.show(1)
    bench.read()
    bench.sensor.show(2)
    bench.sensor.wait_until_the_reader_waits()
    bench.camera.close()
    assert [picture() for picture in bench.sensor.pictures] == [None, None]


def test_a_picture_that_waited_too_long_is_dropped_rather_than_handed_on(bench: Bench) -> None:
    bench.sensor.show(1)
    bench.read()
    bench.sensor.show(2)
    bench.sensor.wait_until_the_reader_waits()
    bench.clock.pass_s(2.1)
    assert bench.camera.read(0.0) is None
    bench.sensor.show(3)
    assert bench.read().bgr[0, 0, 0] == 3


def test_the_drivers_time_stamp_is_the_time_of_capture(bench: Bench) -> None:
    bench.sensor.stamp_ms = bench.clock.at_ns / 1e6 - 40
    bench.sensor.show(1)
    assert bench.read().captured_ns == bench.clock.at_ns - 40_000_000


def test_unplugging_is_reported_once_and_the_camera_reads_again_when_it_is_back(bench: Bench) -> None:
    bench.sensor.show(1)
    bench.read()
    gone = bench.sensor
    bench.unplug()
    with pytest.raises(CameraMissing, match="unplugged"):
        bench.camera.read(PATIENCE_S)
    assert gone.released.is_set()
    assert bench.camera.read(0.0) is None

    bench.clock.pass_s(live.FIRST_PAUSE_S)
    with pytest.raises(CameraMissing, match="is not there"):
        bench.camera.read(PATIENCE_S)

    bench.plug_in()
    bench.sensor.show(2)
    assert bench.camera.read(0.0) is None, "the pause has not passed"
    bench.clock.pass_s(2 * live.FIRST_PAUSE_S)
    assert bench.read().bgr[0, 0, 0] == 2
    assert bench.openings == 2


def test_a_device_that_stays_away_is_tried_ever_more_seldom_but_never_given_up(bench: Bench) -> None:
    bench.node.unlink()
    for pause_s in (0.5, 1.0, 2.0, 4.0, 4.0, 4.0):
        with pytest.raises(CameraMissing):
            bench.camera.read(PATIENCE_S)
        bench.clock.pass_s(pause_s - 0.01)
        assert bench.camera.read(0.05) is None, "tried again too early"
        bench.clock.pass_s(0.01)


def test_after_a_good_picture_the_first_pause_is_short_again(bench: Bench) -> None:
    for _ in range(3):
        bench.sensor.show(1)
        bench.read()
        bench.unplug()
        with pytest.raises(CameraMissing):
            bench.camera.read(PATIENCE_S)
        bench.plug_in()
        bench.clock.pass_s(live.FIRST_PAUSE_S)
    assert bench.openings == 3


def test_a_device_that_is_there_but_stops_is_told_from_one_that_was_unplugged(bench: Bench) -> None:
    bench.sensor.show(UNPLUGGED)
    with pytest.raises(CameraError, match="stopped sending") as caught:
        bench.camera.read(PATIENCE_S)
    assert not isinstance(caught.value, CameraMissing)


def test_a_node_that_goes_a_moment_after_the_pictures_stop_was_unplugged_too(bench: Bench) -> None:
    bench.sensor.show(1)
    bench.read()
    bench.sensor.show(UNPLUGGED)
    bench.camera.read(0.01)
    bench.node.unlink()
    with pytest.raises(CameraMissing, match="unplugged"):
        bench.camera.read(PATIENCE_S)


def test_undecodable_pictures_are_skipped(bench: Bench) -> None:
    bench.sensor.show(1)
    bench.read()
    bench.sensor.show(*[UNREADABLE] * (UNREADABLE_IN_A_ROW - 1), 9, *[UNREADABLE] * (UNREADABLE_IN_A_ROW - 1), 8)
    bench.sensor.wait_until_the_reader_waits()
    assert bench.read().bgr[0, 0, 0] == 8


def test_a_camera_that_sends_only_garbage_is_reported(bench: Bench) -> None:
    bench.sensor.show(*[UNREADABLE] * UNREADABLE_IN_A_ROW)
    with pytest.raises(CameraGarbled, match="could not be decoded"):
        bench.camera.read(PATIENCE_S)


def test_a_driver_that_raises_something_odd_is_reported_as_a_camera_error(tmp_path: Path) -> None:
    def explode(node: Path, settings: config.CameraSettings) -> Sensor:
        raise OSError(5, "Input/output error")

    camera = V4L2Camera(config.CameraSettings(source=str(tmp_path)), HeldClock(), explode)
    with pytest.raises(CameraError, match="Input/output error"):
        camera.read(PATIENCE_S)
    camera.close()


def test_a_driver_that_hangs_delays_neither_a_read_nor_the_close_and_is_let_go_when_it_returns(bench: Bench) -> None:
    assert bench.camera.read(0.0) is None
    bench.sensor.wait_until_the_reader_waits()
    assert bench.camera.read(0.01) is None
    bench.camera.close()
    assert not bench.sensor.released.is_set()
    bench.sensor.show(1)
    assert bench.sensor.released.wait(PATIENCE_S)


def test_a_closed_camera_says_so(bench: Bench) -> None:
    bench.camera.close()
    with pytest.raises(CameraError, match="closed"):
        bench.camera.read(0.0)
    assert bench.openings == 0


@pytest.mark.parametrize("bad", [UNREADABLE, EMPTY, NOTHING, RAISES, REFUSED])
def test_a_bad_buffer_now_and_then_is_skipped_and_counted_and_the_device_stays_open(bench: Bench, bad: str) -> None:
    for number in range(1, 9):
        bench.sensor.show(number, bad)
        assert bench.read().bgr[0, 0, 0] == number
        bench.sensor.wait_until_the_reader_waits()
        assert bench.camera.skipped == number
    assert bench.openings == 1 and not bench.sensor.released.is_set()


@pytest.mark.parametrize("bad", [UNREADABLE, EMPTY, NOTHING, RAISES, REFUSED])
def test_a_device_that_sends_nothing_of_use_any_more_is_given_up(bench: Bench, bad: str) -> None:
    bench.sensor.show(1)
    bench.read()
    bench.sensor.show(*[bad] * UNREADABLE_IN_A_ROW)
    with pytest.raises(CameraError):
        bench.camera.read(PATIENCE_S)
    assert bench.sensor.released.wait(PATIENCE_S)
    assert bench.camera.skipped == UNREADABLE_IN_A_ROW - 1


def test_what_was_skipped_is_counted_on_over_openings(bench: Bench) -> None:
    for opening in range(1, 4):
        bench.sensor.show(UNREADABLE, UNREADABLE, 1)
        bench.read()
        bench.unplug()
        with pytest.raises(CameraMissing):
            bench.camera.read(PATIENCE_S)
        assert bench.camera.skipped == 2 * opening
        bench.plug_in()
        bench.clock.pass_s(live.FIRST_PAUSE_S)


def test_a_file_that_is_no_camera_is_refused_by_opencv_itself(tmp_path: Path) -> None:
    node = tmp_path / "video0"
    node.write_bytes(b"not a device")
    camera = V4L2Camera(config.CameraSettings(source=str(node)), HeldClock())
    with pytest.raises(CameraError, match="not a camera"):
        camera.read(PATIENCE_S)
    camera.close()


def test_a_number_names_a_video_device_and_anything_else_a_path() -> None:
    assert device_node("0") == Path("/dev/video0")
    assert device_node("/dev/edge-gate-camera") == Path("/dev/edge-gate-camera")
