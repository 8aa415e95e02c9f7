# SPDX-License-Identifier: Apache-2.0
"""Times of repeated calls, as wall time and as processor time of the calling thread.

On a machine that does other things as well, wall time includes waiting for a core; the thread's own processor time
does not, and is the fairer figure for work that stays in one thread. Both are kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import cv2
import numpy as np

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians and 95th percentiles of ``calls`` calls, in milliseconds."""

    calls: int
    wall_p50_ms: float
    wall_p95_ms: float
    cpu_p50_ms: float
    cpu_p95_ms: float


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold OpenCV to the calling thread, the only one that a stopwatch sees, for as long as the block lasts."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


@dataclass(slots=True)
class Stopwatch:
    """Collects the times of calls that follow each other."""

    wall_ns: list[int] = field(default_factory=list)
    cpu_ns: list[int] = field(default_factory=list)

    def call(self, function: Callable[[], T]) -> T:
        """Call the function once, note what it took, and return what it returned."""
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        result = function()
        self.cpu_ns.append(time.thread_time_ns() - cpu)
        self.wall_ns.append(time.perf_counter_ns() - wall)
        return result

    def timing(self, warm_up: int = 0) -> Timing:
        """Summarise all calls behind the first ``warm_up``; NaN where there are none."""
        if len(self.wall_ns) <= warm_up:
            return Timing(0, math.nan, math.nan, math.nan, math.nan)
        wall, cpu = (np.array(each[warm_up:]) / 1e6 for each in (self.wall_ns, self.cpu_ns))
        (wall_p50, wall_p95), (cpu_p50, cpu_p95) = np.percentile(wall, (50, 95)), np.percentile(cpu, (50, 95))
        return Timing(len(wall), float(wall_p50), float(wall_p95), float(cpu_p50), float(cpu_p95))


def measure(function: Callable[[T], object], inputs: Iterable[T], warm_up: int = 2) -> Timing:
    """Call the function on each input and return the times of all calls behind the first ``warm_up``."""
    watch = Stopwatch()
    for value in inputs:
        watch.call(partial(function, value))
    return watch.timing(warm_up)
