# SPDX-License-Identifier: Apache-2.0
"""A token bucket: so much at once, then so much a second. What bounds a flood is always one of these."""

from __future__ import annotations


class TokenBucket:
    """Full at first. Times are CLOCK_BOOTTIME, in nanoseconds."""

    __slots__ = ("_at_ns", "_left", "_most", "_per_s")

    def __init__(self, most: float, per_s: float, now_ns: int) -> None:
        """Allow ``most`` at once and ``per_s`` more each second."""
        self._most = self._left = float(most)
        self._per_s = per_s
        self._at_ns = now_ns

    def due_s(self, now_ns: int) -> float:
        """Return in how many seconds there is one to take; 0 where there is."""
        self._earn(now_ns)
        return max(0.0, (1 - self._left) / self._per_s)

    def spend(self, now_ns: int) -> bool:
        """Take one, where there is one to take."""
        self._earn(now_ns)
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _earn(self, now_ns: int) -> None:
        earned = (now_ns - self._at_ns) / 1e9 * self._per_s
        self._left = min(self._left + earned, self._most)
        self._at_ns = now_ns
