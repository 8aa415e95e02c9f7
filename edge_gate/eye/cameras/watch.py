# SPDX-License-Identifier: Apache-2.0
"""Says whether the camera can be trusted to see.

The rules, each of them a fault that `status` shows and the log names:

MISSING  the device is not there.
STALLED  no picture for ``stall_s`` (five seconds while it is starting: USB cameras take one or two), or the device
         cannot be used.
BLACK    for a second, mean luminance below 6 of 255 *and* its standard deviation below 2. A covered lens is even;
         a dark night is not: a lamp, a window, or the noise of a sensor at full gain each lift the deviation above
         2, and that is the quality gate's "too dark", not a fault. A lens covered on a camera that answers with
         noise is therefore not called black; it sees nobody, and the door stays shut.
GARBAGE  not an 8-bit colour picture; another size than the one before; for a second, nothing but one row or one column
         repeated (test bars, a saturated or a dead sensor); pictures that cannot be decoded; or, from a live camera,
         not one bit changed for ``stall_s``. Sensors have noise, so a picture that stands still comes from a hung
         driver or from somebody who feeds the terminal a still one. Recordings are let off the last rule only.

A picture's fault has to last because sensors start up black, white or striped while their exposure settles; one good
picture ends it. No picture is kept: of the last one only its size and a digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import cv2
import numpy as np

from edge_gate.core.clock import Clock
from edge_gate.core.errors import CameraError, CameraMissing
from edge_gate.eye.cameras.base import CameraGarbled, Frame, Picture
from edge_gate.wire.eye import CameraState

START_S: Final = 5.0
CONFIRM_S: Final = 1.0
BLACK_MEAN: Final = 6.0
BLACK_DEVIATION: Final = 2.0
SMALLEST_SIDE_PX: Final = 32
_STEP_PX: Final = 4


@dataclass(frozen=True, slots=True)
class _Suspicion:
    """What one picture looks like, and how long that may last before it is a fault."""

    state: CameraState
    reason: str
    patience_s: float


class CameraWatch:
    """Told of each read of a camera, it keeps ``state`` and says what to log, once for each change of it.

    ``stall_s`` as configured; ``live`` False for recordings. Each of ``frame``, ``nothing`` and ``failed`` returns the
    text to log, or None where the state is as it was.
    """

    def __init__(self, stall_s: float, clock: Clock, live: bool = True) -> None:
        self.state = CameraState.STARTING
        self._stall_s = stall_s
        self._clock = clock
        self._live = live
        self._size: tuple[int, ...] | None = None
        self._digest = b""
        self._changed_ns = self._arrived_ns = self._since_ns = clock.monotonic_ns()
        self._suspect: CameraState | None = None
        self._suspected_ns = 0

    def frame(self, frame: Frame) -> str | None:
        """Judge a picture that was read."""
        now_ns = self._clock.monotonic_ns()
        self._arrived_ns = now_ns
        found = self._suspicion(frame.bgr, now_ns)
        if found is None:
            self._suspect = None
            return self._enter(CameraState.WORKING, "")
        if found.state != self._suspect:
            self._suspect, self._suspected_ns = found.state, now_ns
        if _seconds(now_ns - self._suspected_ns) < found.patience_s:
            return None
        return self._enter(found.state, found.reason)

    def nothing(self) -> str | None:
        """Judge a read that brought no picture."""
        if self.state in (CameraState.MISSING, CameraState.STALLED):
            return None
        waited_s = _seconds(self._clock.monotonic_ns() - self._arrived_ns)
        patience_s = max(START_S, self._stall_s) if self.state == CameraState.STARTING else self._stall_s
        if waited_s <= patience_s:
            return None
        return self._enter(CameraState.STALLED, f"no picture for {waited_s:.1f} s")

    def failed(self, error: CameraError) -> str | None:
        """Judge a read that raised."""
        self._size, self._digest, self._suspect = None, b"", None
        if isinstance(error, CameraMissing):
            return self._enter(CameraState.MISSING, str(error))
        if isinstance(error, CameraGarbled):
            return self._enter(CameraState.GARBAGE, str(error))
        return self._enter(CameraState.STALLED, str(error))

    def _enter(self, state: CameraState, reason: str) -> str | None:
        if state == self.state:
            return None
        before, self.state = self.state, state
        now_ns = self._clock.monotonic_ns()
        lasted_s, self._since_ns = _seconds(now_ns - self._since_ns), now_ns
        if state == CameraState.WORKING:
            return f"camera working, after {lasted_s:.1f} s {before.name.lower()}"
        return f"camera {state.name.lower()}: {reason}"

    def _suspicion(self, bgr: Picture, now_ns: int) -> _Suspicion | None:
        if malformed := self._malformed(bgr):
            return _Suspicion(CameraState.GARBAGE, malformed, 0.0)
        sample = np.ascontiguousarray(bgr[::_STEP_PX, ::_STEP_PX])
        still_s = self._still_s(sample, now_ns)
        mean, deviation = (float(figure[0, 0]) for figure in cv2.meanStdDev(cv2.cvtColor(sample, cv2.COLOR_BGR2GRAY)))
        if mean < BLACK_MEAN and deviation < BLACK_DEVIATION:
            reason = f"mean luminance {mean:.1f} of 255, deviation {deviation:.1f}; is the lens covered?"
            return _Suspicion(CameraState.BLACK, reason, CONFIRM_S)
        if (sample == sample[:1]).all() or (sample == sample[:, :1]).all():
            return _Suspicion(CameraState.GARBAGE, "one line of the picture, repeated", CONFIRM_S)
        if self._live and still_s > self._stall_s:
            return _Suspicion(CameraState.GARBAGE, f"the picture has stood still for {still_s:.1f} s", 0.0)
        return None

    def _malformed(self, bgr: Picture) -> str:
        """Return what is wrong with the array itself, or nothing."""
        if bgr.dtype != np.uint8 or bgr.ndim != 3 or bgr.shape[2] != 3:
            return f"not an 8-bit colour picture but {bgr.dtype} {bgr.shape}"
        if min(bgr.shape[:2]) < SMALLEST_SIDE_PX:
            return f"a picture of {bgr.shape[1]} x {bgr.shape[0]} pixels"
        before, self._size = self._size, bgr.shape
        if self._live and before is not None and before != bgr.shape:
            return f"the size changed from {before} to {bgr.shape} by itself"
        return ""

    def _still_s(self, sample: Picture, now_ns: int) -> float:
        """Return for how long every sampled pixel has been the same."""
        digest = blake2b(sample.data, digest_size=16).digest()
        if digest != self._digest:
            self._digest, self._changed_ns = digest, now_ns
        return _seconds(now_ns - self._changed_ns)


def _seconds(duration_ns: int) -> float:
    return duration_ns / 1e9
