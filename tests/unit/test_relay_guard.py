# SPDX-License-Identifier: Apache-2.0
"""The death of the gate, by every means, while a relay that only the host can switch off is on."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import RelayError
from edge_gate.relays import guard_process
from edge_gate.relays.board import open_board
from edge_gate.relays.guard import PulseGuard
from edge_gate.relays.guard_process import ARMING, Guard, Manager, Watch, now
from edge_gate.relays.lcus import Lcus1
from edge_gate.relays.simulator import BoardSimulator, Fault
from edge_gate.settings.config import DoorSettings
from tests.support.peers import until
from tests.support.turning import TurnedBoard, arm, turn

OFF = Lcus1(DoorSettings()).off(1).request
LONG_MS = 25_000
NEVER_NS = 1 << 62
BAUD = 115_200

GATE = """
import sys, time
from edge_gate.core.clock import SystemClock
from edge_gate.settings.config import DoorSettings
from edge_gate.relays.board import open_board, switch_off
from edge_gate.relays.pulses import Confirmation
from edge_gate.relays.machine import settle
clock = SystemClock()
board = open_board(DoorSettings(relay="lcus1", port=sys.argv[1], baud=115200), clock)
switch_off(board, clock)
if sys.argv[2] != "0":
    told = []
    board.pulse(1, int(sys.argv[2]), told.append)
    settle(board, clock)
    assert told == [Confirmation.UNCONFIRMED], told
