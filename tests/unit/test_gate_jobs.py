# SPDX-License-Identifier: Apache-2.0
"""Long work in slices: one job at a time, who writes goes first, callers are answered, a stop breaks off in order."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from edge_gate.core.clock import Clock
from edge_gate.core.errors import Busy, EdgeGateError, InternalFault, StoreFull
from edge_gate.gate.control.caller import Caller
from edge_gate.gate.control.requests import Request
from edge_gate.gate.jobs import Jobs
from tests.support.clocks import HeldClock


class Asked:
    """A request, and the other end of its caller's connection."""

    def __init__(self, uid: int) -> None:
        ours, self._theirs = socket.socketpair()
        ours.setblocking(False)
        self.request = Request(Caller(ours, uid, "somebody"), "forget", {})

    def close(self) -> None:
        self.request.caller.connection.close()
        self._theirs.close()

    @property
    def failed(self) -> list[str]:
        """The kinds of error that came as an answer."""
        return [line["error"]["kind"] for line in self._lines() if "error" in line]

    @property
    def progress(self) -> int:
        """How many lines about how it goes came."""
        return sum("progress" in line for line in self._lines())

    def _lines(self) -> list[dict[str, Any]]:
        self._theirs.setblocking(False)
        with suppress(BlockingIOError):
            return [json.loads(line) for line in self._theirs.recv(65536).splitlines()]
        return []


MakeAsked = Callable[[int], Asked]


def slices(told: list[str], name: str, *pauses: float, raises: Exception | None = None) -> Generator[float, None, None]:
    try:
        for number, pause_s in enumerate(pauses):
            told.append(f"{name}{number}")
            yield pause_s
        if raises is not None:
            raise raises
        told.append(f"{name} over")
    finally:
        told.append(f"{name} closed")


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def asked() -> Iterator[MakeAsked]:
    """Return what makes requests of a user."""
    with ExitStack() as stack:

        def ask_as(uid: int) -> Asked:
            made = Asked(uid)
            stack.callback(made.close)
            return made

        yield ask_as


def turn(jobs: Jobs, clock: Clock, turns: int = 1) -> None:
    for _ in range(turns):
        jobs.tick(clock.monotonic_ns())


def test_one_slice_a_turn_and_one_job_after_the_other(clock: HeldClock, asked: MakeAsked) -> None:
    jobs, told, request = Jobs(clock), list[str](), asked(0)
    assert jobs.patience_s() is None
    jobs.write(request.request, slices(told, "a", 0, 0))
    jobs.write(request.request, slices(told, "b", 0))
    seen = []
    while jobs.patience_s() is not None:
        assert jobs.patience_s() == 0
        turn(jobs, clock)
        seen.append(list(told))
    assert [len(each) for each in seen] == [1, 2, 4, 5, 7]
    assert told == ["a0", "a1", "a over", "a closed", "b0", "b over", "b closed"]
    assert not request.failed


def test_a_pause_lets_the_loop_rest(clock: HeldClock, asked: MakeAsked) -> None:
    jobs, told = Jobs(clock), list[str]()
    jobs.write(asked(0).request, slices(told, "a", 0.5, 0))
    turn(jobs, clock)
    assert told == ["a0"]
    patience_s = jobs.patience_s()
    assert patience_s is not None and 0.3 < patience_s <= 0.5
    turn(jobs, clock, 5)
    assert told == ["a0"]
    clock.pass_s(0.5)
    turn(jobs, clock)
    assert told == ["a0", "a1"]


@pytest.mark.parametrize(
    ("error", "told_as"),
    [(StoreFull(Path("x")), StoreFull), (ValueError("x"), InternalFault), (OSError(), InternalFault)],
)
def test_a_job_that_fails_is_told_and_the_next_one_is_done(
    clock: HeldClock, asked: MakeAsked, error: Exception, told_as: type[EdgeGateError]
) -> None:
    jobs, told, request = Jobs(clock), list[str](), asked(0)
    jobs.write(request.request, slices(told, "a", 0, raises=error))
    jobs.write(asked(0).request, slices(told, "b"))
    turn(jobs, clock, 3)
    assert request.failed == [told_as.__name__]
    assert told == ["a0", "a closed", "b over", "b closed"]


def test_who_writes_goes_first_and_a_user_has_one_search_at_a_time(clock: HeldClock, asked: MakeAsked) -> None:
    jobs, told = Jobs(clock), list[str]()
    jobs.read(asked(1).request, slices(told, "a", 0))
    jobs.read(asked(2).request, slices(told, "b"))
    for uid in (1, 2):
        with pytest.raises(Busy):
            jobs.read(asked(uid).request, slices(told, "more"))
    jobs.read(asked(3).request, slices(told, "c"))
    jobs.write(asked(1).request, slices(told, "writes"))
    jobs.write(asked(1).request, slices(told, "writes too"))
    while jobs.patience_s() is not None:
        turn(jobs, clock)
    assert [each for each in told if each.endswith("over")] == [
        "a over", "writes over", "writes too over", "b over", "c over",
    ]  # fmt: skip
    jobs.read(asked(1).request, slices(told, "again"))


def test_a_stop_finishes_what_writes_and_lets_the_rest_say_how_far_it_came(clock: HeldClock, asked: MakeAsked) -> None:
    jobs, told = Jobs(clock, clock.pass_s), list[str]()

    def endless() -> Generator[float, None, None]:
        try:
            while True:
                clock.pass_s(1)
                yield 0.5
        finally:
            told.append("endless closed")

    jobs.write(asked(0).request, slices(told, "a", 1, 0))
    jobs.read(asked(0).request, slices(told, "reads", 0))
    jobs.write(asked(0).request, endless())
    jobs.write(asked(0).request, slices(told, "late", 0))
    jobs.finish()
    assert told == ["a0", "a1", "a over", "a closed", "endless closed", "late0", "late closed"]
    assert jobs.patience_s() is None


def test_a_check_under_way_is_broken_off_first_at_a_stop(clock: HeldClock, asked: MakeAsked) -> None:
    jobs, told = Jobs(clock, clock.pass_s), list[str]()
    jobs.read(asked(0).request, slices(told, "reads", 0, 0, 0))
    turn(jobs, clock)
    jobs.write(asked(0).request, slices(told, "writes"))
    jobs.finish()
    assert told == ["reads0", "reads closed", "writes over", "writes closed"]


def test_everybody_who_waits_is_told_so_now_and_then(clock: HeldClock, asked: MakeAsked) -> None:
    jobs, told, both = Jobs(clock), list[str](), (asked(0), asked(1))
    jobs.write(both[0].request, slices(told, "a", *[1.0] * 40))
    jobs.read(both[1].request, slices(told, "b"))
    for _ in range(35):
        turn(jobs, clock)
        clock.pass_s(1)
    assert [each.progress for each in both] == [3, 3]
