# SPDX-License-Identifier: Apache-2.0
"""Says whether the camera can be trusted to see, and which of its pictures can be used.

The rules, each of them a fault that `status` shows and the log names:

MISSING  the device is not there.
STALLED  no picture for ``stall_s`` (five seconds while it is starting: USB cameras take one or two), or the device
         cannot be used.
BLACK    mean luminance below 6 of 255 *and* its standard deviation below 2. A covered lens is even; a dark night is
         not: a lamp, a window, or the noise of a sensor at full gain each lift the deviation above 2, and that is the
         quality gate's "too dark", not a fault. A lens covered on a camera that answers with noise is therefore not
         called black; it sees nobody, and the door stays shut. Under lamps that strobe, also a picture that has less
         than a quarter of the brightness of one within the last half second.
GARBAGE  not an 8-bit colour picture; another size than the others; nothing but one row or one column repeated (test
         bars, a saturated or a dead sensor); pictures that cannot be decoded; or, from a live camera, not one bit
         changed for ``stall_s``. Sensors have noise, so a picture that stands still comes from a hung driver or from
         somebody who feeds the terminal a still one.
REPLACED another camera than the one that is pinned, or one whose pictures come from a program
         (edge_gate.eye.cameras.identity).
SUSPECT  pictures that a live camera does not send so: they come again, or at impossible times
         (edge_gate.eye.cameras.plausibility).

Recordings are let off size, standstill and SUSPECT.

A picture with a fault is counted and skipped at once. That the camera is at fault, or well again, is told once it
lasts (edge_gate.eye.cameras.steadiness). No picture is kept: of the last one only its size, how bright the pictures of
the last half second were, and digests.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import cv2
import numpy as np

from edge_gate.core.clock import Clock
from edge_gate.core.errors import CameraError, CameraMissing, CameraReplaced
from edge_gate.eye.cameras.base import CameraGarbled, Frame
from edge_gate.eye.cameras.plausibility import Plausibility
from edge_gate.eye.cameras.steadiness import PictureCount, Steadiness
from edge_gate.wire.eye import CameraState

START_S: Final = 5.0
SIZE_S: Final = 1.0
FEWEST_SIZES: Final = 3
BLACK_MEAN: Final = 6.0
BLACK_DEVIATION: Final = 2.0
DIM_SHARE: Final = 0.25
DIM_S: Final = 0.5
SMALLEST_SIDE_PX: Final = 32
_STEP_PX: Final = 4
_MOST_BRIGHTNESSES: Final = 64
# Faults of which it is known that no picture comes.
_SILENT: Final = (CameraState.MISSING, CameraState.STALLED, CameraState.REPLACED)


@dataclass(frozen=True, slots=True)
class _Suspicion:
    """What is wrong with one picture."""

    state: CameraState
    reason: str


class CameraWatch:
    """Told of each read of a camera, it keeps ``state`` and says what to log, once for each change of it.

    ``stall_s`` as configured; ``live`` False for recordings. Each of ``frame``, ``skipped``, ``nothing`` and ``failed``
    returns the text to log, or None where the state is as it was. After ``frame``, ``usable`` says whether the picture
    may be looked at; ``reason`` is what was wrong last.
    """

    def __init__(self, stall_s: float, clock: Clock, live: bool = True) -> None:
        self.usable = False
        self.reason = ""
        self._steadiness = Steadiness(stall_s)
        self._stall_s = stall_s
        self._clock = clock
        self._live = live
        self._size: tuple[int, ...] | None = None
        self._other_sizes = 0
        self._digest = b""
        self._plausibility = Plausibility() if live else None
        self._brightness: deque[tuple[int, float]] = deque(maxlen=_MOST_BRIGHTNESSES)
        self._changed_ns = self._arrived_ns = self._since_ns = self._sized_ns = clock.monotonic_ns()

    @property
    def state(self) -> CameraState:
        """What is told of the camera."""
        return self._steadiness.told

    def count(self) -> PictureCount:
        """Return how many pictures came in the last second, and how many were skipped."""
        return self._steadiness.count(self._clock.monotonic_ns())

    def frame(self, frame: Frame) -> str | None:
        """Judge a picture that was read."""
        before, now_ns = self.state, self._clock.monotonic_ns()
        self._arrived_ns = now_ns
        found = self._suspect(frame, now_ns)
        self.usable = found is None
        if found is None:
            self._steadiness.note_usable(now_ns)
        else:
            self.reason = found.reason
            self._steadiness.note_fault(now_ns, found.state, picture=True)
        return self._tell_change(before, now_ns)

    def skipped(self, count: int) -> str | None:
        """Judge pictures that came and that the driver could not decode."""
        before, now_ns = self.state, self._clock.monotonic_ns()
        for _ in range(count):
            self._arrived_ns = now_ns
            self.reason = "pictures that cannot be decoded"
            self._steadiness.note_fault(now_ns, CameraState.GARBAGE, picture=True)
        return self._tell_change(before, now_ns)

    def nothing(self) -> str | None:
        """Judge a read that brought no picture."""
        before, now_ns = self.state, self._clock.monotonic_ns()
        self._steadiness.note_silence(now_ns)
        waited_s = _seconds(now_ns - self._arrived_ns)
        patience_s = max(START_S, self._stall_s) if self.state == CameraState.STARTING else self._stall_s
        if self.state not in _SILENT and waited_s > patience_s:
            self.reason = f"no picture for {waited_s:.1f} s"
            self._steadiness.tell_fault(now_ns, CameraState.STALLED)
        return self._tell_change(before, now_ns)

    def failed(self, error: CameraError) -> str | None:
        """Judge a read that raised."""
        before, now_ns = self.state, self._clock.monotonic_ns()
        self.reason = str(error)
        if isinstance(error, CameraGarbled):
            self._arrived_ns = now_ns
            self._steadiness.note_fault(now_ns, CameraState.GARBAGE, picture=True)
        else:
            self._size, self._digest = None, b""
            self._steadiness.note_fault(now_ns, _kind_of(error), picture=False)
        return self._tell_change(before, now_ns)

    def _tell_change(self, before: CameraState, now_ns: int) -> str | None:
        if self.state == before:
            return None
        lasted_s, self._since_ns = _seconds(now_ns - self._since_ns), now_ns
        if self.state == CameraState.WORKING:
            return f"camera working, after {lasted_s:.1f} s {before.name.lower()}"
        return f"camera {self.state.name.lower()}: {self.reason}"

    def _suspect(self, frame: Frame, now_ns: int) -> _Suspicion | None:
        bgr = frame.bgr
        if malformed := self._describe_malformed(bgr, now_ns):
            return _Suspicion(CameraState.GARBAGE, malformed)
        sample = np.ascontiguousarray(bgr[::_STEP_PX, ::_STEP_PX])
        digest = blake2b(sample.data, digest_size=16).digest()
        still_s = self._still_s(digest, now_ns)
        mean, deviation = (float(figure[0, 0]) for figure in cv2.meanStdDev(cv2.cvtColor(sample, cv2.COLOR_BGR2GRAY)))
        brightest = self._brightest(mean, now_ns)
        if mean < BLACK_MEAN and deviation < BLACK_DEVIATION:
            reason = f"mean luminance {mean:.1f} of 255, deviation {deviation:.1f}; is the lens covered?"
            return _Suspicion(CameraState.BLACK, reason)
        if (sample == sample[:1]).all() or (sample == sample[:, :1]).all():
            return _Suspicion(CameraState.GARBAGE, "one line of the picture, repeated")
        if self._live and still_s > self._stall_s:
            return _Suspicion(CameraState.GARBAGE, f"the picture has stood still for {still_s:.1f} s")
        if self._plausibility and (strange := self._plausibility.judge(digest, frame.captured_ns, now_ns)):
            return _Suspicion(CameraState.SUSPECT, strange)
        if mean < DIM_SHARE * brightest:
            reason = f"mean luminance {mean:.1f} of 255, a moment after {brightest:.1f}; does a lamp strobe?"
            return _Suspicion(CameraState.BLACK, reason)
        return None

    def _describe_malformed(self, bgr: object, now_ns: int) -> str:
        """Return what is wrong with the array itself, or nothing."""
        if not isinstance(bgr, np.ndarray):
            return f"not a picture but {type(bgr).__name__}"
        if bgr.dtype != np.uint8 or bgr.ndim != 3 or bgr.shape[2] != 3:
            return f"not an 8-bit colour picture but {bgr.dtype} {bgr.shape}"
        if min(bgr.shape[:2]) < SMALLEST_SIDE_PX:
            return f"a picture of {bgr.shape[1]} x {bgr.shape[0]} pixels"
        usual = self._size
        # A size that has not come for a second is the usual one no longer; what comes next then is.
        self._other_sizes += 1
        gone = self._other_sizes > FEWEST_SIZES and _seconds(now_ns - self._sized_ns) > SIZE_S
        if not self._live or usual is None or usual == bgr.shape or gone:
            self._size, self._sized_ns, self._other_sizes = bgr.shape, now_ns, 0
        if self._live and usual is not None and usual != bgr.shape:
            return f"the size changed from {usual} to {bgr.shape} by itself"
        return ""

    def _brightest(self, mean: float, now_ns: int) -> float:
        """Return the brightness of the brightest picture of the last half second, this one among them."""
        while self._brightness and _seconds(now_ns - self._brightness[0][0]) > DIM_S:
            self._brightness.popleft()
        self._brightness.append((now_ns, mean))
        return max(brightness for _, brightness in self._brightness)

    def _still_s(self, digest: bytes, now_ns: int) -> float:
        """Return for how long every sampled pixel has been the same."""
        if digest != self._digest:
            self._digest, self._changed_ns = digest, now_ns
        return _seconds(now_ns - self._changed_ns)


def _kind_of(error: CameraError) -> CameraState:
    if isinstance(error, CameraReplaced):
        return CameraState.REPLACED
    return CameraState.MISSING if isinstance(error, CameraMissing) else CameraState.STALLED


def _seconds(duration_ns: int) -> float:
    return duration_ns / 1e9
