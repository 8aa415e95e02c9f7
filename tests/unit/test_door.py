# SPDX-License-Identifier: Apache-2.0
"""The door: when it is secure, released or at fault, and that each release has exactly one outcome."""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from edge_gate.core import drivers
from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import BadPulse, Busy, RelayError, RelayMissing, RelaySilent, StoreFull
from edge_gate.gate.door.door import LOOK_NS, Door, DoorState
from edge_gate.relays.board import RelayBoard, open_board, switch_off
from edge_gate.relays.framing import Exchange
from edge_gate.relays.lcus import Lcus1
from edge_gate.relays.line import MOST_WAITING, SerialLine
from edge_gate.relays.modbus import WaveshareModbus
from edge_gate.relays.pulses import Confirmation
from edge_gate.relays.simulator import BoardSimulator, Fault
from edge_gate.settings.config import DoorSettings
from tests.support.clocks import HeldClock
from tests.support.turning import turn

PULSE_MS = 700


@pytest.fixture
def simulator() -> Iterator[BoardSimulator]:
    with BoardSimulator("modbus-waveshare") as board:
        yield board


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


def make_door(port: str, clock: HeldClock, patience_ms: int = 2000, channel: int = 1) -> Door:
    settings = DoorSettings(relay="modbus-waveshare", port=port, channel=channel)
    framing = WaveshareModbus(settings)
    line = SerialLine(port, 115_200, clock, framing.all_off(), patience_ms)
    return Door(RelayBoard(framing, line, clock), settings, clock)


def make_live_door(simulator: BoardSimulator) -> Door:
    settings = DoorSettings(relay="modbus-waveshare", port=simulator.path, baud=115_200)
    door = Door(open_board(settings, SystemClock()), settings, SystemClock())
    door.secure()
    assert door.settle()
    return door


def secure(door: Door, clock: HeldClock) -> None:
    door.secure()
    turn(door, clock, lambda: not door.busy)
    assert door.state is DoorState.SECURE


def test_the_door_is_at_fault_until_every_relay_was_switched_off(simulator: BoardSimulator, clock: HeldClock) -> None:
    door = make_door(simulator.path, clock)
    assert (door.state, door.fault) == (DoorState.FAULT, "not yet reached")
    secure(door, clock)
    assert door.fault is None


def test_a_release_returns_before_anything_is_sent_and_its_outcome_comes_once(
    simulator: BoardSimulator, clock: HeldClock
) -> None:
    door, told = make_door(simulator.path, clock), list[Confirmation | RelayError]()
    secure(door, clock)
    heard = len(simulator.heard)
    door.release(PULSE_MS, told.append)
    assert (told, door.releasing, door.state) == ([], True, DoorState.SECURE)
    assert len(simulator.heard) == heard
    turn(door, clock, lambda: not door.busy)
    assert (told, door.releasing, door.state) == ([Confirmation.CONFIRMED], False, DoorState.RELEASED)
    assert simulator.is_on(1)
    clock.pass_ms(PULSE_MS - 50)
    door.tick()
    assert door.state is DoorState.RELEASED
    clock.pass_ms(50)
    door.tick()
    assert door.state.value == "secure"
    assert told == [Confirmation.CONFIRMED]
    turn(door, clock, lambda: not door.busy)


def test_a_board_that_is_silent_is_a_fault_and_is_tried_until_it_answers(
    simulator: BoardSimulator, clock: HeldClock
) -> None:
    door, told = make_door(simulator.path, clock, patience_ms=40), list[Confirmation | RelayError]()
    secure(door, clock)
    simulator.fail(Fault.SILENT)
    door.release(PULSE_MS, told.append)
    turn(door, clock, lambda: not door.busy)
    assert [type(each) for each in told] == [RelaySilent]
    assert door.state is DoorState.FAULT and "did not answer" in str(door.fault)
    simulator.fail(Fault.NONE)
    clock.pass_ms(2500)
    turn(door, clock, lambda: door.state.value == "secure" and not door.busy)
    assert not simulator.is_on(1)
    assert len(told) == 1


