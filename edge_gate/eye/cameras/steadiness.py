# SPDX-License-Identifier: Apache-2.0
"""Which state of the camera is told: a fault once it lasts, a recovery once it lasts. A rule over times alone.

A fault is told

- when a device failed, or three pictures or more had one kind of fault, for a second without a usable picture between;
- when there were several kinds of fault for two seconds without one;
- when for five seconds more than three pictures in four could not be used;
- and a device's failure at once, where nothing has been told yet.

A fault that turns into another is told as that one once it has lasted a second, which doubles with each such change.

A recovery is told when for a second usable pictures came and at most three in four could not be used. Each relapse
within a minute of a recovery doubles that second, up to half a minute: a loose cable is two lines, not two a second.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from edge_gate.wire.eye import CameraState

ONE_KIND_S: Final = 1.0
ANY_KIND_S: Final = 2.0
FEWEST: Final = 3
MOSTLY_S: Final = 5.0
MOSTLY: Final = 0.75
FIRST_RECOVERY_S: Final = 1.0
LONGEST_RECOVERY_S: Final = 30.0
RELAPSE_S: Final = 60.0
LATELY_S: Final = 1.0
_MOST_KEPT: Final = 1024
_NO_FAULT: Final = (CameraState.STARTING, CameraState.WORKING)


@dataclass(frozen=True, slots=True)
class PictureCount:
    """How many pictures came in the last second, and how many of them were skipped."""

    arrived: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class _Read:
    """One read that said something. ``picture`` False where the device itself failed."""

    at_ns: int
    bad: bool
    picture: bool


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What has been wrong since the last usable picture: the latest kind, since when and how often; and since when
    anything was wrong. ``device``: the latest was a failure of the device itself."""

    kind: CameraState
    kind_since_ns: int
    since_ns: int
    count: int
    device: bool


class Steadiness:
    """Keeps ``told``. Every time is CLOCK_BOOTTIME; pictures further apart than ``gap_s`` do not add up."""

    def __init__(self, gap_s: float) -> None:
        self.told = CameraState.STARTING
        self._gap_s = gap_s
        self._reads: deque[_Read] = deque(maxlen=_MOST_KEPT)
        self._first_ns: int | None = None
        self._trouble: _Trouble | None = None
        self._good_ns: int | None = None
        self._recovering_ns: int | None = None
        self._recovered_ns: int | None = None
        self._recovery_s = FIRST_RECOVERY_S
        self._changes = 0

    def note_usable(self, now_ns: int) -> None:
        """A picture came that can be used."""
        self._keep(_Read(now_ns, bad=False, picture=True))
        self._trouble = None
        before_ns, self._good_ns = self._good_ns, now_ns
        if self.told is CameraState.STARTING:
            self.told = CameraState.WORKING
        if self.told is CameraState.WORKING:
            return
        alone = before_ns is None or _seconds(now_ns - before_ns) > self._gap_s
        if self._share_bad(now_ns, LATELY_S) > MOSTLY:
            self._recovering_ns = None
        elif self._recovering_ns is None or alone:
            self._recovering_ns = now_ns
        elif _seconds(now_ns - self._recovering_ns) >= self._recovery_s:
            self.told, self._recovered_ns, self._recovering_ns = CameraState.WORKING, now_ns, None

    def note_fault(self, now_ns: int, kind: CameraState, *, picture: bool) -> None:
        """A picture came that cannot be used, or the device failed."""
        self._keep(_Read(now_ns, bad=True, picture=picture))
        before = self._trouble or _Trouble(kind, now_ns, now_ns, 0, not picture)
        kind_since_ns = before.kind_since_ns if before.kind is kind else now_ns
        self._trouble = _Trouble(kind, kind_since_ns, before.since_ns, before.count + 1, not picture)
        if self._lasts(now_ns) or (not picture and self._good_ns is None and self.told is CameraState.STARTING):
            self.tell_fault(now_ns, kind)

    def note_silence(self, now_ns: int) -> None:
        """Nothing came: a device that failed may have been away long enough by now."""
        if self._trouble is not None and self._trouble.device and self._lasts(now_ns):
            self.tell_fault(now_ns, self._trouble.kind)

    def tell_fault(self, now_ns: int, kind: CameraState) -> None:
        """Tell a fault that has lasted."""
        self._recovering_ns = None
        if kind is self.told:
            return
        self._changes = 0 if self.told in _NO_FAULT else self._changes + 1
        if self.told is CameraState.WORKING and self._recovered_ns is not None:
            relapse = _seconds(now_ns - self._recovered_ns) < RELAPSE_S
            self._recovery_s = min(2 * self._recovery_s, LONGEST_RECOVERY_S) if relapse else FIRST_RECOVERY_S
        self.told = kind

    def count(self, now_ns: int) -> PictureCount:
        """Return what came in the last second."""
        lately = [each for each in self._reads if each.picture and _seconds(now_ns - each.at_ns) <= LATELY_S]
        return PictureCount(len(lately), sum(each.bad for each in lately))

    def _lasts(self, now_ns: int) -> bool:
        trouble = self._trouble
        if trouble is None or self._first_ns is None:
            return False
        enough = trouble.device or trouble.count >= FEWEST
        one_s, any_s = _seconds(now_ns - trouble.kind_since_ns), _seconds(now_ns - trouble.since_ns)
        if self.told not in _NO_FAULT:
            return enough and one_s >= min(ONE_KIND_S * 2**self._changes, LONGEST_RECOVERY_S)
        if enough and (one_s >= ONE_KIND_S or any_s >= ANY_KIND_S):
            return True
        long_enough = _seconds(now_ns - self._first_ns) >= MOSTLY_S
        return long_enough and self._share_bad(now_ns, MOSTLY_S) > MOSTLY

    def _keep(self, read: _Read) -> None:
        if self._first_ns is None:
            self._first_ns = read.at_ns
        self._reads.append(read)
        while _seconds(read.at_ns - self._reads[0].at_ns) > MOSTLY_S:
            self._reads.popleft()

    def _share_bad(self, now_ns: int, window_s: float) -> float:
        within = [each.bad for each in self._reads if _seconds(now_ns - each.at_ns) <= window_s]
        return sum(within) / len(within) if within else 0.0


def _seconds(duration_ns: int) -> float:
    return duration_ns / 1e9
