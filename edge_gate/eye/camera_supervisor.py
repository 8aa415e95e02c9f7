# SPDX-License-Identifier: Apache-2.0
"""The configured camera, kept open through faults: opened, watched, released, opened again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import CameraError, CameraLibraryUnusable
from edge_gate.core.token_bucket import TokenBucket
from edge_gate.eye.cameras import CameraGarbled, CameraWatch, Frame, MountedCamera, PictureCount, open_camera
from edge_gate.settings.config import CameraSettings
from edge_gate.wire.eye import CameraState

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 4.0
# Lines in the journal about pictures that are skipped.
MOST_LINES: Final = 3
LINES_PER_S: Final = 1 / 300
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
        self._skipped = 0
        self._garbled = False
        self._lines = TokenBucket(MOST_LINES, LINES_PER_S, clock.monotonic_ns())

    @property
    def state(self) -> CameraState:
        """What is known of the camera; STARTING also while it is released."""
        return self._watch.state

    @property
    def count(self) -> PictureCount:
        """How many pictures came in the last second, and how many of them were skipped."""
        return self._watch.count()

    def open(self) -> None:
        """Open the camera, or note that it fails.

        Raises UnknownDriver, ExtraMissing and CameraLibraryUnusable, where no later attempt could do better.
        """
        try:
            self._camera = open_camera(self._settings, self._clock)
        except CameraLibraryUnusable:
            raise
        except CameraError as error:
            self._fail(error)
            return
        self._skipped = self._camera.skipped
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
            self._back_off(error, timeout_s)
            return None
        finally:
            self._note_skipped(camera)
        if frame is None:
            self._tell(self._watch.nothing())
            if camera.ended:
                self._sleep(timeout_s)
            return None
        self._tell(self._watch.frame(frame))
        if not self._watch.usable:
            self._tell_skipped()
            return None
        self._pause_s, self._garbled = FIRST_PAUSE_S, False
        return frame

    def _back_off(self, error: CameraError, timeout_s: float) -> None:
        """Wait longer after each failure. After a single picture that cannot be read the next one may be good."""
        if isinstance(error, CameraGarbled):
            self._tell_skipped()
            if not self._garbled:
                self._garbled = True
                return
        self._sleep(min(self._pause_s, timeout_s))
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _note_skipped(self, camera: MountedCamera) -> None:
        count, self._skipped = camera.skipped - self._skipped, camera.skipped
        if count > 0:
            self._tell(self._watch.skipped(count))
            self._tell_skipped()

    def _fail(self, error: CameraError) -> None:
        self._tell(self._watch.failed(error))
        self._retry_ns = self._clock.monotonic_ns() + int(self._pause_s * 1e9)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _tell_skipped(self) -> None:
        if self.state is CameraState.WORKING and self._lines.spend(self._clock.monotonic_ns()):
            _log.warning("a picture was skipped: %s", self._watch.reason)

    def _tell(self, text: str | None) -> None:
        if text is not None:
            _log.log(logging.INFO if self.state is CameraState.WORKING else logging.ERROR, "%s", text)