print(board.guard_pid, flush=True)
time.sleep(600)
"""


def arming(deadline_ns: int, *frames: bytes) -> bytes:
    return ARMING.pack(b"A", deadline_ns, BAUD) + b"".join(bytes((len(each),)) + each for each in frames or (OFF,))


class Gate:
    """A process of its own that has switched the relay on, for ``pulse_ms`` (0: not at all)."""

    def __init__(self, simulator: BoardSimulator, pulse_ms: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", GATE, simulator.path, str(pulse_ms)], stdout=subprocess.PIPE, start_new_session=True
        )
        assert self.process.stdout is not None
        self.guard_pid = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def simulator() -> Iterator[BoardSimulator]:
    with BoardSimulator("lcus1") as board:
        yield board


def turned(simulator: BoardSimulator) -> TurnedBoard:
    return TurnedBoard(open_board(DoorSettings(port=simulator.path, baud=115200), SystemClock()), SystemClock())


def guard_of(board: TurnedBoard) -> int:
    assert board.board.guard_pid is not None
    return board.board.guard_pid


def gone(pid: int) -> bool:
    """Wait for a process, that need not be ours, to end."""
    for _ in range(1000):
        try:
            if (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True  # ended, and whoever inherited it has not looked yet
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def heard_nothing_more(simulator: BoardSimulator, heard: int) -> bool:
    return not simulator.wait_until(lambda: len(simulator.heard) > heard, 0.3)


def test_killing_the_gate_in_mid_pulse_switches_the_relay_off(simulator: BoardSimulator) -> None:
    gate = Gate(simulator, LONG_MS)
    assert simulator.wait_for(1, True)
    gate.kill()
    assert simulator.wait_for(1, False)  # five seconds at most, of a pulse of twenty-five
    assert gone(gate.guard_pid)
    assert simulator.heard[-1] == OFF


def test_a_gate_that_hangs_in_mid_pulse_does_not_hold_the_door_open(simulator: BoardSimulator) -> None:
    gate = Gate(simulator, 300)
    os.kill(gate.process.pid, signal.SIGSTOP)
    assert simulator.wait_until(lambda: [each.on for each in simulator.history] == [True, False], 10)
    gate.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT])
def test_what_asks_the_whole_service_to_end_does_not_end_the_guard_first(
    simulator: BoardSimulator, number: signal.Signals
) -> None:
    gate = Gate(simulator, LONG_MS)
    os.kill(gate.guard_pid, number)
    os.killpg(gate.process.pid, number)
    gate.process.communicate()
    assert simulator.wait_for(1, False)
    assert gone(gate.guard_pid)


def test_a_gate_that_dies_between_pulses_takes_its_guard_along_in_silence(simulator: BoardSimulator) -> None:
    gate = Gate(simulator, 0)
    assert simulator.wait_until(lambda: len(simulator.heard) == 4, 5)  # on opening, and once more because it was asked
    gate.kill()
    assert gone(gate.guard_pid)
    assert heard_nothing_more(simulator, 4)


def test_a_relay_that_was_away_when_the_gate_died_is_switched_off_on_its_return(simulator: BoardSimulator) -> None:
    gate = Gate(simulator, LONG_MS)
    assert simulator.wait_for(1, True)
    simulator.unplug()
    heard = len(simulator.heard)
    gate.kill()
    simulator.plug_in()
    assert simulator.wait_until(lambda: simulator.heard[heard:][:1] == [OFF], 5)
    assert gone(gate.guard_pid)


def test_a_pulse_that_ended_as_it_should_leaves_the_guard_nothing_to_do(simulator: BoardSimulator) -> None:
    board = turned(simulator)
    board.pulse(1, 50)
    assert simulator.wait_for(1, True)
    turn(board.board, SystemClock(), lambda: board.due_ns is None)
    assert simulator.wait_until(lambda: len(simulator.heard) == 5, 5)  # off twice, on, off twice
    assert heard_nothing_more(simulator, 5)
    board.close()


def test_a_guard_that_died_is_replaced_before_the_relay_goes_on(simulator: BoardSimulator) -> None:
    guard = PulseGuard(simulator.path, 115200, [OFF], SystemClock())
    first = guard.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    arm(guard, SystemClock(), NEVER_NS)
    assert guard.pid != first
    assert gone(first)
    guard.close()  # still armed, as if the gate had died
    assert simulator.wait_until(lambda: simulator.heard == [OFF] * 3, 5)


def test_a_guard_that_is_stuck_is_replaced_before_the_relay_goes_on(simulator: BoardSimulator) -> None:
    guard = PulseGuard(simulator.path, 115200, [OFF], SystemClock())
    first = guard.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    arm(guard, SystemClock(), NEVER_NS)
    assert guard.pid != first
    guard.disarm()
    guard.close()
    assert simulator.heard == []


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/false", "/bin/true"])
def test_without_a_guard_the_relay_is_not_switched_on_and_the_gate_does_not_start(
    simulator: BoardSimulator, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    board = turned(simulator)
    board.all_off()
    os.kill(guard_of(board), signal.SIGKILL)
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(RelayError, match="pulse guard"):
        board.pulse(1, LONG_MS)
    with pytest.raises(RelayError, match="pulse guard"):
        open_board(DoorSettings(port=simulator.path), SystemClock())
    assert board.due_ns is None
    board.close()
    assert simulator.wait_until(lambda: len(simulator.heard) >= 6, 5)
    assert simulator.history == ()


def test_a_guard_that_starts_but_does_not_answer_is_no_guard(
    simulator: BoardSimulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    board = turned(simulator)
    board.all_off()
    os.kill(guard_of(board), signal.SIGKILL)
    (tmp_path / "deaf").write_text("#!/bin/sh\nprintf R >&0\nexec sleep 60\n")
    (tmp_path / "deaf").chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "deaf"))
    with pytest.raises(RelayError, match="does not answer, so the relay was not switched on"):
        board.pulse(1, LONG_MS)
    assert board.due_ns is None
    board.close()
    assert simulator.history == ()


def test_the_guard_holds_the_board_only_while_a_relay_is_on_no_socket_of_the_gate_and_little_memory(
    simulator: BoardSimulator,
) -> None:
    ours, theirs = socket.socketpair()
    os.set_inheritable(ours.fileno(), True)
    board = turned(simulator)
    board.pulse(1, LONG_MS)
    process = Path("/proc") / str(guard_of(board))
    open_files = {each.name: each.readlink() for each in (process / "fd").iterdir()}
    held = {open_files.pop(name) for name in set(open_files) - {"0", "1", "2"}}
    assert held == {Path(simulator.path).resolve()}
    assert str(open_files["0"]).startswith("socket:")
    assert open_files["1"] == Path("/dev/null")
    assert open_files["2"] != Path(simulator.path).resolve()
    board.all_off()
    assert until(lambda: {each.name for each in (process / "fd").iterdir()} == {"0", "1", "2"})
    status = (process / "status").read_text()
    assert int(status.split("VmRSS:")[1].split()[0]) < 20_000
    board.close()
    ours.close()
    theirs.close()


def test_closing_with_the_line_held_leaves_the_guard_trying(simulator: BoardSimulator) -> None:
    board = turned(simulator)
    board.pulse(1, LONG_MS)
    assert simulator.wait_for(1, True)
    child = guard_of(board)
    simulator.fail(Fault.HELD)
    board.close()
    assert simulator.is_on(1)
    simulator.fail(Fault.NONE)
    assert simulator.wait_for(1, False)
    assert gone(child)
    board.board.close()  # once more, so that the child is reaped


@pytest.fixture
def two() -> Iterator[tuple[BoardSimulator, TurnedBoard]]:
    with BoardSimulator("lcus1", channels=2) as simulator:
        settings = DoorSettings(port=simulator.path, baud=115200, channels=2)
        board = TurnedBoard(open_board(settings, SystemClock()), SystemClock())
        yield simulator, board
        board.close()


def test_of_two_relays_the_guard_ends_each_by_the_earliest_time(two: tuple[BoardSimulator, TurnedBoard]) -> None:
    simulator, board = two
    board.pulse(2, LONG_MS)
    board.pulse(1, 300)
    assert simulator.wait_for(1, True)
    # Nobody turns the board: the gate hangs.
    assert simulator.wait_until(lambda: simulator.relays == (False, False), 3)


def test_a_relay_that_stays_on_when_another_has_ended_is_watched_until_its_own_time(
    two: tuple[BoardSimulator, TurnedBoard],
) -> None:
    simulator, board = two
    board.pulse(2, LONG_MS)
    board.pulse(1, 100)
    assert simulator.wait_for(1, True)
    turn(board.board, SystemClock(), lambda: not simulator.is_on(1) and not board.board.busy)
    time.sleep(0.6)  # more than the first deadline and the guard's margin
    assert simulator.is_on(2)
    os.kill(guard_of(board), 0)


def test_arming_a_stuck_guard_holds_nobody_up(simulator: BoardSimulator) -> None:
    guard, told = PulseGuard(simulator.path, 115200, [OFF], SystemClock()), list[RelayError | None]()
    assert guard.pid is not None
    os.kill(guard.pid, signal.SIGSTOP)
    began = time.monotonic()
    guard.arm(NEVER_NS, told.append)
    guard.tick()
    assert time.monotonic() - began < 0.2, "the answer is awaited for 250 ms, but not here"
    turn(guard, SystemClock(), lambda: bool(told))
    assert told == [None]
    guard.disarm()
    guard.close()


@given(st.binary(max_size=64))
def test_nothing_but_a_whole_message_arms_the_guard(message: bytes) -> None:
    guard = Guard("/nowhere")
    answer = guard.hear(message)
    assert answer in (b"", message[:9])
    assert (guard.due_ns is not None) == bool(answer)
    if answer:
        assert message.startswith(b"A") and len(message) > ARMING.size


@given(st.integers(0, 2**63), st.lists(st.binary(min_size=1, max_size=64), min_size=1, max_size=8), st.data())
def test_a_whole_message_arms_the_guard_and_none_that_was_cut_between_two_frames(
    deadline_ns: int, frames: list[bytes], data: st.DataObject
) -> None:
    whole = arming(deadline_ns, *frames)
    assert Guard("/nowhere").hear(whole) == whole[:9]
    cut = data.draw(st.integers(0, len(whole) - 1))
    boundaries = {ARMING.size + sum(1 + len(each) for each in frames[:count]) for count in range(1, len(frames))}
    assert (Guard("/nowhere").hear(whole[:cut]) != b"") == (cut in boundaries)


def test_a_guard_with_neither_board_nor_name_is_none() -> None:
    assert Guard().hear(arming(NEVER_NS)) == b""


def test_the_guard_waits_for_the_deadline(simulator: BoardSimulator) -> None:
    guard = Guard(simulator.path)
    assert guard.wait_ms() is None
    assert not guard.abandoned()
    guard.hear(arming(NEVER_NS))
    assert guard.due_ns == NEVER_NS
    guard.act()
    assert simulator.heard == []
    guard.hear(b"D")
    assert guard.due_ns is None


def test_a_guard_whose_port_never_comes_back_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guard(str(tmp_path / "no relay"))
    guard.hear(arming(0))
    guard.act()
    assert guard.due_ns is not None
    monkeypatch.setattr(guard_process, "GIVE_UP_NS", -1)
    guard.hear(arming(0))
    guard.act()
    assert guard.due_ns is None


@pytest.mark.parametrize("contents", ["a file", "a stopped line"])
def test_what_takes_no_frames_does_not_count_as_switched_off(
    simulator: BoardSimulator, tmp_path: Path, contents: str
) -> None:
    (tmp_path / "file").touch()
    simulator.fail(Fault.HELD)
    port = str(tmp_path / "file") if contents == "a file" else simulator.path
    guard = Guard(port)
    guard.hear(arming(now()))
    for _ in range(4):
        guard.act()
        assert guard.due_ns is not None
        guard.due_ns = now()
    assert simulator.heard == []
    assert (tmp_path / "file").read_bytes() == b""


def test_the_guard_serves_until_the_gate_has_gone_and_the_relays_are_off(simulator: BoardSimulator) -> None:
    gate, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gate.settimeout(5)
    thread = threading.Thread(target=Watch(Guard(simulator.path), Manager(), child).run)
    thread.start()
    assert gate.recv(64) == b"R"
    gate.send(arming(NEVER_NS))
    assert gate.recv(64) == arming(NEVER_NS)[:9]
    gate.close()
    thread.join()
    assert simulator.wait_until(lambda: simulator.heard == [OFF] * 3, 5)
