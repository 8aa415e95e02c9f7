# SPDX-License-Identifier: Apache-2.0
"""The serial line on real pseudo-terminals: what goes wrong on it, and what the gate is told."""

import fcntl
import os
import selectors
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import RelayError, RelayGarbled, RelayMissing, RelaySilent
from edge_gate.relays.board import open_board
from edge_gate.relays.framing import Exchange
from edge_gate.relays.lcus import Lcus1
from edge_gate.relays.line import SerialLine
from edge_gate.relays.modbus import WaveshareModbus
from edge_gate.relays.port import SerialPort
from edge_gate.relays.simulator import BoardSimulator, Fault
from edge_gate.settings.config import DoorSettings
from tests.support.turning import TurnedLine, turn

BOARD = WaveshareModbus(DoorSettings(channels=8))
ALL_OFF, LOOK = (each.request for each in BOARD.all_off())


@pytest.fixture
def simulator() -> Iterator[BoardSimulator]:
    with BoardSimulator("modbus-waveshare", channels=8) as board:
        yield board


def line(simulator: BoardSimulator, on_open: tuple[Exchange, ...] = (), patience_ms: int = 2000) -> TurnedLine:
    return turned(simulator.path, on_open, patience_ms)


def turned(path: str, on_open: tuple[Exchange, ...] = (), patience_ms: int = 2000) -> TurnedLine:
    return TurnedLine(SerialLine(path, 115_200, SystemClock(), on_open, patience_ms), SystemClock())


def test_a_right_answer_is_returned(simulator: BoardSimulator) -> None:
    port = line(simulator)
    assert port.exchange(BOARD.on(3)) == BOARD.on(3).request
    assert simulator.relays == (False, False, True, False, False, False, False, False)
    assert BOARD.decode(port.exchange(BOARD.read()) or b"") == simulator.relays
    port.close()


def test_what_is_said_on_opening_comes_before_anything_else(simulator: BoardSimulator) -> None:
    port = line(simulator, BOARD.all_off())
    port.exchange(BOARD.on(1))
    port.exchange(BOARD.off(1))
    port.close()
    port.exchange(BOARD.on(2))
    port.close()
    on, off, again = BOARD.on(1).request, BOARD.off(1).request, BOARD.on(2).request
    assert simulator.heard == [ALL_OFF, LOOK, on, off, ALL_OFF, LOOK, again]


def test_nothing_is_sent_where_the_opening_words_had_no_answer(simulator: BoardSimulator) -> None:
    port = line(simulator, BOARD.all_off(), patience_ms=40)
    simulator.fail(Fault.SILENT)
    for _ in range(2):
        with pytest.raises(RelaySilent):
            port.exchange(BOARD.on(1))
    port.close()
    assert set(simulator.heard) == {ALL_OFF}
    assert simulator.history == ()


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (Fault.DEAF, RelaySilent, "did not answer within 40 ms"),
        (Fault.SILENT, RelaySilent, "did not answer"),
        (Fault.GARBLED, RelayGarbled, "answered 54 50 55"),
        (Fault.WRONG_ANSWER, RelayGarbled, "where 01 05 00 00 00 00 CD CA was expected"),
        (Fault.CUT_SHORT, RelayGarbled, "answered 01 05 00 00 00, where"),
        (Fault.LOSES_BYTES, RelaySilent, "did not answer"),
        (Fault.REFUSES, RelayGarbled, "answered 01 85 04"),
        (Fault.HELD, RelayError, "does not take bytes"),
    ],
)
def test_each_fault_of_the_line_has_its_error(
    simulator: BoardSimulator, fault: Fault, error: type[RelayError], says: str
) -> None:
    port = line(simulator, patience_ms=40)
    simulator.fail(fault)
    with pytest.raises(error, match=says) as caught:
        port.exchange(BOARD.off(1))
    assert type(caught.value) is error
    simulator.fail(Fault.NONE)
    port.close()


def test_an_adapter_that_returns_what_it_sends_does_not_pass_for_a_board(simulator: BoardSimulator) -> None:
    simulator.fail(Fault.ECHO)
    port = line(simulator, BOARD.all_off(), patience_ms=40)
    with pytest.raises(RelayGarbled, match=r"answered 01 01 00 00 00 08, where 01 01 01 00 51 88"):
        port.exchange(BOARD.on(1))
    port.close()


def test_a_relay_that_will_not_fall_is_found_at_opening(simulator: BoardSimulator) -> None:
    port = line(simulator)
    port.exchange(BOARD.on(8))
    with pytest.raises(RelayGarbled, match="01 01 01 80"):
        port.exchange(BOARD.all_off()[1])
    port.close()


