# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_gate.core.errors import CameraError, CameraMissing
from edge_gate.eye.cameras import CameraGarbled, Frame
from edge_gate.eye.cameras.replay import ReplayCamera
from edge_gate.settings import config
from tests.support.clocks import HeldClock

FPS = 20
PERIOD_S = 1 / FPS
COUNT = 12


def picture(number: int) -> np.ndarray:
    """A picture that says its number in its brightness, with a gradient so that it is not flat."""
    gradient = np.linspace(0, 20, 64, dtype=np.float32)[None, :, None]
    return np.broadcast_to(gradient + 16 * number + 8, (48, 64, 3)).astype(np.uint8)


def number_of(frame: Frame | None) -> int:
    assert frame is not None
    return round((float(frame.bgr.mean()) - 18) / 16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures")
    for number in reversed(range(COUNT)):
        cv2.imwrite(str(path / f"{number:03d}.png"), picture(number))
    (path / "notes.txt").write_text("not a picture, and not taken for one")
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "street.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (64, 48))
    assert writer.isOpened()
    for number in range(COUNT):
        writer.write(picture(number))
    writer.release()
    return path


@pytest.fixture(params=["folder", "film"])
def recording(request: pytest.FixtureRequest) -> Path:
    path = request.getfixturevalue(request.param)
    assert isinstance(path, Path)
    return path


def replay(source: str, clock: HeldClock | None = None) -> ReplayCamera:
    held = clock or HeldClock(1_000_000_000)
    return ReplayCamera(config.CameraSettings(driver="replay", source=source, fps=FPS), held, held.pass_s)


def test_as_fast_as_possible_every_picture_comes_exactly_once_in_order(recording: Path) -> None:
    camera = replay(f"fast:{recording}")
    assert [number_of(camera.read(0.0)) for _ in range(COUNT)] == list(range(COUNT))
    assert not camera.ended
    assert camera.read(0.0) is None
    assert camera.ended
    assert camera.read(0.0) is None


def test_a_folder_is_shown_bit_by_bit_as_it_was_stored(folder: Path) -> None:
    frame = replay(f"fast:{folder}").read(0.0)
    assert frame is not None and np.array_equal(frame.bgr, picture(0))


def test_in_real_time_each_picture_comes_at_its_moment_and_not_before(recording: Path) -> None:
    clock = HeldClock(1_000_000_000)
    camera = replay(str(recording), clock)
    assert number_of(camera.read(0.0)) == 0
    for number in range(1, COUNT):
        clock.pass_s(PERIOD_S * 0.9)
        assert camera.read(0.0) is None
        clock.pass_s(PERIOD_S * 0.1)
        assert number_of(camera.read(0.0)) == number
    clock.pass_s(PERIOD_S)
    assert camera.read(0.0) is None
    assert camera.ended


def test_in_real_time_a_slow_reader_loses_what_is_late(recording: Path) -> None:
    clock = HeldClock(1_000_000_000)
    camera = replay(str(recording), clock)
    start_ns = clock.at_ns
    assert number_of(camera.read(0.0)) == 0
    clock.pass_s(PERIOD_S * 5.5)
    frame = camera.read(0.0)
    assert number_of(frame) == 5
    assert frame is not None and frame.captured_ns == start_ns + 5 * 50_000_000
    assert camera.read(0.0) is None
    clock.pass_s(PERIOD_S * 100)
    assert camera.read(0.0) is None
    assert camera.ended


def test_a_read_waits_for_the_next_picture_but_no_longer_than_it_was_told(folder: Path) -> None:
    clock = HeldClock(1_000_000_000)
    camera = replay(str(folder), clock)
    camera.read(0.0)
    before_ns = clock.at_ns
    assert camera.read(0.01) is None
    assert clock.at_ns - before_ns == 10_000_000
    assert number_of(camera.read(1.0)) == 1
    assert clock.at_ns - before_ns == 50_000_000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(pauses_ms=st.lists(st.integers(0, 180), max_size=20), timeout_ms=st.integers(0, 60))
def test_in_real_time_the_picture_is_always_the_one_due_and_never_comes_twice(
    folder: Path, pauses_ms: list[int], timeout_ms: int
) -> None:
    clock = HeldClock(1_000_000_000)
    camera = replay(str(folder), clock)
    start_ns = clock.at_ns
    seen: list[int] = []
    for pause_ms in pauses_ms:
        frame = camera.read(timeout_ms / 1000)
        if frame is not None:
            seen.append(number_of(frame))
            assert seen[-1] == (clock.at_ns - start_ns) // 50_000_000
        clock.pass_s(pause_ms / 1000)
    assert seen == sorted(set(seen))


@pytest.mark.parametrize("prefix", ["fast:loop:", "loop:fast:"])
def test_a_loop_begins_again_and_has_no_end(recording: Path, prefix: str) -> None:
    camera = replay(f"{prefix}{recording}")
    assert [number_of(camera.read(0.0)) for _ in range(2 * COUNT + 3)] == [*range(COUNT), *range(COUNT), 0, 1, 2]
    assert not camera.ended


def test_a_loop_in_real_time_goes_on_past_the_end(folder: Path) -> None:
    clock = HeldClock(1_000_000_000)
    camera = replay(f"loop:{folder}", clock)
    assert number_of(camera.read(0.0)) == 0
    clock.pass_s(PERIOD_S * (COUNT + 3))
    assert number_of(camera.read(0.0)) == 3


def test_a_broken_picture_is_named_and_the_next_one_follows(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(1))
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nand then nothing of use")
    (tmp_path / "c.jpg").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "d.png"), picture(4))
    camera = replay(f"fast:{tmp_path}")
    assert number_of(camera.read(0.0)) == 1
    for name in ("b.png", "c.jpg"):
        with pytest.raises(CameraGarbled, match=name):
            camera.read(0.0)
    assert number_of(camera.read(0.0)) == 4
    assert camera.read(0.0) is None
    assert camera.ended


def test_nothing_to_play_is_said_when_the_camera_is_opened(tmp_path: Path) -> None:
    with pytest.raises(CameraMissing, match=r"no such film or folder"):
        replay(str(tmp_path / "away.avi"))
    with pytest.raises(CameraError, match="no picture in this folder"):
        replay(f"fast:{tmp_path}")
    text = tmp_path / "letter.txt"
    text.write_text("Dear neighbours")
    with pytest.raises(CameraError, match="not a film"):
        replay(str(text))


def test_a_closed_replay_has_ended(recording: Path) -> None:
    camera = replay(f"loop:fast:{recording}")
    camera.read(0.0)
    camera.close()
    assert camera.ended
    assert camera.read(0.0) is None