def test_a_port_that_is_gone_is_told_by_the_next_tick_and_not_by_the_release(
    simulator: BoardSimulator, clock: HeldClock
) -> None:
    door, told = make_door(simulator.path, clock), list[Confirmation | RelayError]()
    secure(door, clock)
    simulator.unplug()
    door.release(PULSE_MS, told.append)
    assert told == []
    turn(door, clock, lambda: not door.busy)
    assert [type(each) for each in told] == [RelayMissing]
    assert door.state is DoorState.FAULT


def test_what_is_known_at_once_is_raised_at_once_and_has_no_outcome(
    simulator: BoardSimulator, clock: HeldClock
) -> None:
    told = list[Confirmation | RelayError]()
    with pytest.raises(BadPulse):
        make_door(simulator.path, clock, channel=2).release(PULSE_MS, told.append)
    door = make_door(simulator.path, clock)
    for _ in range(MOST_WAITING):
        door.release(PULSE_MS, told.append)
    with pytest.raises(Busy):
        door.release(PULSE_MS, told.append)
    turn(door, clock, lambda: not door.busy)
    assert told == [Confirmation.CONFIRMED] * MOST_WAITING
    secure(door, clock)


def test_an_outcome_that_cannot_be_recorded_leaves_the_door_and_the_other_outcomes_unharmed(
    simulator: BoardSimulator, clock: HeldClock
) -> None:
    door, told = make_door(simulator.path, clock), list[Confirmation | RelayError]()

    def fail(outcome: Confirmation | RelayError) -> None:
        told.append(outcome)
        raise StoreFull("the store")

    secure(door, clock)
    door.release(PULSE_MS, fail)
    door.release(PULSE_MS, told.append)
    with pytest.raises(StoreFull):
        turn(door, clock, lambda: not door.busy)
    turn(door, clock, lambda: not door.busy)
    assert told == [Confirmation.CONFIRMED] * 2
    assert door.state is DoorState.RELEASED
    assert not door.releasing


def test_closing_tells_the_outcomes_that_are_awaited_and_leaves_the_relay_off(simulator: BoardSimulator) -> None:
    door, told = make_live_door(simulator), list[Confirmation | RelayError]()
    door.release(25_000, told.append)
    door.tick()  # the pulse is under way: the port is open
    door.close()
    assert len(told) == 1
    assert not simulator.is_on(1)
    assert not door.releasing


def test_closing_ends_a_pulse_that_lasts(simulator: BoardSimulator) -> None:
    door, told = make_live_door(simulator), list[Confirmation | RelayError]()
    door.release(25_000, told.append)
    assert door.settle()
    assert told == [Confirmation.CONFIRMED] and simulator.is_on(1)
    door.close()
    assert not simulator.is_on(1)


def test_closing_a_door_whose_line_is_stuck_ends_in_time(simulator: BoardSimulator) -> None:
    door, told = make_live_door(simulator), list[Confirmation | RelayError]()
    assert door.settle()
    simulator.fail(Fault.HELD)
    door.release(PULSE_MS, told.append)
    began = time.monotonic()
    door.close()
    assert time.monotonic() - began < 6.0
    assert [isinstance(each, RelayError) for each in told] == [True]
    simulator.fail(Fault.NONE)


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.SILENT, Fault.HELD, Fault.GARBLED])
def test_no_call_on_the_door_waits_whatever_the_board_does(simulator: BoardSimulator, fault: Fault) -> None:
    """The wait is the selector's alone: the door's own calls are far below the 250 ms that one answer may take."""
    door, told = make_live_door(simulator), list[Confirmation | RelayError]()
    simulator.fail(fault)
    longest_s, end = 0.0, time.monotonic() + 1.5
    with selectors.DefaultSelector() as selector:
        door.attach(selector, lambda: None)
        door.release(100, told.append)
        while time.monotonic() < end:
            selector.select(0.01)
            began = time.monotonic()
            door.tick()
            longest_s = max(longest_s, time.monotonic() - began)
        door.detach()
    assert longest_s < 0.2
    assert len(told) == 1
    simulator.fail(Fault.NONE)
    door.close()


