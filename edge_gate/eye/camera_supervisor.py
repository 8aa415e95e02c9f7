# SPDX-License-Identifier: Apache-2.0
"""The configured camera, kept open through faults: opened, watched, released, opened again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import CameraError
from edge_gate.eye.cameras import CameraWatch, Frame, MountedCamera, open_camera
from edge_gate.settings.config import CameraSettings
from edge_gate.wire.eye import CameraState

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 4.0
_log = logging.getLogger(__name__)


class CameraSupervisor:
    """Hands over frames, or None; a camera that fails is a state and one line in the log, never an exception."""

    def __init__(self, settings: CameraSettings, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._camera: MountedCamera | None = None
        self._watch = CameraWatch(settings.stall_s, clock)
        self._pause_s = FIRST_PAUSE_S
        self._retry_ns = 0

    @property
    def state(self) -> CameraState:
        """What is known of the camera; STARTING also while it is released."""
        return self._watch.state

    def open(self) -> None:
        """Open the camera, or note that it fails. Raises UnknownDriver where no later attempt could do better."""
        try:
            self._camera = open_camera(self._settings, self._clock)
        except CameraError as error:
            self._failed(error)
            return
        self._watch = CameraWatch(self._settings.stall_s, self._clock, self._camera.live)

    def read(self, timeout_s: float) -> Frame | None:
        """Return the newest picture that can be used, or None; waits no longer than ``timeout_s``."""
        if self._camera is None:
            pause_s = (self._retry_ns - self._clock.monotonic_ns()) / 1e9
            if pause_s > 0:
                self._sleep(min(pause_s, timeout_s))
                return None
            self.open()
        return None if self._camera is None else self._read(self._camera, timeout_s)

    def release(self) -> None:
        """Let go of the camera; the next read opens it again."""
        if self._camera is not None:
            self._camera.close()
        self._camera = None
        self._watch = CameraWatch(self._settings.stall_s, self._clock)

    def _read(self, camera: MountedCamera, timeout_s: float) -> Frame | None:
        try:
            frame = camera.read(timeout_s)
        except CameraError as error:
            self._tell(self._watch.failed(error))
            self._sleep(min(self._pause_s, timeout_s))
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            return None
        if frame is None:
            self._tell(self._watch.nothing())
            if camera.ended:
                self._sleep(timeout_s)
            return None
        self._pause_s = FIRST_PAUSE_S
        self._tell(self._watch.frame(frame))
        return frame if self._watch.state is CameraState.WORKING else None

    def _failed(self, error: CameraError) -> None:
        self._tell(self._watch.failed(error))
        self._retry_ns = self._clock.monotonic_ns() + int(self._pause_s * 1e9)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _tell(self, text: str | None) -> None:
        if text is not None:
            _log.log(logging.INFO if self.state is CameraState.WORKING else logging.ERROR, "%s", text)
