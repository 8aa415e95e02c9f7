# SPDX-License-Identifier: Apache-2.0
"""No relay that only the host can switch off is switched on while no guard watches, however long the gate stalls."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_gate.core.errors import Busy, RelayError
from edge_gate.relays.board import LATEST_MS, RelayBoard
from edge_gate.relays.guard import MARGIN_MS
from edge_gate.relays.lcus import Lcus1
from edge_gate.relays.line import MOST_WAITING, SerialLine
from edge_gate.relays.pulses import Confirmation
from edge_gate.settings.config import DoorSettings
from tests.support.clocks import HeldClock
from tests.support.virtual_wire import Trouble, VirtualGuard, VirtualWire

CHANNELS = 2


@dataclass(frozen=True)
class Stall:
    """The gate's loop does not turn for so long; its guard's child lives on."""

    ms: int


@dataclass(frozen=True)
class Wished:
    channel: int
    ms: int


class Guarded:
    """A board that the host has to time, its guard, and a loop that may stall anywhere."""

    def __init__(self, answers_after_ms: int = 1) -> None:
        self.clock = HeldClock()
        framing = Lcus1(DoorSettings(channels=CHANNELS))
        self.on = [framing.on(channel).request for channel in range(1, CHANNELS + 1)]
        self.wire = VirtualWire(self.clock, "lcus1", CHANNELS, on_heard=self._note)
        rest = framing.all_off()
        self.guard = VirtualGuard(self.wire, (each.request for each in rest), answers_after_ms)
        line = SerialLine("virtual", 9600, self.clock, rest, open_port=self.wire.open)
        self.board = RelayBoard(framing, line, self.clock, self.guard)
        self.outcomes: list[Confirmation | RelayError] = []
        self.unguarded: list[int] = []

    def _note(self, request: bytes) -> None:
        if request in self.on and self.guard.armed_ns is None:
            self.unguarded.append(self.clock.at_ns)

    def turn(self, ms: int) -> None:
        """Turn the loop for so long, a millisecond at a time."""
        for _ in range(ms):
            self.board.tick()
            self._pass(1)

    def stall(self, ms: int) -> None:
        for _ in range(ms):
            self._pass(1)

    def wish(self, wished: Wished) -> None:
        self.board.pulse(wished.channel, wished.ms, self.outcomes.append)

    @property
    def waiting(self) -> int:
        """How many pulses wait to be sent."""
        return len(self.board._wishes)

    def _pass(self, ms: int) -> None:
        self.clock.pass_ms(ms)
        self.guard.live()


STEPS = st.lists(
    st.one_of(
        st.builds(Wished, st.integers(1, CHANNELS), st.integers(1, 12).map(lambda each: 100 * each)),
        st.builds(Stall, st.sampled_from([1, 3, 40, 300, 550, 900, 1400])),
        st.integers(1, 60),
        st.sampled_from([Trouble.NONE, Trouble.HELD, Trouble.UNPLUGGED]),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.sampled_from([0, 1, 5, 240]))
@example([30, Wished(1, 300), 1, Stall(900), 30], 1)
@example([30, Wished(2, 300), 40, Wished(1, 1200), 1, Stall(550), 30], 1)
@example([30, Wished(1, 100), 1, Stall(550), 30], 240)
@example([Wished(1, 100)] * (MOST_WAITING + 2), 0)
def test_no_relay_is_switched_on_while_the_guard_does_not_watch(steps: list[object], answers_after_ms: int) -> None:
    guarded = Guarded(answers_after_ms)
    wishes = 0
    for step in steps:
        match step:
            case Wished() if guarded.waiting >= MOST_WAITING:
                with pytest.raises(Busy):
                    guarded.wish(step)
            case Wished():
                guarded.wish(step)
                wishes += 1
            case Stall():
                guarded.stall(step.ms)
            case Trouble():
                guarded.wire.suffer(step)
            case int():
                guarded.turn(step)
    guarded.wire.suffer(Trouble.NONE)
    guarded.turn(4000)
    assert guarded.unguarded == []
    assert len(guarded.outcomes) == wishes
    assert not any(guarded.wire.relays.on)
    assert guarded.guard.armed_ns is None, "nor does it watch for nobody"


@pytest.mark.parametrize("stall_ms", [0, 300, 800, LATEST_MS - 50, LATEST_MS + 50, 3000])
def test_a_pulse_whose_guard_answered_long_ago_is_sent_watched_or_not_at_all(stall_ms: int) -> None:
    guarded = Guarded()
    guarded.turn(30)
    guarded.wish(Wished(1, 300))
    while not guarded.guard.busy:
        guarded.turn(1)
    guarded.stall(stall_ms)
    guarded.turn(20)
    (outcome,) = guarded.outcomes
    assert isinstance(outcome, Confirmation) == (stall_ms < LATEST_MS - 40)
    assert guarded.unguarded == []
    guarded.stall(300 + MARGIN_MS + 20)  # the gate hangs from here on: the guard alone ends the pulse
    assert not any(guarded.wire.relays.on)