@pytest.mark.parametrize("relay", ["lcus1", "modbus-waveshare"])
def test_a_plug_that_is_pulled_while_the_door_is_at_rest_is_a_fault_within_two_seconds(relay: str) -> None:
    with BoardSimulator(relay) as board:
        settings = DoorSettings(relay=relay, port=board.path, baud=115_200)
        door = Door(open_board(settings, SystemClock()), settings, SystemClock())
        door.secure()
        assert door.settle()
        assert door.state is DoorState.SECURE
        assert board.wait_until(lambda: len(board.heard) == 4, 5)  # on opening, and as it was asked to
        heard = len(board.heard)
        rested = time.monotonic() + 0.3
        turn(door, SystemClock(), lambda: time.monotonic() > rested)
        assert len(board.heard) == heard, "nothing is sent while the door is at rest"
        board.unplug()
        latest = time.monotonic() + 2.0
        turn(door, SystemClock(), lambda: door.state is DoorState.FAULT or time.monotonic() > latest)
        assert door.state.value == "fault" and "not there" in str(door.fault)
        board.plug_in()
        turn(door, SystemClock(), lambda: door.state is DoorState.SECURE)
        door.close()


def test_a_door_at_rest_asks_to_look_at_its_port_each_second(simulator: BoardSimulator, clock: HeldClock) -> None:
    door = make_door(simulator.path, clock)
    assert door.due_ns is not None  # not yet reached
    secure(door, clock)
    door.tick()
    assert door.due_ns == clock.monotonic_ns() + LOOK_NS


class SmallBoard(Lcus1):
    """Somebody else's driver, of a board with a timer that goes no further than a second."""

    name = "small"
    board_timed = True
    max_pulse_ms = 1000

    def timed_pulse(self, channel: int, pulse_ms: int) -> Exchange:
        return self.on(channel)


class BrokenBoard(Lcus1):
    name = "broken"

    def on(self, channel: int) -> Exchange:
        raise OverflowError("byte must be in range(0, 256)")


@pytest.mark.parametrize(
    ("driver", "changes", "says"),
    [
        (SmallBoard, {"pulse_ms": 1001}, "must last 1 to 1000 ms; correct door.pulse_ms"),
        (SmallBoard, {"channel": 2}, "it has 1 channels; correct door.channel"),
        (Lcus1, {"channel": 3, "channels": 2}, "it has 2 channels"),
        (BrokenBoard, {}, "its driver failed .OverflowError: byte must be in range"),
    ],
)
def test_an_impossible_pulse_is_found_when_the_board_is_opened_and_does_not_keep_it_from_being_switched_off(
    simulator: BoardSimulator, monkeypatch: pytest.MonkeyPatch, driver: type[Lcus1], changes: dict[str, Any], says: str
) -> None:
    monkeypatch.setattr(drivers, "load", lambda *_: driver)
    settings = replace(DoorSettings(relay="theirs", port=simulator.path), **changes)
    with pytest.raises(BadPulse, match=says):
        open_board(settings, SystemClock())
    board = open_board(settings, SystemClock(), may_pulse=False)
    switch_off(board, SystemClock())
    board.close()
    door = Door(open_board(settings, SystemClock(), may_pulse=False), settings, SystemClock())
    with pytest.raises(BadPulse, match=says):
        door.check_pulse()
    with pytest.raises(BadPulse, match=says):
        door.release(settings.pulse_ms, lambda _: None)
    door.tick()
    door.close()


def test_a_driver_that_fails_at_once_is_an_error_of_the_relay(
    simulator: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Faulty(Lcus1):
        def all_off(self) -> tuple[Exchange, ...]:
            raise KeyError("off")

    monkeypatch.setattr(drivers, "load", lambda *_: Faulty)
    with pytest.raises(RelayError, match=r"its driver theirs failed .KeyError: 'off'.; tell its maker"):
        open_board(DoorSettings(relay="theirs", port=simulator.path), SystemClock())
