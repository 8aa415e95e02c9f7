# SPDX-License-Identifier: Apache-2.0
"""Which bytes count as the answer: echo, noise, doubled bytes, and answers that come too late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import RelayEchoed, RelayError, RelayLate, RelayNoisy
from edge_gate.relays.answers import NOISE_BYTES, find_answer
from edge_gate.relays.board import RelayBoard, open_board
from edge_gate.relays.framing import Exchange
from edge_gate.relays.line import LATE_MS, SerialLine
from edge_gate.relays.modbus import WaveshareModbus
from edge_gate.relays.pulses import Confirmation
from edge_gate.relays.simulator import BoardSimulator, Fault
from edge_gate.settings.config import DoorSettings
from tests.support.clocks import HeldClock
from tests.support.turning import TurnedBoard, TurnedLine
from tests.support.virtual_wire import Trouble, VirtualWire, pass_time

BOARD = WaveshareModbus(DoorSettings(channels=2))
OFF, LOOK = BOARD.all_off()
EXCHANGES = [OFF, LOOK, BOARD.off(1), BOARD.on(1), BOARD.timed_pulse(1, 500), BOARD.read()]
READ_REPLY = LOOK.reply or b""


def reply_to(exchange: Exchange) -> bytes:
    return exchange.reply or READ_REPLY


@pytest.fixture
def simulator() -> Iterator[BoardSimulator]:
    with BoardSimulator("modbus-waveshare", channels=2) as board:
        yield board


def turned_board(simulator: BoardSimulator, reply_ms: int = 100) -> TurnedBoard:
    clock = SystemClock()
    line = SerialLine(simulator.path, 115_200, clock, BOARD.all_off(), reply_ms)
    return TurnedBoard(RelayBoard(BOARD, line, clock), clock)


@given(st.sampled_from(EXCHANGES), st.binary(max_size=NOISE_BYTES), st.binary(max_size=NOISE_BYTES))
def test_a_whole_answer_is_found_behind_and_before_noise(exchange: Exchange, before: bytes, behind: bytes) -> None:
    answer = find_answer(exchange, before + reply_to(exchange) + behind, echoes=False)
    assert answer is not None and exchange.accepts(answer.frame)


@given(st.sampled_from(EXCHANGES), st.data())
def test_an_answer_with_a_byte_lost_doubled_or_changed_is_never_accepted(
    exchange: Exchange, data: st.DataObject
) -> None:
    reply = reply_to(exchange)
    at = data.draw(st.integers(0, len(reply) - 1))
    doubled = data.draw(st.integers(1, len(reply) - 2))
    flipped = reply[:at] + bytes((reply[at] ^ data.draw(st.integers(1, 255)),)) + reply[at + 1 :]
    for spoilt in (flipped, reply[:at] + reply[at + 1 :], reply[: doubled + 1] + reply[doubled:]):
        if reply not in spoilt:  # a byte that doubles its neighbour leaves the frame whole
            assert find_answer(exchange, spoilt, echoes=False) is None


@pytest.mark.parametrize("exchange", [OFF, BOARD.off(1), BOARD.on(2), BOARD.timed_pulse(1, 500)])
def test_on_a_line_that_echoes_a_command_needs_its_echo_and_its_answer(exchange: Exchange) -> None:
    assert find_answer(exchange, exchange.request, echoes=True) is None
    assert find_answer(exchange, exchange.request + b"\x00" + exchange.request, echoes=True) is not None


def test_a_question_shows_whether_the_line_echoes() -> None:
    behind = find_answer(LOOK, LOOK.request + READ_REPLY, echoes=None)
    alone = find_answer(LOOK, READ_REPLY, echoes=None)
    assert behind is not None and behind.echoes is True
    assert alone is not None and alone.echoes is False
    assert find_answer(LOOK, LOOK.request, echoes=None) is None


@pytest.mark.parametrize("fault", [Fault.LINE_ECHO, Fault.LEADING_BYTE])
def test_a_line_with_echo_or_a_leading_byte_works(simulator: BoardSimulator, fault: Fault) -> None:
    simulator.fail(fault)
    board = turned_board(simulator)
    board.all_off()
    assert board.pulse(1, 500) is Confirmation.CONFIRMED
    assert simulator.is_on(1)
    assert board.read() == (True, False)
    board.all_off()
    assert board.pulse(2, 500) is Confirmation.CONFIRMED
    board.close()
    assert not any(simulator.relays)


def test_a_doubled_byte_within_the_answer_is_named(simulator: BoardSimulator) -> None:
    simulator.fail(Fault.DOUBLED_BYTE)
    board = turned_board(simulator, reply_ms=40)
    for _ in range(2):
        with pytest.raises(RelayNoisy, match="one byte came twice"):
            board.all_off()
    simulator.fail(Fault.NONE)
    board.all_off()
    board.close()


def test_on_a_line_that_echoes_a_board_that_falls_silent_confirms_nothing(simulator: BoardSimulator) -> None:
    simulator.fail(Fault.LINE_ECHO)
    board = turned_board(simulator, reply_ms=40)
    board.all_off()
    simulator.fail(Fault.ECHO)
    with pytest.raises(RelayEchoed, match="the line returns what is sent on it, and the board says nothing"):
        board.pulse(1, 500)
    with pytest.raises(RelayEchoed):
        board.all_off()
    simulator.fail(Fault.NONE)  # somebody has also switched the echo off
    board.all_off()
    assert board.pulse(1, 500) is Confirmation.CONFIRMED
    board.close()


def test_a_board_that_is_always_too_late_is_named_with_the_setting_and_works_once_that_is_raised(
    simulator: BoardSimulator,
) -> None:
    simulator.late_ms = 330
    simulator.fail(Fault.LATE)
    settings = DoorSettings(relay="modbus-waveshare", port=simulator.path, baud=115_200, channels=2)
    board = TurnedBoard(open_board(settings, SystemClock()), SystemClock())
    with pytest.raises(RelayLate, match=r"too late, after \d{3} ms where 250 ms are allowed. Raise door.reply_ms"):
        board.all_off()
    board.board.close()
    patient = TurnedBoard(open_board(replace(settings, reply_ms=1000), SystemClock()), SystemClock())
    patient.all_off()
    assert patient.pulse(1, 500) is Confirmation.CONFIRMED
    patient.close()


class World:
    """A line behind a virtual wire that knows which request each answer belongs to."""

    def __init__(self, late_ms: int | None = None) -> None:
        self.clock = HeldClock()
        self.wire = VirtualWire(self.clock, "modbus-waveshare", 2)
        self.line = SerialLine("virtual", 9600, self.clock, open_port=self.wire.open, late_ms=late_ms)
        self.told: list[Any] = []
        self.submitted = 0

    def ask(self, exchange: Exchange) -> None:
        self.submitted += 1
        self.line.submit((exchange,), self._judge, ahead=True)

    def suffer(self, trouble: Trouble | int) -> None:
        self.wire.late_ms = trouble if isinstance(trouble, int) else self.wire.late_ms
        self.wire.suffer(Trouble.LATE if isinstance(trouble, int) else trouble)
        self.line.tick()

    def live(self, ms: int) -> None:
        pass_time(self.wire, self.line, ms, lambda: None)

    def _judge(self, result: bytes | RelayError | None) -> None:
        self.told.append(result)
        if isinstance(result, bytes):
            number = [number for number, answer in self.wire.delivered if result in answer][-1]
            assert number == len(self.wire.asked) - 1, "an answer counted for another question"


TROUBLES = [
    Trouble.NONE,
    Trouble.DEAF,
    Trouble.SILENT,
    Trouble.GARBLED,
    Trouble.SHORT,
    Trouble.LEADING,
    Trouble.DOUBLED,
]
LATENESS = st.integers(50, 2000)
STEP = st.one_of(
    st.sampled_from(EXCHANGES), st.sampled_from(TROUBLES), LATENESS, st.sampled_from([-1, -20, -300, -700, -2500])
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=30))
def test_however_late_answers_are_none_counts_for_another_question(steps: list[Any]) -> None:
    world = World()
    for step in steps:
        if isinstance(step, Exchange):
            world.ask(step)
        elif isinstance(step, int) and step < 0:
            world.live(-step)
        else:
            world.suffer(step)
    world.suffer(Trouble.NONE)
    world.live(6000 * (1 + world.submitted))
    assert len(world.told) == world.submitted
    assert world.line.due_ns is None


@pytest.mark.parametrize("late_ms", [330, 600, 1000, 2000])
@pytest.mark.parametrize("exchange", [BOARD.timed_pulse(1, 500), BOARD.read(), BOARD.off(1)])
def test_a_late_answer_does_not_answer_the_same_question_asked_again(exchange: Exchange, late_ms: int) -> None:
    world = World()
    world.suffer(late_ms)
    world.ask(exchange)
    world.live(5)
    world.suffer(Trouble.DEAF)  # so the answer that is under way is the only one that will ever come
    world.live(700)
    world.ask(exchange)
    world.live(9000)
    assert len(world.told) == 2 and all(isinstance(each, RelayError) for each in world.told)


def test_without_the_silence_a_late_answer_does_count_for_another_question() -> None:
    """The control: what these tests look for is there when the line does not wait."""
    world = World(late_ms=0)
    world.suffer(400)
    world.ask(BOARD.timed_pulse(1, 500))
    world.live(330)
    world.suffer(Trouble.DEAF)
    world.ask(BOARD.timed_pulse(1, 500))
    with pytest.raises(AssertionError, match="counted for another question"):
        world.live(500)


def test_what_switches_off_goes_out_before_the_silence_that_an_older_answer_needs() -> None:
    world = World()
    world.suffer(Trouble.SILENT)
    world.ask(OFF)
    world.live(2 * LATE_MS + 1000)
    assert len(world.told) == 1
    before = len(world.wire.heard)
    world.ask(OFF)
    world.live(20)
    assert world.wire.heard[before:] == [OFF.request]
    world.suffer(Trouble.NONE)
    world.live(2 * LATE_MS)
    assert world.told[1] == OFF.reply


def test_a_pulse_that_would_have_to_wait_for_an_older_answer_is_not_sent_late() -> None:
    world = World()
    world.suffer(Trouble.SILENT)
    pulse = BOARD.timed_pulse(1, 500)
    world.ask(pulse)
    world.live(400)
    told: list[Any] = []
    world.line.submit((pulse,), told.append, patience_ms=1000)
    world.suffer(Trouble.NONE)
    world.live(1100)
    assert len(told) == 1 and "so nothing was sent" in str(told[0])
    assert world.wire.heard.count(pulse.request) == 1


def test_a_turned_line_waits_out_noise_that_never_ends(simulator: BoardSimulator) -> None:
    clock = SystemClock()
    port = TurnedLine(SerialLine(simulator.path, 115_200, clock, reply_timeout_ms=60), clock)
    simulator.fail(Fault.GARBLED)
    with pytest.raises(RelayError):
        port.exchange(BOARD.on(1))
    port.close()
