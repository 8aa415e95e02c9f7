# SPDX-License-Identifier: Apache-2.0
"""A camera with a device behind it: read in a thread of its own, opened again after it was unplugged.

The thread opens, reads and closes the device, so nobody else ever waits for a driver: a read ends in time, and close
ends even while the driver blocks (the thread then lets go of the device as soon as the driver returns).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from edge_gate.core.clock import Clock
from edge_gate.core.errors import CameraError, DriverRaised
from edge_gate.core.errors.foreign import describe_exception
from edge_gate.eye.cameras.base import Frame
from edge_gate.eye.cameras.identity import Pin

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 4.0
CLOSE_WAIT_S: Final = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A picture came that cannot be decoded."""


class Device(Protocol):
    """One opening of a camera's device; used by one thread."""

    def next(self) -> Frame | Skipped | None:
        """Wait for the next picture; None where none came for a while. Raises CameraError to give up."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


class LiveCamera:
    """Hands over the newest picture of a device.

    ``source`` names the device in errors; ``open_device`` opens it or raises CameraError; a picture that waited
    longer than ``stale_s`` is dropped rather than handed on. No picture is taken from a camera that ``pin`` refuses.
    """

    live: Final = True
    ended: Final = False

    def __init__(
        self, source: str, clock: Clock, open_device: Callable[[], Device], stale_s: float, pin: Pin | None = None
    ) -> None:
        self._source = source
        self._clock = clock
        self._open_device = open_device
        self._stale_s = stale_s
        self._pin = pin
        self._admitted = ""
        self._reader: _Reader | None = None
        self._pause_s = FIRST_PAUSE_S
        self._retry_ns = 0
        self._skipped = 0
        self._closed = threading.Event()

    @property
    def pins(self) -> bool:
        """Whether it can tell one camera from another, and uses none but the right one."""
        return self._pin is not None

    @property
    def skipped(self) -> int:
        """How many pictures have come that could not be decoded."""
        return self._skipped + (self._reader.skipped if self._reader is not None else 0)

    def identify(self) -> str:
        """Return which camera is there, empty where that cannot be told. Raises CameraReplaced where it may not be
        used, CameraMissing or CameraError."""
        return "" if self._pin is None else str(self._pin.admit())

    def read(self, timeout_s: float) -> Frame | None:
        """Return the newest picture, or None where none came in time.

        Raises CameraMissing or CameraError once for each failed opening; until the next one is due, read waits and
        returns None.
        """
        if self._closed.is_set():
            raise CameraError(self._source, "it was closed")
        if self._reader is None:
            pause_s = (self._retry_ns - self._clock.monotonic_ns()) / 1e9
            if pause_s > 0:
                self._closed.wait(min(pause_s, timeout_s))
                return None
            self._reader = _Reader(self._source, self._open_device, self._admit)
        return self._fresh(self._take(self._reader, timeout_s))

    def close(self) -> None:
        """Let go of the device, waiting no longer than a second for the driver."""
        self._closed.set()
        if self._reader is not None:
            self._reader.stop(CLOSE_WAIT_S)
            self._reader = None

    def _admit(self) -> None:
        """Raise CameraReplaced where the camera may not be used; say in the log which one it is, once."""
        found = self.identify()
        if found and found != self._admitted:
            self._admitted = found
            _log.info("the camera %s is %s", self._source, found)

    def _take(self, reader: _Reader, timeout_s: float) -> Frame | None:
        try:
            frame = reader.take(timeout_s)
        except CameraError:
            self._skipped, self._reader = self.skipped, None
            self._retry_ns = self._clock.monotonic_ns() + int(self._pause_s * 1e9)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            raise
        if frame is not None:
            self._pause_s = FIRST_PAUSE_S
        return frame

    def _fresh(self, frame: Frame | None) -> Frame | None:
        if frame is None or self._clock.monotonic_ns() - frame.captured_ns > self._stale_s * 1e9:
            return None
        return frame


class _Reader:
    """The thread that owns one opening of the device, and the one place where a picture waits to be taken."""

    def __init__(self, source: str, open_device: Callable[[], Device], admit: Callable[[], object]) -> None:
        self._source = source
        self._open_device = open_device
        self._admit = admit
        self._changed = threading.Condition()
        self.skipped = 0
        self._newest: Frame | None = None
        self._failure: CameraError | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def take(self, timeout_s: float) -> Frame | None:
        """Wait for a picture and take it out. Raises the CameraError that ended the thread, if one did."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._failure is not None, timeout_s)
            frame, self._newest = self._newest, None
            if frame is None and self._failure is not None:
                raise self._failure
            return frame

    def stop(self, wait_s: float) -> None:
        """Tell the thread to end, forget the picture, and wait a little for the device to be let go."""
        with self._changed:
            self._stopped = True
            self._newest = None
        self._thread.join(wait_s)

    def _run(self) -> None:
        try:
            device = self._open_device()
            try:
                self._admit()  # once it is open: what takes its place after that is not what is read
                while self._put(device.next()):  # no name here may hold a picture while the driver is waited for
                    pass
            finally:
                device.close()
        except CameraError as error:
            self._fail(error)
        except Exception as error:  # a driver may raise anything; a thread that dies silently would look like a stall
            failure = DriverRaised(self._source, describe_exception(error))
            failure.__cause__ = error
            self._fail(failure)

    def _put(self, frame: Frame | Skipped | None) -> bool:
        with self._changed:
            if isinstance(frame, Skipped):
                self.skipped += 1
            elif frame is not None and not self._stopped:
                self._newest = frame
                self._changed.notify_all()
            return not self._stopped

    def _fail(self, error: CameraError) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()
