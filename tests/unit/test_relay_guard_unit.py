# SPDX-License-Identifier: Apache-2.0
"""The pulse guard as a unit of its own: one kill does not take both, and it holds the board, not the board's name."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import RelayError
from edge_gate.relays.board import RelayBoard, open_board, switch_off
from edge_gate.relays.guard_start import SOCKET_VARIABLE
from edge_gate.relays.machine import settle
from edge_gate.relays.port import SerialPort
from edge_gate.relays.pulses import Confirmation, Wish
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings.config import DoorSettings
from tests.support.guard_unit import GuardUnit
from tests.support.peers import until
from tests.support.turning import TurnedBoard, turn

LONG_MS = 25_000
GATE = """
import os, sys, time
from edge_gate.core.clock import SystemClock
from edge_gate.settings.config import DoorSettings
from edge_gate.relays.board import open_board, switch_off
from edge_gate.relays.pulses import Confirmation
from edge_gate.relays.machine import settle
clock = SystemClock()
board = open_board(DoorSettings(relay="lcus1", port=sys.argv[1], baud=115200), clock, environ=os.environ)
switch_off(board, clock)
told = []
board.pulse(1, int(sys.argv[2]), told.append)
settle(board, clock)
assert told == [Confirmation.UNCONFIRMED], told
print("on", flush=True)
time.sleep(600)
"""


class Gate:
    """A process of its own that has switched the relay on at this port."""

    def __init__(self, port: str, pulse_ms: int = LONG_MS, guard: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", GATE, port, str(pulse_ms)],
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, SOCKET_VARIABLE: guard},
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"on\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def board() -> Iterator[BoardSimulator]:
    with BoardSimulator("lcus1") as simulator:
        yield simulator


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[GuardUnit]:
    made = GuardUnit(tmp_path)
    yield made
    made.close()


def turned(simulator: BoardSimulator, unit: GuardUnit) -> TurnedBoard:
    settings = DoorSettings(port=simulator.path, baud=115200)
    clock = SystemClock()
    return TurnedBoard(open_board(settings, clock, environ={SOCKET_VARIABLE: unit.path}), clock)


def test_nothing_is_switched_on_by_a_gate_whose_guard_has_gone_since_it_answered(
    board: BoardSimulator, unit: GuardUnit
) -> None:
    """Started again, the guard has nothing to watch: it switched off what it had kept."""
    settings, clock = DoorSettings(port=board.path, baud=115200), SystemClock()
    gate = open_board(settings, clock, environ={SOCKET_VARIABLE: unit.path})
    switch_off(gate, clock)
    permit = RelayBoard._permit

    def killed_before(self: RelayBoard, wish: Wish) -> RelayError | None:
        unit.hear()
        unit.kill()
        unit.start()
        return permit(self, wish)

    told: list[Confirmation | RelayError] = []
    with patch.object(RelayBoard, "_permit", killed_before):
        gate.pulse(1, 3000, told.append)
        settle(gate, clock)
    assert isinstance(told[0], RelayError) and "has gone" in str(told[0])
    assert not any(each.on for each in board.history)
    gate.pulse(1, 300, told.append)  # the next one is guarded again
    settle(gate, clock)
    assert told[1:] == [Confirmation.UNCONFIRMED]
    gate.close()


@pytest.mark.parametrize("how", ["killed", "stopped"])
@pytest.mark.parametrize("guarded", ["by a child", "by a unit"])
def test_the_first_board_goes_off_though_the_ports_name_leads_to_another_by_then(
    tmp_path: Path, board: BoardSimulator, unit: GuardUnit, how: str, guarded: str
) -> None:
    name = tmp_path / "relay"
    name.symlink_to(board.path)
    with BoardSimulator("lcus1") as other:
        gate = Gate(str(name), 500 if how == "stopped" else LONG_MS, unit.path if guarded == "by a unit" else "")
        assert board.wait_for(1, True)
        (tmp_path / "new").symlink_to(other.path)
        (tmp_path / "new").rename(name)
        if how == "killed":
            gate.kill()
        else:
            os.kill(gate.process.pid, signal.SIGSTOP)
        assert board.wait_for(1, False), "and not only at the end of a pulse of 25 seconds"
        assert other.heard == []
        gate.kill()


def test_both_killed_at_once_leave_the_relay_off_before_any_gate_is_back(
    board: BoardSimulator, unit: GuardUnit
) -> None:
    gate = Gate(board.path, guard=unit.path)
    assert board.wait_for(1, True)
    os.kill(unit.process.pid, signal.SIGSTOP)  # it must not notice the other's end before its own
    gate.kill()
    unit.kill()
    assert board.is_on(1), "the control: as long as nobody starts the guard again"
    assert len(unit.kept) == 2
    unit.start()
    assert board.wait_for(1, False)
    assert until(lambda: unit.hear() and not unit.kept)


def test_both_stopped_leave_the_relay_off_once_the_watchdog_has_ended_the_guard(
    board: BoardSimulator, unit: GuardUnit
) -> None:
    gate = Gate(board.path, guard=unit.path)
    assert board.wait_for(1, True)
    for each in (gate.process, unit.process):
        os.kill(each.pid, signal.SIGSTOP)
    unit.hear()
    unit.told.clear()
    assert not board.wait_for(1, False, 1.0), "the control: as long as both stand still"
    assert unit.hear() and unit.told == [], "nobody feeds the watchdog"
    unit.kill()  # as the watchdog does
    unit.start()
    assert board.wait_for(1, False)
    gate.kill()


def test_a_guard_that_lives_feeds_the_watchdog(unit: GuardUnit) -> None:
    assert until(lambda: unit.hear() and unit.told.count("WATCHDOG=1") >= 3)


def test_the_gate_killed_alone_leaves_the_relay_off_and_the_guard_ready_for_the_next(
    board: BoardSimulator, unit: GuardUnit
) -> None:
    for _ in range(3):
        gate = Gate(board.path, guard=unit.path)
        assert board.wait_for(1, True)
        gate.kill()
        assert board.wait_for(1, False)
    assert unit.process.poll() is None


def test_the_board_may_be_opened_again_while_the_guard_still_holds_it(board: BoardSimulator, unit: GuardUnit) -> None:
    gate = turned(board, unit)
    gate.pulse(1, LONG_MS)
    with pytest.raises(RelayError, match="another process holds it"):
        SerialPort(board.path, 115_200)
    gate.board._line._shut()  # as after a fault of the port
    SerialPort(board.path, 115_200).close()
    gate.close()


def test_nothing_is_kept_of_a_pulse_that_ended_as_it_should(board: BoardSimulator, unit: GuardUnit) -> None:
    gate = turned(board, unit)
    gate.pulse(1, LONG_MS)
    assert until(lambda: unit.hear() and unit.kept)
    gate.all_off()
    assert until(lambda: unit.hear() and not unit.kept)
    assert board.wait_until(lambda: len(board.heard) == 5, 5)  # off twice, on, off twice
    gate.board.close()
    assert not board.wait_until(lambda: len(board.heard) > 5, 0.3)


def test_a_guard_that_died_is_called_again_for_the_next_pulse(board: BoardSimulator, unit: GuardUnit) -> None:
    gate = turned(board, unit)
    gate.pulse(1, 100)
    turn(gate.board, SystemClock(), lambda: gate.due_ns is None)
    unit.kill()
    unit.start()
    gate.pulse(1, LONG_MS)
    assert board.wait_for(1, True)
    gate.close()
    assert board.wait_for(1, False)


def test_without_the_unit_there_is_no_gate(tmp_path: Path, board: BoardSimulator) -> None:
    settings = DoorSettings(port=board.path, baud=115200)
    with pytest.raises(RelayError, match=r"edge-gate-guard\.socket"):
        open_board(settings, SystemClock(), environ={SOCKET_VARIABLE: str(tmp_path / "nobody.sock")})
    assert board.history == ()


def test_a_second_gate_waits_and_takes_nothing_from_the_first(board: BoardSimulator, unit: GuardUnit) -> None:
    gate = Gate(board.path, guard=unit.path)
    assert board.wait_for(1, True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as second:
        second.settimeout(0.5)
        second.connect(unit.path)
        with pytest.raises(TimeoutError):
            second.recv(64)
        assert board.is_on(1)
        gate.kill()
        assert board.wait_for(1, False)
        second.settimeout(10)
        assert second.recv(64) == b"R", "now it is the one"


@pytest.mark.parametrize("armed", [False, True])
def test_a_guard_that_is_asked_to_end_switches_off_first(board: BoardSimulator, unit: GuardUnit, armed: bool) -> None:
    gate = Gate(board.path, guard=unit.path) if armed else None
    assert board.wait_for(1, armed)
    unit.process.terminate()
    assert unit.process.wait(10) == 0
    assert not board.is_on(1)
    assert any(each.on for each in board.history) == armed
    if gate is not None:
        gate.kill()
