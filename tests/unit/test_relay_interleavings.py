# SPDX-License-Identifier: Apache-2.0
"""Pulses on several channels against everything that a line can do, in any order, in time that the test moves."""

from __future__ import annotations

import select
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_gate.core.errors import Busy, RelayError
from edge_gate.relays.board import BACKSTOP_MS, RelayBoard
from edge_gate.relays.framing import Framing
from edge_gate.relays.lcus import Lcus1
from edge_gate.relays.line import SerialLine
from edge_gate.relays.modbus import WaveshareModbus
from edge_gate.relays.pulses import Confirmation
from edge_gate.settings.config import DoorSettings
from tests.support.clocks import HeldClock
from tests.support.virtual_wire import Trouble, VirtualWire, pass_time

CHANNELS = 3
SLACK_MS = 60
"""What exchanges on other channels may cost a healthy line, in which no answer takes longer than 5 ms."""
RECOVERY_MS = 3000
"""How soon after the last trouble everything that ought to be off is off."""
LONGEST_TICK_S = 1.0
"""Far above what a step costs on a busy machine, far below any wait that a person would notice at the door."""

FRAMINGS: dict[str, Callable[[DoorSettings], Framing]] = {"lcus1": Lcus1, "modbus-waveshare": WaveshareModbus}


@dataclass(frozen=True)
class Pulse:
    channel: int
    length: int


@dataclass(frozen=True)
class Pass:
    ms: int


@dataclass(frozen=True)
class Late:
    """From now on answers come so late."""

    ms: int


PULSES = st.builds(Pulse, st.integers(1, CHANNELS), st.integers(1, 12))
TIMES = st.builds(Pass, st.sampled_from([0, 1, 4, 9, 30, 90, 260, 450, 1100]))
LATE = st.builds(Late, st.integers(50, 2000))
TROUBLES: dict[str, list[Trouble]] = {
    # Of a board without answers nobody can know that it heard nothing; what it is told twice may both be lost.
    "lcus1": [each for each in Trouble if each not in (Trouble.DEAF, Trouble.ECHO_ALONE)],
    "modbus-waveshare": list(Trouble),
}
STEPS = {
    name: st.lists(st.one_of(PULSES, TIMES, LATE, st.sampled_from([*troubles, "all off", "tick", "read"])), max_size=40)
    for name, troubles in TROUBLES.items()
}
CALM = st.lists(st.one_of(PULSES, TIMES), max_size=40)


