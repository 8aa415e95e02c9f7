# SPDX-License-Identifier: Apache-2.0
"""Runs inside the virtual machine of vivid_vm.py: our V4L2Camera and CameraWatch on a real V4L2 device.

Prints one JSON object: what was seen in each act. test_v4l2.py judges it.
"""

from __future__ import annotations

import fcntl
import json
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge_gate.cli.checks.camera import Question, look_through
from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import CameraError, CameraReplaced
from edge_gate.eye.cameras import CameraWatch, Frame
from edge_gate.eye.cameras.v4l2 import V4L2Camera
from edge_gate.settings import config
from edge_gate.wire.eye import CameraState

NODE: Final = Path("/dev/video0")
NAME: Final = Path("/run/edge-gate-camera")  # what udev would call it
DRIVER: Final = Path("/sys/bus/platform/drivers/vivid")
# The pictures of this driver come from a program.
PINNED: Final = "vivid platform:vivid-000"
STALL_S: Final = 2.0
PATIENCE_S: Final = 40.0

# <linux/videodev2.h> VIDIOC_S_CTRL; drivers/media/test-drivers/vivid/vivid-ctrls.c; include/media/tpg/v4l2-tpg.h
VIDIOC_S_CTRL: Final = 0xC008561C
TEST_PATTERN: Final = 0x00F0F000
OSD_TEXT_MODE: Final = 0x00F0F001
NO_TEXT: Final = 2
BLACK: Final = 5
CHECKERS: Final = 10
NOISE: Final = 21


@dataclass(slots=True)
class Act:
    """What reads brought between two changes of the scene."""

    shapes: set[tuple[int, ...]] = field(default_factory=set)
    captured_ns: list[int] = field(default_factory=list)
    ages_ms: list[float] = field(default_factory=list)
    different: int = 0
    errors: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    state: CameraState = CameraState.STARTING
    seconds: float = 0.0

    def report(self) -> dict[str, Any]:
        """Return what JSON can hold of it."""
        steps = np.diff(self.captured_ns)
        return {
            "frames": len(self.captured_ns),
            "shapes": sorted(self.shapes),
            "in_order": bool((steps > 0).all()),
            "age_ms": [round(float(figure), 1) for figure in np.percentile(self.ages_ms or [0.0], [0, 50, 100])],
            "different": self.different,
            "errors": self.errors,
            "log": self.log,
            "state": self.state.name,
            "seconds": round(self.seconds, 1),
        }


def settings(pinned: str) -> config.CameraSettings:
    return config.CameraSettings(source=str(NAME), width=640, height=480, fps=15, stall_s=STALL_S, pinned=pinned)


class Stage:
    """The camera, its watch, and the play in acts."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.camera = V4L2Camera(settings(PINNED), self.clock)
        self.watch = CameraWatch(STALL_S, self.clock)
        self.acts: dict[str, Any] = {}

    def act(self, name: str, enough: Callable[[Act], bool]) -> None:
        """Read until there is enough to judge, or patience ends."""
        act, start = Act(), time.monotonic()
        previous = 0
        while not enough(act) and time.monotonic() - start < PATIENCE_S:
            try:
                frame = self.camera.read(0.5)
            except CameraError as error:
                act.errors.append(f"{type(error).__name__}: {error}")
                said = self.watch.failed(error)
            else:
                said = self.watch.nothing() if frame is None else self.watch.frame(frame)
                if frame is not None:
                    previous = self._note(act, frame, previous)
            act.log += [said] if said else []
            act.state = self.watch.state
        act.seconds = time.monotonic() - start
        self.acts[name] = act.report()

    def _note(self, act: Act, frame: Frame, previous: int) -> int:
        act.shapes.add(frame.bgr.shape)
        act.captured_ns.append(frame.captured_ns)
        act.ages_ms.append((self.clock.monotonic_ns() - frame.captured_ns) / 1e6)
        fingerprint = hash(frame.bgr[::8, ::8].tobytes())
        act.different += fingerprint != previous
        return fingerprint


def show(pattern: int) -> None:
    """Have the driver make this picture, without the running clock that it writes over it."""
    with NODE.open("rb", buffering=0) as device:
        for control, value in ((OSD_TEXT_MODE, NO_TEXT), (TEST_PATTERN, pattern)):
            fcntl.ioctl(device, VIDIOC_S_CTRL, struct.pack("Ii", control, value))


def unplug() -> None:
    """Take the device away from under whoever has it open, as the kernel does when a cable is pulled."""
    (DRIVER / "unbind").write_text("vivid.0")
    assert not NODE.exists()


def plug_in() -> None:
    """Bring it back."""
    (DRIVER / "bind").write_text("vivid.0")
    assert NODE.exists()


def main() -> None:
    """Play."""
    NAME.symlink_to(NODE)
    stage = Stage()
    show(NOISE)
    stage.acts["not pinned"], stage.acts["another pinned"] = refusal(""), refusal(f"{PINNED}-1")
    stage.acts["identity"] = stage.camera.identify()
    stage.act("working", lambda act: len(act.captured_ns) >= 30)
    show(BLACK)
    stage.act("covered", lambda act: act.state == CameraState.BLACK)
    show(CHECKERS)
    stage.act("frozen", lambda act: act.state == CameraState.GARBAGE)
    show(NOISE)
    stage.act("seeing again", lambda act: act.state == CameraState.WORKING)
    unplug()
    stage.act("unplugged", lambda act: len(act.errors) >= 3)
    plug_in()
    show(NOISE)
    stage.act("plugged in again", lambda act: len(act.captured_ns) >= 15 and act.state == CameraState.WORKING)
    start = time.monotonic()
    stage.camera.close()
    stage.acts["close_s"] = round(time.monotonic() - start, 2)
    stage.acts["opened_by_another"] = opened_by_another()
    stage.acts["sealed"] = look_sealed()
    json.dump(stage.acts, sys.stdout)


def refusal(pinned: str) -> str:
    """Return what is said of the device where this one is pinned."""
    camera = V4L2Camera(settings(pinned), SystemClock())
    try:
        return "a picture came" if camera.read(PATIENCE_S) is not None else "nothing came"
    except CameraReplaced as error:
        return f"{type(error).__name__}: {error}"
    finally:
        camera.close()


def look_sealed() -> str:
    """Return what a process sees that is sealed as the eye is: it asks which camera this is, and takes a picture."""
    path = Path("/run/edge-gate.toml")
    text = config.example({"camera": {"source": str(NAME), "pinned": PINNED}, "seal": {"required": False}})
    found = look_through(Question(path, text, config.parse(text, path).camera), None, PATIENCE_S)
    return f"{found.state}: {found.text}"


def opened_by_another() -> bool:
    """Say whether the closed device can be streamed by a second camera."""
    camera = V4L2Camera(config.CameraSettings(source="0", stall_s=STALL_S, pinned=PINNED), SystemClock())
    try:
        return camera.read(PATIENCE_S) is not None
    finally:
        camera.close()


if __name__ == "__main__":
    main()
