# SPDX-License-Identifier: Apache-2.0
"""USB cameras, and any other that Linux shows as /dev/videoN, through OpenCV's V4L2 backend.

MJPG is asked for because a USB 2 bus does not carry 640x480 raw at more than a few pictures a second beside other
devices; where the camera has no MJPG, OpenCV takes a format that it can turn into BGR.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import cv2

from edge_gate.core.clock import Clock
from edge_gate.core.errors import CameraError, CameraMissing
from edge_gate.eye.cameras.base import CameraGarbled, Frame, captured_at
from edge_gate.eye.cameras.live import LiveCamera
from edge_gate.settings.config import CameraSettings

# USB cameras send a broken JPEG now and then, mostly the first; so many in a row are a broken cable or device.
UNREADABLE_IN_A_ROW: Final = 15
NODE_GOES_S: Final = 0.5


class Capture(Protocol):
    """The part of cv2.VideoCapture that is used."""

    def grab(self) -> bool:
        """Wait for the next picture; False when none will come."""
        ...

    def retrieve(self) -> tuple[bool, Any]:
        """Decode the grabbed picture."""
        ...

    def get(self, propId: int) -> float:  # noqa: N803
        """Return a property's value."""
        ...

    def release(self) -> None:
        """Close the device."""
        ...


class V4L2Camera(LiveCamera):
    """A V4L2 capture device; ``settings.source`` is its path, or its number ("0" is /dev/video0).

    The path is resolved at each opening, so a device that comes back under its udev name is found again.
    """

    def __init__(
        self,
        settings: CameraSettings,
        clock: Clock,
        open_capture: Callable[[Path, CameraSettings], Capture] | None = None,
    ) -> None:
        node = device_node(settings.source)
        opened = open_capture or open_v4l2

        def open_device() -> _V4L2Device:
            if not node.exists():
                raise CameraMissing(settings.source, f"there is no {node}")
            return _V4L2Device(settings.source, node, clock, opened(node, settings))

        super().__init__(settings.source, clock, open_device, settings.stall_s)


class _V4L2Device:
    def __init__(self, source: str, node: Path, clock: Clock, capture: Capture) -> None:
        self._source = source
        self._node = node
        self._clock = clock
        self._capture = capture
        self._unreadable = 0

    def next(self) -> Frame | None:
        """Return the next picture, stamped by the driver; None where it could not be decoded."""
        if not self._capture.grab():
            raise self._lost()
        now_ns = self._clock.monotonic_ns()
        stamp_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        readable, bgr = self._capture.retrieve()
        if readable:
            self._unreadable = 0
            return Frame(bgr, captured_at(stamp_ns, now_ns))
        self._unreadable += 1
        if self._unreadable >= UNREADABLE_IN_A_ROW:
            raise CameraGarbled(self._source, f"{self._unreadable} in a row could not be decoded")
        return None

    def close(self) -> None:
        """Close the device."""
        self._capture.release()

    def _lost(self) -> CameraError:
        for _ in range(10):  # the kernel wakes whoever waits for a picture shortly before it removes the node
            if not self._node.exists():
                return CameraMissing(self._source, "it was unplugged")
            time.sleep(NODE_GOES_S / 10)
        return CameraError(self._source, "it stopped sending pictures")


def device_node(source: str) -> Path:
    """Return the device file that ``source`` names."""
    return Path(f"/dev/video{source}" if source.isdecimal() else source)


def open_v4l2(node: Path, settings: CameraSettings) -> Capture:
    """Open the device in the configured form, or the nearest that it has. Raises CameraError saying why not."""
    if not os.access(node, os.R_OK | os.W_OK):
        raise CameraError(settings.source, f"{node} may not be opened by this user; it belongs in the group video")
    capture = cv2.VideoCapture(str(node), cv2.CAP_V4L2)
    if not capture.isOpened():
        raise CameraError(settings.source, "it is in use by another program, or is not a camera")
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
    capture.set(cv2.CAP_PROP_FPS, settings.fps)
    return capture