@pytest.fixture(autouse=True)
def nothing_sleeps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever waits in these tests fails them: nothing here needs real time to pass."""

    def refuse(*_: object) -> None:
        raise AssertionError("something waits")

    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", refuse)
        patch.setattr(select, "select", refuse)
        yield


class World:
    """A board behind a virtual wire, and everything that was promised of it."""

    def __init__(self, protocol: str) -> None:
        self.clock = HeldClock()
        self.framing: Framing = FRAMINGS[protocol](DoorSettings(channels=CHANNELS))
        self.wire = VirtualWire(self.clock, protocol, CHANNELS, on_heard=self._note)
        line = SerialLine("virtual", 9600, self.clock, self.framing.all_off(), open_port=self.wire.open)
        self.board = RelayBoard(self.framing, line, self.clock)
        self.outcomes: list[list[Confirmation | RelayError]] = []
        self.wishes: list[Pulse] = []
        self.told: list[list[Any]] = []
        self.longest_s = 0.0
        self.begun: list[tuple[int, Pulse]] = []
        self._may_last_ns = dict.fromkeys(range(1, CHANNELS + 1), 0)

    def do(self, step: object) -> None:
        match step:
            case Pulse():
                self.wish(step)
            case Pass():
                pass_time(self.wire, self, step.ms, self.check)
            case Trouble():
                self.wire.suffer(step)
                self.tick()  # a selector would wake: the line hangs up, or takes bytes again
            case Late():
                self.wire.late_ms = step.ms
                self.wire.suffer(Trouble.LATE)
            case "all off":
                self.told.append([])
                self.board.all_off(self.told[-1].append)
            case "read":
                self._read()
            case _:
                self.tick()
        self.check()

    def wish(self, pulse: Pulse) -> None:
        outcome: list[Confirmation | RelayError] = []
        try:
            self.board.pulse(pulse.channel, pulse.length * 100, outcome.append)
        except Busy:
            assert not outcome
            return
        self.outcomes.append(outcome)
        self.wishes.append(pulse)

    def tick(self) -> None:
        began = time.perf_counter()
        self.board.tick()
        self.longest_s = max(self.longest_s, time.perf_counter() - began)

    @property
    def due_ns(self) -> int | None:
        return self.board.due_ns

    def check(self) -> None:
        """No relay is on past its time, but for a time of grace after trouble on the line."""
        grace_ns = self.wire.troubled_ns + RECOVERY_MS * 1_000_000 if self.wire.troubled_ns else 0
        for channel, on in enumerate(self.wire.relays.on, 1):
            assert not on or self.clock.at_ns <= max(self._may_last_ns[channel], grace_ns), channel
        assert all(len(each) <= 1 for each in [*self.outcomes, *self.told])

    def settle(self) -> None:
        """Mend everything and let the longest pulse and every retry come to their end."""
        self.wire.suffer(Trouble.NONE)
        pass_time(self.wire, self, 12 * 100 + 2 * RECOVERY_MS, self.check)

    def _read(self) -> None:
        self.told.append([])
        try:
            self.board.read(self.told[-1].append)
        except Busy:
            self.told.pop()

    def _note(self, request: bytes) -> None:
        """A pulse has reached the board: from now on its relay may be on for so long."""
        for pulse, outcome in zip(self.wishes, self.outcomes, strict=True):
            if not outcome and request == self.request(pulse):
                self.begun.append((self.clock.at_ns, pulse))
                ends_ns = self.clock.at_ns + (pulse.length * 100 + BACKSTOP_MS + SLACK_MS) * 1_000_000
                self._may_last_ns[pulse.channel] = max(ends_ns, self._may_last_ns[pulse.channel])

    def request(self, pulse: Pulse) -> bytes:
        if self.framing.board_timed:
            return self.framing.timed_pulse(pulse.channel, pulse.length * 100).request
        return self.framing.on(pulse.channel).request

    def attach(self, *_: object) -> None:
        """There is no descriptor."""

    def detach(self) -> None:
        """There is no descriptor."""

    @property
    def busy(self) -> bool:
        return self.board.busy


@pytest.mark.parametrize("protocol", FRAMINGS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_in_any_order_of_faults_and_wishes_each_pulse_is_sent_once_told_once_and_ends(
    protocol: str, data: st.DataObject
) -> None:
    world = World(protocol)
    for step in data.draw(STEPS[protocol]):
        world.do(step)
    world.settle()
    assert not any(world.wire.relays.on)
    assert not world.board.busy
    assert world.board.due_ns is None
    assert all(len(each) == 1 for each in [*world.outcomes, *world.told])
    wished = Counter(map(world.request, world.wishes))
    heard = Counter(request for request in world.wire.heard if request in wished)
    assert all(heard[request] <= count for request, count in wished.items()), "a pulse was sent twice"
    assert world.longest_s < LONGEST_TICK_S


@pytest.mark.parametrize("protocol", FRAMINGS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CALM)
def test_on_a_line_without_faults_every_pulse_lasts_its_time_whatever_the_other_channels_do(
    protocol: str, steps: list[object]
) -> None:
    world = World(protocol)
    for step in steps:
        world.do(step)
    world.settle()
    assert all(isinstance(each, Confirmation) for (each,) in world.outcomes)
    assert bool(world.wire.moves) == bool(world.wishes)
    for channel in range(1, CHANNELS + 1):
        begun = [(at_ns, each.length * 100) for at_ns, each in world.begun if each.channel == channel]
        lengths = [each.length * 100 for each in world.wishes if each.channel == channel]
        moves = [(at_ns, on) for at_ns, number, on in world.wire.moves if number == channel]
        assert [on for _, on in moves] == [True, False] * (len(moves) // 2)
        assert len(moves) // 2 <= len(lengths)
        for (on_ns, _), (off_ns, _) in zip(moves[::2], moves[1::2], strict=True):
            last_ns, length_ms = max(each for each in begun if on_ns <= each[0] < off_ns)
            assert off_ns - last_ns >= length_ms * 1_000_000, "the last one decides, and lasts its time"


@pytest.mark.parametrize("protocol", FRAMINGS)
def test_a_pulse_that_waited_too_long_is_not_sent_any_more(protocol: str) -> None:
    world = World(protocol)
    world.wire.suffer(Trouble.HELD)
    world.do(Pulse(1, 5))
    world.clock.pass_ms(5000)  # the gate itself was held up
    world.wire.suffer(Trouble.NONE)
    world.settle()
    ((outcome,),) = world.outcomes
    assert isinstance(outcome, RelayError)
    assert world.request(Pulse(1, 5)) not in world.wire.heard


@pytest.mark.parametrize("protocol", FRAMINGS)
def test_all_off_comes_before_the_pulses_that_wait_and_those_are_never_sent(protocol: str) -> None:
    world = World(protocol)
    for channel in (1, 2, 3):
        world.do(Pulse(channel, 5))
    world.do("all off")
    world.settle()
    assert all(isinstance(each, RelayError) for (each,) in world.outcomes)
    assert world.told == [[None]]
    assert world.wire.moves == []


def test_a_failed_pulse_switches_every_channel_off_at_once() -> None:
    world = World("modbus-waveshare")
    world.do(Pulse(1, 12))
    world.do(Pass(90))
    world.wire.suffer(Trouble.SILENT)
    world.do(Pulse(2, 12))
    pass_time(world.wire, world, 420, world.check)
    ((first,), (second,)) = world.outcomes
    assert (first, type(second).__name__) == (Confirmation.CONFIRMED, "RelaySilent")
    assert not any(world.wire.relays.on)


def test_a_line_that_waits_for_too_much_takes_no_more_pulses() -> None:
    world = World("lcus1")
    for _ in range(20):
        world.do(Pulse(1, 1))
    assert len(world.wishes) == 8
    world.settle()
    assert all(len(each) == 1 for each in world.outcomes)


def test_the_end_of_one_pulse_does_not_cut_short_the_next_that_is_being_sent() -> None:
    world = World("modbus-waveshare")
    world.wire.answers_after_ms = 100
    world.do(Pulse(1, 5))
    world.do(Pass(450))
    assert world.board.off_due_ns is not None
    until_due_ms = (world.board.off_due_ns - world.clock.at_ns) // 1_000_000
    world.do(Pass(until_due_ms - 50))
    world.do(Pulse(1, 5))  # its answer comes after the first pulse is due to be switched off
    world.settle()
    *_, (on_ns, _, on), (off_ns, _, off) = world.wire.moves
    assert (on, off) == (True, False)
    assert off_ns - on_ns == 500_000_000
