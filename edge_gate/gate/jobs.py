# SPDX-License-Identifier: Apache-2.0
"""Long work that somebody waits for: a slice in each turn of the gate's loop, so that the door is never kept waiting.

One job at a time, for two that write the same tables anew would undo each other. Those that write go before those that
only read. They are as many as there were acts before them; of those that read a user has one at a time, so that no
flood of them keeps others waiting.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from inspect import GEN_CREATED, getgeneratorstate
from typing import Any, Final, Protocol

from edge_gate.core.clock import Clock
from edge_gate.core.errors import Busy, EdgeGateError
from edge_gate.gate.control.caller import understand
from edge_gate.gate.control.requests import Request

Slices = Generator[float | None, None, None]
"""A job. Each step does a slice and may say in how many seconds it wants the next one."""

# What is under way when the gate is stopped gets so long; the unit's TimeoutStopSec= is longer.
STOP_S: Final = 5.0
# How often those who wait are told so.
TELL_NS: Final = 10 * 10**9


class Asker(Protocol):
    """Who waits for a job: a request, or the gate itself."""

    def progress(self, value: Any, /) -> None:
        """Be told that it goes on."""

    def fail(self, error: EdgeGateError, /) -> None:
        """Be told why it was not done."""


@dataclass(frozen=True, slots=True)
class _Job:
    asker: Asker
    slices: Slices
    reader: int | None = None
    """The user whose job it is, where it only reads."""

    @property
    def writes(self) -> bool:
        return self.reader is None


class Jobs:
    """The queue. Only the gate's own thread calls it. ``wait(seconds)`` is used by `finish` alone."""

    def __init__(self, clock: Clock, wait: Callable[[float], None] = time.sleep) -> None:
        self._clock = clock
        self._wait = wait
        self._current: _Job | None = None
        self._writing: deque[_Job] = deque()
        self._reading: deque[_Job] = deque()
        self._due_ns = self._told_ns = 0

    def write(self, asker: Asker, slices: Slices) -> None:
        """Have ``slices`` done, one after the other. They answer who asked; what they raise is an answer too."""
        self._writing.append(_Job(asker, slices))
        self._begin()

    def read(self, request: Request, slices: Slices) -> None:
        """Do the same for slices that change nothing. Raises Busy where this user has asked for such before."""
        under_way = (self._current, *self._reading)
        if any(each and each.reader == request.caller.uid for each in under_way):
            slices.close()
            raise Busy("Another search or check that you have asked for")
        self._reading.append(_Job(request, slices, request.caller.uid))
        self._begin()

    def tick(self, now_ns: int) -> None:
        """Do one slice, if one is due."""
        if self._current is None:
            return
        if now_ns >= self._told_ns + TELL_NS:  # so that nobody takes the silence for the gate's end
            self._told_ns = now_ns
            for each in (self._current, *self._writing, *self._reading):
                each.asker.progress({"waiting": True})
        if now_ns >= self._due_ns:
            self._step(self._current)

    def patience_s(self) -> float | None:
        """Return in how many seconds the next slice is due; None where nothing is to be done."""
        return None if self._current is None else max(0, self._due_ns - self._clock.monotonic_ns()) / 1e9

    def finish(self) -> None:
        """Do what is left of what writes, before the gate ends. What takes too long, and what only reads, is closed."""
        end_ns = self._clock.monotonic_ns() + round(STOP_S * 1e9)
        while self._current is not None and self._clock.monotonic_ns() < end_ns:
            if not self._current.writes:
                self._close(self._current)
                continue
            self._wait(self.patience_s() or 0)
            self._step(self._current)
        while self._current is not None:
            self._close(self._current)

    def _begin(self) -> None:
        if self._current is None:
            self._go_on()
            self._told_ns = self._clock.monotonic_ns()

    def _step(self, job: _Job) -> None:
        try:
            self._due_ns = self._clock.monotonic_ns() + round((next(job.slices) or 0) * 1e9)
        except StopIteration:
            self._go_on()
        except Exception as error:  # a job's own fault must not end the gate for everybody
            job.asker.fail(understand(error, "a job could not be done"))
            self._go_on()

    def _close(self, job: _Job) -> None:
        """Break a job off. One that writes sees it, and says how far it came; it has to be begun for that."""
        if job.writes and getgeneratorstate(job.slices) == GEN_CREATED:
            self._step(job)
        if self._current is job:
            job.slices.close()
            self._go_on()

    def _go_on(self) -> None:
        """Come to the next job, if there is one."""
        waiting = self._writing or self._reading
        self._current, self._due_ns = waiting.popleft() if waiting else None, 0