def test_what_switches_off_is_sent_twice_and_what_opens_only_once(simulator: BoardSimulator) -> None:
    port = line(simulator, patience_ms=40)
    simulator.fail(Fault.SILENT)
    for exchange in (BOARD.off(1), BOARD.on(1), BOARD.timed_pulse(1, 100), BOARD.read()):
        with pytest.raises(RelaySilent):
            port.exchange(exchange)
    off, on, pulse, look = (
        each.request for each in (BOARD.off(1), BOARD.on(1), BOARD.timed_pulse(1, 100), BOARD.read())
    )
    assert simulator.heard == [off, off, on, pulse, look, look]
    port.close()


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.GARBLED, Fault.CUT_SHORT, Fault.DEAF, Fault.LOSES_BYTES])
def test_a_right_answer_to_the_second_asking_is_enough_to_know_that_it_is_off(
    simulator: BoardSimulator, fault: Fault
) -> None:
    port = line(simulator, patience_ms=300)
    simulator.fail(fault, times=1)
    assert port.exchange(BOARD.off(1)) == BOARD.off(1).reply
    port.close()


def test_an_answer_that_came_too_late_is_not_taken_for_the_next_one(simulator: BoardSimulator) -> None:
    port = line(simulator)
    port.open()
    with open(os.open(simulator.path, os.O_RDWR | os.O_NOCTTY), "wb", buffering=0) as other_end:  # noqa: PTH123
        other_end.write(BOARD.on(5).request)  # somebody else's exchange on this line
        assert simulator.wait_for(5, True)
    assert port.exchange(BOARD.on(6)) == BOARD.on(6).request
    port.close()


def test_a_missing_port_is_only_missed_when_it_is_needed(tmp_path: Path) -> None:
    port = turned(str(tmp_path / "relay"))
    with pytest.raises(RelayMissing, match="No such file"):
        port.exchange(BOARD.off(1))
    port.close()


def test_a_file_that_is_no_serial_port_is_refused(tmp_path: Path) -> None:
    (tmp_path / "relay").write_bytes(b"")
    with pytest.raises(RelayError, match="Could not configure port") as caught:
        turned(str(tmp_path / "relay")).open()
    assert not isinstance(caught.value, RelayMissing)
    assert (tmp_path / "relay").read_bytes() == b""


