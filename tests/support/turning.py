# SPDX-License-Identifier: Apache-2.0
"""Turns the relay's machines as the gate's loop does, with a real selector, until what was begun has ended."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable

from edge_gate.core.clock import Clock
from edge_gate.core.errors import RelayError
from edge_gate.relays.board import RelayBoard
from edge_gate.relays.framing import Exchange
from edge_gate.relays.guard import PulseGuard
from edge_gate.relays.line import SerialLine
from edge_gate.relays.machine import Machine
from edge_gate.relays.pulses import Confirmation
from tests.support.clocks import HeldClock

PATIENCE_S = 60.0
LONGEST_WAIT_S = 0.05


def turn(machine: Machine, clock: Clock, until: Callable[[], bool]) -> None:
    """Wait in a selector, no longer than the machine says, and tick, until the condition holds."""
    give_up = time.monotonic() + PATIENCE_S
    with selectors.DefaultSelector() as selector:
        machine.attach(selector, lambda: None)
        try:
            while not until():
                assert time.monotonic() < give_up, "the machine does not come to its end"
                _turn_once(machine, clock, selector)
        finally:
            machine.detach()


def _turn_once(machine: Machine, clock: Clock, selector: selectors.BaseSelector) -> None:
    due_ns = machine.due_ns
    left_s = LONGEST_WAIT_S if due_ns is None else max(0.0, (due_ns - clock.monotonic_ns()) / 1e9)
    began_ns = time.monotonic_ns()
    selector.select(min(LONGEST_WAIT_S, left_s))
    if isinstance(clock, HeldClock):
        clock.at_ns += time.monotonic_ns() - began_ns
    machine.tick()


class TurnedLine:
    """A line whose every exchange is waited for."""

    def __init__(self, line: SerialLine, clock: Clock) -> None:
        self.line = line
        self._clock = clock

    def open(self) -> None:
        self._run(())

    def exchange(self, exchange: Exchange) -> bytes | None:
        return self._run((exchange,))

    def close(self) -> None:
        self.line.close()

    def _run(self, exchanges: tuple[Exchange, ...]) -> bytes | None:
        told: list[bytes | RelayError | None] = []
        self.line.submit(exchanges, told.append)
        turn(self.line, self._clock, lambda: bool(told))
        (result,) = told
        if isinstance(result, RelayError):
            raise result
        return result


class TurnedBoard:
    """A board whose every act is waited for, until the board is at rest again."""

    def __init__(self, board: RelayBoard, clock: Clock) -> None:
        self.board = board
        self._clock = clock
        self._failures: list[RelayError] = []
        board.report_to(self._failures.append)

    @property
    def due_ns(self) -> int | None:
        return self.board.due_ns

    def pulse(self, channel: int, pulse_ms: int) -> Confirmation:
        told: list[Confirmation | RelayError] = []
        self.board.pulse(channel, pulse_ms, told.append)
        self._rest()
        (result,) = told
        if isinstance(result, RelayError):
            raise result
        return result

    def all_off(self) -> None:
        told: list[RelayError | None] = []
        self.board.all_off(told.append)
        self._rest()
        (error,) = told
        if error is not None:
            raise error

    def read(self) -> tuple[bool, ...] | None:
        told: list[tuple[bool, ...] | RelayError | None] = []
        self.board.read(told.append)
        self._rest()
        (result,) = told
        if isinstance(result, RelayError):
            raise result
        return result

    def tick(self) -> None:
        """Do what is due, and raise what the board reported meanwhile."""
        self._failures.clear()
        self.board.tick()
        self._rest()
        if self._failures:
            raise self._failures[0]

    def close(self) -> None:
        """Switch off as far as that is possible, and let go."""
        self.board.all_off(lambda _: None)
        self._rest()
        self.board.close()

    def _rest(self) -> None:
        turn(self.board, self._clock, lambda: not self.board.busy)


def arm(guard: PulseGuard, clock: Clock, deadline_ns: int) -> None:
    """Have a guard watch a pulse, and wait until it does."""
    told: list[RelayError | None] = []
    guard.arm(deadline_ns, told.append)
    turn(guard, clock, lambda: bool(told))
    if told[0] is not None:
        raise told[0]
