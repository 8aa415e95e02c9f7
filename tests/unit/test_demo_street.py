# SPDX-License-Identifier: Apache-2.0
"""The demo's street: live, whoever looks, and never on a disk."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_gate.core.errors import CameraMissing
from edge_gate.eye.cameras import CameraGarbled, Frame, open_camera
from edge_gate.settings.config import CameraSettings
from edge_gate.tools.demo.light import BACKLIT, DAY, DUSK
from edge_gate.tools.demo.scene import Scene, SceneKind, Stage
from edge_gate.tools.demo.schedule import GAP_S, Schedule
from edge_gate.tools.demo.street import HEADER, MAGIC, StreetCamera
from edge_gate.tools.demo.street_server import Street
from tests.support.clocks import HeldClock

ONE = Scene("one", None, SceneKind.EMPTY, 5.0, light=DAY, seed=1)
TWO = Scene("two", None, SceneKind.EMPTY, 5.0, light=DUSK, seed=2)
THREE = Scene("three", None, SceneKind.EMPTY, 5.0, light=BACKLIT, seed=3)
STEP_S = 5.0 + GAP_S


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock(1_000_000_000)


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage((ONE, TWO, THREE))


def camera_on(path: Path, clock: HeldClock) -> StreetCamera:
    return StreetCamera(CameraSettings(driver="demo-street", source=str(path)), clock)


def see(camera: StreetCamera, wanted: Callable[[Frame], bool] = lambda frame: True) -> Frame:
    """Return the first frame that is wanted; reading again after the pauses that a camera makes between attempts."""
    for _ in range(200):
        frame = camera.read(0.1)
        if frame is not None and wanted(frame):
            return frame
    raise AssertionError("nothing came")


def test_a_camera_sees_exactly_the_present_moment_of_the_street(tmp_path: Path, clock: HeldClock, stage: Stage) -> None:
    with Street(tmp_path / "street", stage, clock=clock) as street:
        street.play(Schedule.of((ONE, TWO)))
        clock.pass_s(GAP_S + 2.0)
        camera = camera_on(tmp_path / "street", clock)
        frame = see(camera)
        assert street.now() is ONE
        assert frame.captured_ns == clock.monotonic_ns()
        np.testing.assert_array_equal(frame.bgr, stage.compose(ONE, 2.0))
        assert camera.live
        camera.close()


def test_the_street_goes_on_while_nobody_looks(tmp_path: Path, clock: HeldClock, stage: Stage) -> None:
    with Street(tmp_path / "street", stage, clock=clock) as street:
        street.play(Schedule.of((ONE, TWO)))
        clock.pass_s(STEP_S + GAP_S + 1.0)
        camera = camera_on(tmp_path / "street", clock)
        np.testing.assert_array_equal(see(camera).bgr, stage.compose(TWO, 1.0))
        assert street.now() is TWO
        camera.close()


def test_a_camera_that_comes_back_sees_the_present_and_not_what_it_missed(
    tmp_path: Path, clock: HeldClock, stage: Stage
) -> None:
    with Street(tmp_path / "street", stage, clock=clock) as street:
        street.play(Schedule.of((ONE, TWO, THREE)))
        clock.pass_s(GAP_S + 0.5)
        first = camera_on(tmp_path / "street", clock)
        np.testing.assert_array_equal(see(first).bgr, stage.compose(ONE, 0.5))
        first.close()
        clock.pass_s(2 * STEP_S)
        second = camera_on(tmp_path / "street", clock)
        frame = see(second)
        assert frame.captured_ns == clock.monotonic_ns()
        np.testing.assert_array_equal(frame.bgr, stage.compose(THREE, 0.5))
        second.close()


def test_a_camera_that_stands_still_keeps_nobody_else_from_looking(
    tmp_path: Path, clock: HeldClock, stage: Stage
) -> None:
    with Street(tmp_path / "street", stage, clock=clock), socket.socket(socket.AF_UNIX) as stuck:
        stuck.connect(str(tmp_path / "street"))
        stuck.recv(1)  # it is being shown the street, and now takes nothing more
        camera = camera_on(tmp_path / "street", clock)
        assert see(camera).bgr.shape == (480, 640, 3)
        camera.close()


def test_a_street_that_ends_is_a_missing_camera_until_it_is_there_again(
    tmp_path: Path, clock: HeldClock, stage: Stage
) -> None:
    camera = camera_on(tmp_path / "street", clock)
    with pytest.raises(CameraMissing, match="is not there"):
        camera.read(2.0)
    clock.pass_s(10)
    with Street(tmp_path / "street", stage, clock=clock):
        see(camera)
    with pytest.raises(CameraMissing, match="has ended"):
        for _ in range(50):
            camera.read(0.1)
    assert not (tmp_path / "street").exists()
    clock.pass_s(10)
    with Street(tmp_path / "street", stage, clock=clock):
        assert see(camera).captured_ns == clock.monotonic_ns()
    camera.close()


@pytest.mark.parametrize(
    "header", [b"?" * HEADER.size, HEADER.pack(MAGIC, 1, 0, 480), HEADER.pack(MAGIC, 1, 640, 9999)]
)
def test_bytes_that_are_no_frame_are_garbage(tmp_path: Path, clock: HeldClock, header: bytes) -> None:
    def serve() -> None:
        connection = listener.accept()[0]
        connection.sendall(header)
        connection.close()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "street"))
        listener.listen()
        server = threading.Thread(target=serve)
        server.start()
        camera = camera_on(tmp_path / "street", clock)
        with pytest.raises(CameraGarbled):
            camera.read(5.0)
        server.join()
        camera.close()


def test_a_frame_that_breaks_off_is_never_shown(tmp_path: Path, clock: HeldClock) -> None:
    def serve() -> None:
        connection = listener.accept()[0]
        connection.sendall(HEADER.pack(MAGIC, clock.monotonic_ns(), 640, 480) + bytes(1000))
        connection.close()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "street"))
        listener.listen()
        server = threading.Thread(target=serve)
        server.start()
        camera = camera_on(tmp_path / "street", clock)
        with pytest.raises(CameraMissing, match="has ended"):
            assert camera.read(5.0) is None
        server.join()
        camera.close()


def test_a_site_can_be_configured_to_look_at_the_street(tmp_path: Path, stage: Stage) -> None:
    with Street(tmp_path / "street", stage):
        camera = open_camera(CameraSettings(driver="demo-street", source=str(tmp_path / "street")))
        assert camera.live
        frames = [frame for _ in range(20) if (frame := camera.read(0.5)) is not None]
        assert len(frames) > 1
        assert all(earlier.captured_ns < later.captured_ns for earlier, later in itertools.pairwise(frames))
        camera.close()


def test_the_eye_loads_nothing_of_the_demo_but_its_camera() -> None:
    program = "import sys, edge_gate.tools.demo.street; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    ours = {name for name in loaded if name.startswith("edge_gate.tools.demo")}
    assert ours == {"edge_gate.tools.demo", "edge_gate.tools.demo.street"}
    assert not {"openpeople", "pydantic", "edge_gate.gate", "edge_gate.store"} & set(loaded)


WITNESS = """
import os, sys
written = []
def watch(event, args):
    if event == "open" and isinstance(args[0], str) and args[0] != os.devnull and (
        (args[1] and set(args[1]) & set("wax+")) or (args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    ):
        written.append(args[0])
    if event in ("os.rename", "os.mkdir", "os.link", "os.symlink", "os.truncate", "tempfile.mkstemp"):
        written.append(f"{event} {args}")
sys.addaudithook(watch)
if sys.argv[1] == "leaky":
    open("picture.raw", "wb").close()
from pathlib import Path
from edge_gate.core.clock import SystemClock
from edge_gate.settings.config import CameraSettings
from edge_gate.tools.demo.cast import Kind
from edge_gate.tools.demo.mask import SURGICAL
from edge_gate.tools.demo.scene import Scene, SceneKind, Stage
from edge_gate.tools.demo.schedule import Schedule
from edge_gate.tools.demo.street import StreetCamera
from edge_gate.tools.demo.street_server import Street
scene = Scene("one", "P001", SceneKind.APPROACH, 60.0, Kind.PORTRAIT, SURGICAL)
with Street(Path("street"), Stage([scene])) as street:
    street.play(Schedule.of([scene], 0.0))
    camera = StreetCamera(CameraSettings(source="street"), SystemClock())
    seen = 0
    while seen < 5:
        seen += camera.read(0.5) is not None
    camera.close()
    print("\\n".join(written + [f"found {name}" for name in os.listdir() if name != "street"]))
"""


def witness(folder: Path, how: str) -> str:
    environment = {"TMPDIR": str(folder), "HOME": str(folder), "PATH": ""}
    command = [sys.executable, "-B", "-c", WITNESS, how]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=folder, env=environment
    ).stdout.strip()


def test_a_person_passes_and_nothing_is_written_to_a_disk(tmp_path: Path) -> None:
    assert witness(tmp_path, "sealed") == ""
    assert list(tmp_path.iterdir()) == []


def test_the_witness_notices_a_street_that_writes(tmp_path: Path) -> None:
    assert "picture.raw" in witness(tmp_path, "leaky")
