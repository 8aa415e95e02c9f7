# SPDX-License-Identifier: Apache-2.0
"""Long work that somebody waits for: a slice in each turn of the gate's loop, so that the door is never kept waiting.

One job at a time, for two that write the same tables anew would undo each other. Those that write go before those that
only read. They are as many as there were acts before them; of those that read a user has one at a time, so that no
flood of them keeps others waiting.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import Busy, EdgeGateError, InternalFault
from edge_gate.gate.control.requests import Request

Slices = Generator[float | None, None, None]
"""A job. Each step does a slice and may say in how many seconds it wants the next one."""

# What is under way when the gate is stopped gets so long; the unit's TimeoutStopSec= is longer.
STOP_S: Final = 5.0
_log = logging.getLogger(__name__)


class Jobs:
    """The queue. Only the gate's own thread calls it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._current: tuple[Request, Slices] | None = None
        self._writing: deque[tuple[Request, Slices]] = deque()
        self._reading: deque[tuple[Request, Slices]] = deque()
        self._due_ns = 0

    def write(self, request: Request, slices: Slices) -> None:
        """Have ``slices`` done, one after the other. They answer ``request``; what they raise is its answer too."""
        self._writing.append((request, slices))
        self._current = self._current or self._next()

    def read(self, request: Request, slices: Slices) -> None:
        """Do the same for slices that change nothing. Raises Busy where this user has asked for such before."""
        under_way = (self._current, *self._reading)
        if any(each and each[0].caller.uid == request.caller.uid for each in under_way):
            slices.close()
            raise Busy("Something else that you have asked for")
        self._reading.append((request, slices))
        self._current = self._current or self._next()

    def tick(self, now_ns: int) -> None:
        """Do one slice, if one is due."""
        if self._current is not None and now_ns >= self._due_ns:
            self._step(*self._current)

    def patience_s(self) -> float | None:
        """Return in how many seconds the next slice is due; None where nothing is to be done."""
        return None if self._current is None else max(0, self._due_ns - self._clock.monotonic_ns()) / 1e9

    def finish(self) -> None:
        """Do what is left, before the gate ends; what takes too long is broken off, and its caller is not answered."""
        end_ns = self._clock.monotonic_ns() + round(STOP_S * 1e9)
        while self._current is not None and self._clock.monotonic_ns() < end_ns:
            self._step(*self._current)
        while self._current is not None:
            self._current[1].close()
            self._current = self._next()

    def _step(self, request: Request, slices: Slices) -> None:
        try:
            self._due_ns = self._clock.monotonic_ns() + round((next(slices) or 0) * 1e9)
        except StopIteration:
            self._current, self._due_ns = self._next(), 0
        except EdgeGateError as error:
            self._fail(request, error)
        except Exception as error:  # a job's own fault must not end the gate for everybody
            _log.exception("a job could not be done")
            self._fail(request, InternalFault(f"{type(error).__name__}; the gate's log has the particulars"))

    def _fail(self, request: Request, error: EdgeGateError) -> None:
        request.fail(error)
        self._current, self._due_ns = self._next(), 0

    def _next(self) -> tuple[Request, Slices] | None:
        waiting = self._writing or self._reading
        return waiting.popleft() if waiting else None
