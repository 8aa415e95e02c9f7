# SPDX-License-Identifier: Apache-2.0
"""How fast the eye's loop has been over the last few seconds."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

_WINDOW_NS: Final = 5_000_000_000
_MOST: Final = 600


class Pace:
    """Remembers when pictures were dealt with and how long each took."""

    def __init__(self) -> None:
        self.frames = 0
        self._recent: deque[tuple[int, float]] = deque(maxlen=_MOST)

    def add(self, ended_ns: int, took_ms: float) -> None:
        """Note one picture."""
        self.frames += 1
        self._recent.append((ended_ns, took_ms))

    def figures(self, now_ns: int) -> tuple[float, float, float]:
        """Return pictures a second, and the median and 95th percentile of milliseconds a picture; 0 for none."""
        while self._recent and now_ns - self._recent[0][0] > _WINDOW_NS:
            self._recent.popleft()
        if not self._recent:
            return 0.0, 0.0, 0.0
        # The first of n pictures begins the time in which the other n - 1 came.
        span_s = (now_ns - self._recent[0][0]) / 1e9
        fps = (len(self._recent) - 1) / span_s if span_s > 0 else 0.0
        p50, p95 = np.percentile([took_ms for _, took_ms in self._recent], [50, 95])
        return fps, float(p50), float(p95)