OPENS = """
import sys
from edge_gate.core.errors import RelayError
from edge_gate.relays.port import SerialPort
import os
import serial
os.setresuid(int(sys.argv[2]), int(sys.argv[2]), int(sys.argv[2]))
try:
    SerialPort(sys.argv[1], 9600)
except RelayError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user, or root without its rights")
@pytest.mark.parametrize(("user", "kept"), [(0, "-all"), (65_534, "-all,+setuid")])
def test_who_may_not_use_the_port_is_told_what_helps_and_root_of_no_group(
    simulator: BoardSimulator, user: int, kept: str
) -> None:
    port = Path(simulator.path).resolve()
    os.chown(port, 54_321, 54_321)
    port.chmod(0o600)
    command = ["setpriv", f"--bounding-set={kept}", sys.executable, "-c", OPENS, str(port), str(user)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0 and "failed" in said.stdout, said.stderr
    assert ("to its group" in said.stdout) == (user != 0) and ("DeviceAllow" in said.stdout) == (user == 0)


def test_a_socket_in_the_ports_place_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "relay"))
        with pytest.raises(RelayError):
            turned(str(tmp_path / "relay")).open()


def test_two_gates_cannot_hold_one_relay(simulator: BoardSimulator) -> None:
    first, second = line(simulator), line(simulator)
    first.open()
    with pytest.raises(RelayError, match="another process holds it"):
        second.open()
    first.close()
    second.exchange(BOARD.on(1))
    second.close()


def test_a_pulled_plug_is_noticed_and_the_returned_board_is_first_switched_off(simulator: BoardSimulator) -> None:
    port = line(simulator, BOARD.all_off())
    port.exchange(BOARD.on(1))
    simulator.unplug()
    for _ in range(2):
        with pytest.raises(RelayMissing):
            port.exchange(BOARD.off(1))
    assert simulator.is_on(1)  # an RS-485 board keeps its own current
    before = len(simulator.heard)
    simulator.plug_in()
    port.exchange(BOARD.on(2))
    assert simulator.heard[before:] == [ALL_OFF, LOOK, BOARD.on(2).request]
    assert not simulator.is_on(1)
    port.close()


def test_a_plug_pulled_while_an_answer_is_awaited_is_noticed_at_once(simulator: BoardSimulator) -> None:
    port = line(simulator, patience_ms=60_000)
    port.open()
    simulator.fail(Fault.SILENT)

    def pull() -> None:
        simulator.wait_until(lambda: bool(simulator.heard), 5)
        simulator.unplug()

    hand = threading.Thread(target=pull)
    hand.start()
    with pytest.raises(RelayError):
        port.exchange(BOARD.on(1))
    hand.join()
    assert simulator.heard == [BOARD.on(1).request]  # and it was not sent again
    port.close()


def test_what_a_held_line_did_not_take_never_arrives_later() -> None:
    board = Lcus1(DoorSettings())
    with BoardSimulator("lcus1") as simulator:
        port = line(simulator, patience_ms=40)
        port.open()
        simulator.fail(Fault.HELD)
        with pytest.raises(RelayError, match="does not take bytes"):
            port.exchange(board.on(1))
        simulator.fail(Fault.NONE)
        assert port.exchange(board.off(1)) is None
        assert simulator.wait_until(lambda: bool(simulator.heard), 5)
        assert simulator.heard == [board.off(1).request]
        assert simulator.history == ()
        port.close()


def test_a_line_that_is_held_for_a_moment_gets_its_bytes_when_it_takes_them() -> None:
    board, told = Lcus1(DoorSettings()), list[bytes | RelayError | None]()
    with BoardSimulator("lcus1") as simulator:
        port = line(simulator, patience_ms=20_000)
        port.open()
        simulator.fail(Fault.HELD)
        port.line.submit((board.on(1),), told.append)
        port.line.tick()
        release = threading.Timer(0.2, simulator.fail, (Fault.NONE,))
        release.start()
        turn(port.line, SystemClock(), lambda: bool(told))
        release.join()
        assert told == [None]
        assert simulator.wait_for(1, True)
        port.close()
        assert simulator.heard == [board.on(1).request]


def test_a_plug_pulled_while_nothing_is_said_does_not_keep_the_loop_awake(simulator: BoardSimulator) -> None:
    port = line(simulator)
    port.open()
    with selectors.DefaultSelector() as selector:
        port.line.attach(selector, lambda: None)
        simulator.unplug()
        assert selector.select(5), "the line hangs up"
        port.line.tick()
        assert selector.get_map() == {}
        assert port.line.due_ns is None
        port.line.detach()


def test_what_nobody_asked_for_is_thrown_away_and_does_not_keep_the_loop_awake(simulator: BoardSimulator) -> None:
    port = line(simulator)
    port.open()
    with open(os.open(simulator.path, os.O_RDWR | os.O_NOCTTY), "wb", buffering=0) as other_end:  # noqa: PTH123
        other_end.write(BOARD.on(5).request)
        assert simulator.wait_for(5, True)
    with selectors.DefaultSelector() as selector:
        port.line.attach(selector, lambda: None)
        assert selector.select(5)
        port.line.tick()
        assert selector.select(0.05) == []
        port.line.detach()
    port.close()


def test_a_closed_line_tells_every_job_that_it_ended(simulator: BoardSimulator) -> None:
    port, told = line(simulator), list[bytes | RelayError | None]()
    simulator.fail(Fault.SILENT)
    for _ in range(3):
        port.line.submit((BOARD.off(1),), told.append)
    port.line.tick()
    port.close()
    assert [str(each) for each in told] == [f"The relay on {simulator.path} failed: the port was closed"] * 3


class OpeningCalls:
    """The control calls and settings that an opening makes, in order."""

    MODEM: ClassVar = {termios.TIOCMBIS: "raise", termios.TIOCMBIC: "lower", termios.TIOCMSET: "set"}

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[str] = []
        ioctl, tcsetattr = fcntl.ioctl, termios.tcsetattr

        def note_ioctl(descriptor: int, request: int, *rest: Any) -> Any:
            if request in self.MODEM:
                self.told.append(self.MODEM[request])
            return ioctl(descriptor, request, *rest)

        def note_settings(descriptor: int, when: int, attributes: list[Any]) -> None:
            tcsetattr(descriptor, when, attributes)
            self.told.append("keep at close" if not attributes[2] & termios.HUPCL else "settings")

        monkeypatch.setattr(fcntl, "ioctl", note_ioctl)
        monkeypatch.setattr(termios, "tcsetattr", note_settings)


def hang_up_at_close(path: str) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        return bool(termios.tcgetattr(descriptor)[2] & termios.HUPCL)
    finally:
        os.close(descriptor)


def set_hang_up_at_close(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    attributes = termios.tcgetattr(descriptor)
    attributes[2] |= termios.HUPCL
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    os.close(descriptor)


def test_opening_moves_no_modem_line_and_keeps_them_at_close(
    simulator: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_hang_up_at_close(simulator.path)
    calls = OpeningCalls(monkeypatch)
    port = SerialPort(simulator.path, 9600)
    assert calls.told == ["settings", "keep at close"]
    assert not hang_up_at_close(simulator.path)
    port.close()
    assert not hang_up_at_close(simulator.path)


def test_dtr_and_rts_are_raised_where_the_configuration_asks_for_it(
    simulator: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pseudo-terminal has no such lines and refuses the first call; pyserial then leaves the second out."""
    set_hang_up_at_close(simulator.path)
    calls = OpeningCalls(monkeypatch)
    settings = DoorSettings(relay="modbus-waveshare", port=simulator.path, raise_dtr=True)
    board = open_board(settings, SystemClock())
    board.all_off(lambda _: None)
    board.tick()
    assert calls.told == ["settings", "raise", "keep at close"]
    board.close()


def test_a_port_whose_device_node_was_removed_is_gone_although_nothing_hangs_up(
    simulator: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, told = line(simulator), list[RelayError]()
    port.line.report_to(told.append)
    port.open()
    port.line.tick()
    assert told == []

    def removed(descriptor: int) -> os.stat_result:
        fields = list(os.stat(descriptor))
        fields[3] = 0
        return os.stat_result(fields)

    monkeypatch.setattr(os, "fstat", removed)
    port.line.tick()
    assert [type(each) for each in told] == [RelayMissing]
    port.line.tick()
    assert len(told) == 1
    port.close()
