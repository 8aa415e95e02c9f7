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
import numpy as np

from edge_gate.core.clock import Clock
from edge_gate.core.errors import CameraError, CameraMissing
from edge_gate.eye.cameras.base import CameraGarbled, Frame, Picture, captured_at
from edge_gate.eye.cameras.identity import Identity, Pin, ask_kernel
from edge_gate.eye.cameras.live import LiveCamera, Skipped
from edge_gate.settings.config import CameraSettings

# USB cameras send a broken JPEG now and then, mostly the first; so many in a row are a broken cable or device.
UNREADABLE_IN_A_ROW: Final = 15
# Some devices hand over an empty buffer now and then. A device that has stopped says so each time.
EMPTY_IN_A_ROW: Final = 15
EMPTY_PAUSE_S: Final = 0.02
# OpenCV waits ten seconds for a picture (select), then says the same.
SILENCE_S: Final = 1.0
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
        ask: Callable[[str, Path], Identity] = ask_kernel,
    ) -> None:
        node = device_node(settings.source)
        opened = open_capture or open_v4l2

        def open_device() -> _V4L2Device:
            if not node.exists():
                raise CameraMissing(settings.source, f"there is no {node}")
            return _V4L2Device(settings.source, node, clock, opened(node, settings))

        pin = Pin(settings, lambda: ask(settings.source, node))
        super().__init__(settings.source, clock, open_device, settings.stall_s, pin)


class _V4L2Device:
    def __init__(self, source: str, node: Path, clock: Clock, capture: Capture) -> None:
        self._source = source
        self._node = node
        self._clock = clock
        self._capture = capture
        self._unreadable = 0
        self._empty = 0
        self._pictures = 0
        self._has_been_empty = False

    def next(self) -> Frame | Skipped:
        """Return the next picture, stamped by the driver, or that one came which is empty or cannot be decoded."""
        asked_ns = self._clock.monotonic_ns()
        if not self._capture.grab():
            return self._bear_empty(asked_ns)
        self._empty = 0
        now_ns = self._clock.monotonic_ns()
        stamp_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        bgr = self._decode()
        if bgr is not None:
            self._unreadable = 0
            self._pictures += 1
            return Frame(bgr, captured_at(stamp_ns, now_ns))
        self._unreadable += 1
        if self._unreadable >= UNREADABLE_IN_A_ROW:
            raise CameraGarbled(self._source, f"{self._unreadable} in a row could not be decoded")
        return Skipped()

    def close(self) -> None:
        """Close the device."""
        self._capture.release()

    def _decode(self) -> Picture | None:
        """Return the grabbed picture; None where it is empty or broken. OpenCV raises for some, and denies others."""
        try:
            readable, bgr = self._capture.retrieve()
        except cv2.error:
            return None
        return bgr if readable and isinstance(bgr, np.ndarray) and bgr.size else None

    def _bear_empty(self, asked_ns: int) -> Skipped:
        """Go on after an empty buffer between pictures. Raises CameraError where the device has stopped or gone."""
        waited_s = (self._clock.monotonic_ns() - asked_ns) / 1e9
        self._empty += 1
        if not self._pictures or self._empty >= EMPTY_IN_A_ROW or waited_s > SILENCE_S:
            raise self._lose()
        # The first time it may be that the device goes; later it is known that this one does so.
        if self._is_gone(EMPTY_PAUSE_S if self._has_been_empty else NODE_GOES_S):
            raise CameraMissing(self._source, "it was unplugged")
        self._has_been_empty = True
        return Skipped()

    def _lose(self) -> CameraError:
        if self._is_gone(NODE_GOES_S):
            return CameraMissing(self._source, "it was unplugged")
        return CameraError(self._source, "it stopped sending pictures")

    def _is_gone(self, patience_s: float) -> bool:
        """Tell whether the node goes: the kernel wakes a process that waits for a picture shortly before it does."""
        for _ in range(10):
            if not self._node.exists():
                return True
            time.sleep(patience_s / 10)
        return False


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
