# SPDX-License-Identifier: Apache-2.0
"""The bytes of each relay protocol, against what the makers print and what pymodbus computes."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU

import edge_gate
from edge_gate.core.errors import BadPulse
from edge_gate.relays.framing import Exchange, round_up
from edge_gate.relays.lcus import Lcus1
from edge_gate.relays.modbus import WaveshareModbus, crc16
from edge_gate.settings.config import DoorSettings

PACKAGE = Path(edge_gate.__file__).parent


def frame(text: str) -> bytes:
    return bytes.fromhex(text)


# LCUS-1, vendor pages (chinalctech.com): on A0 01 01 A2, off A0 01 00 A1; the second channel of its siblings.
@pytest.mark.parametrize(
    ("channel", "on", "off"),
    [(1, "A0 01 01 A2", "A0 01 00 A1"), (2, "A0 02 01 A3", "A0 02 00 A2"), (8, "A0 08 01 A9", "A0 08 00 A8")],
)
def test_lcus_frames_are_those_of_the_vendor(channel: int, on: str, off: str) -> None:
    board = Lcus1(DoorSettings(channels=8))
    assert board.on(channel) == Exchange(frame(on), None, 0, repeatable=False)
    assert board.off(channel) == Exchange(frame(off), None, 0, repeatable=True)


def test_lcus_switches_every_channel_off_twice_because_nobody_reports_a_lost_frame() -> None:
    sent = [each.request for each in Lcus1(DoorSettings(channels=2)).all_off()]
    assert sent == [frame("A0 01 00 A1"), frame("A0 02 00 A2")] * 2


def test_lcus_has_neither_timer_nor_state() -> None:
    board = Lcus1(DoorSettings())
    assert (board.board_timed, board.read(), board.decode(b"\xa0\x01\x01\xa2")) == (False, None, None)
    with pytest.raises(BadPulse, match="no timer"):
        board.timed_pulse(1, 700)


# Waveshare's wiki, "Modbus RTU Relay", Development Protocol V2.
def test_waveshare_writes_are_those_of_its_wiki_and_are_echoed() -> None:
    board = WaveshareModbus(DoorSettings(channels=8))
    for exchange, text in (
        (board.on(1), "01 05 00 00 FF 00 8C 3A"),
        (board.off(1), "01 05 00 00 00 00 CD CA"),
        (board.timed_pulse(1, 700), "01 05 02 00 00 07 8D B0"),
        (board.timed_pulse(2, 800), "01 05 02 01 00 08 9C 74"),
        (board.all_off()[0], "01 05 00 FF 00 00 FD FA"),
    ):
        assert exchange.request == exchange.reply == frame(text)
        assert exchange.reply_length == 8


def test_waveshare_all_off_is_followed_by_a_look_at_every_relay() -> None:
    look = WaveshareModbus(DoorSettings(channels=8)).all_off()[1]
    assert look.request == frame("01 01 00 00 00 08 3D CC")  # the wiki's "read 8"
    assert look.reply == frame("01 01 01 00 51 88")  # the wiki's example answer when all are off


def test_waveshare_reads_the_lowest_channel_from_the_lowest_bit() -> None:
    board = WaveshareModbus(DoorSettings(channels=10))
    body = frame("01 01 02 05 02")
    reply = body + FramerRTU.compute_CRC(body).to_bytes(2, "big")
    assert board.read().request == frame("01 01 00 00 00 0A BC 0D")
    assert board.read().reply_length == len(reply) == 7
    assert board.decode(reply) == (True, False, True, False, False, False, False, False, False, True)


@pytest.mark.parametrize("change", [0, 1, 2, 3, 4, 5])
def test_waveshare_believes_no_answer_with_a_changed_byte(change: int) -> None:
    board = WaveshareModbus(DoorSettings(channels=8))
    reply = bytearray(frame("01 01 01 00 51 88"))
    assert board.decode(bytes(reply)) == (False,) * 8
    reply[change] ^= 0x01
    assert board.decode(bytes(reply)) is None


def test_waveshare_believes_no_other_boards_answer() -> None:
    body = frame("02 01 01 00")
    assert WaveshareModbus(DoorSettings(channels=8)).decode(body + crc16(body)) is None


@given(st.binary(max_size=64))
def test_the_crc_is_that_of_pymodbus(body: bytes) -> None:
    assert crc16(body) == FramerRTU.compute_CRC(body).to_bytes(2, "big")


@given(st.binary(max_size=40), st.integers(1, 32))
def test_any_bytes_are_either_states_of_all_channels_or_nothing(reply: bytes, channels: int) -> None:
    states = WaveshareModbus(DoorSettings(channels=channels)).decode(reply)
    assert states is None or len(states) == channels
    assert Lcus1(DoorSettings(channels=channels)).decode(reply) is None


@given(st.binary(min_size=1, max_size=4), st.integers(1, 32))
def test_a_rightly_checked_answer_of_any_content_never_breaks_the_reader(data: bytes, channels: int) -> None:
    body = bytes((1, 1, len(data))) + data
    states = WaveshareModbus(DoorSettings(channels=channels)).decode(body + crc16(body))
    assert (states is None) == (len(data) != (channels + 7) // 8)


@given(st.integers(1, 3_276_700))
def test_a_pulse_is_never_shortened_and_less_than_a_step_longer(pulse_ms: int) -> None:
    board = WaveshareModbus(DoorSettings())
    assert pulse_ms <= round_up(pulse_ms, 100) < pulse_ms + 100
    assert int.from_bytes(board.timed_pulse(1, pulse_ms).request[4:6], "big") * 100 == round_up(pulse_ms, 100)
    assert round_up(pulse_ms, 1) == pulse_ms


def test_nothing_that_opens_may_be_sent_twice() -> None:
    for board in (Lcus1(DoorSettings(channels=4)), WaveshareModbus(DoorSettings(channels=4))):
        assert not board.on(1).repeatable
        assert all(each.repeatable for each in (board.off(1), *board.all_off()))
    assert not WaveshareModbus(DoorSettings()).timed_pulse(1, 700).repeatable


def imported_by(source: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_only_the_relays_know_what_a_serial_port_is() -> None:
    users = {path for path in PACKAGE.rglob("*.py") if any(n.split(".")[0] == "serial" for n in imported_by(path))}
    assert users == {PACKAGE / "relays" / "port.py"}


def test_the_simulated_boards_share_no_code_with_the_framings() -> None:
    for name in ("simulator.py", "simulated_boards.py"):
        ours = {each for each in imported_by(PACKAGE / "relays" / name) if each.startswith("edge_gate.relays")}
        assert ours <= {"edge_gate.relays.simulated_boards"}


def test_the_pulse_guard_carries_nothing_of_the_gate() -> None:
    known = {"__future__", "os", "select", "signal", "sys", "termios", "time"}
    known |= {"collections.abc", "contextlib", "fcntl", "socket", "stat", "struct"}
    assert imported_by(PACKAGE / "relays" / "guard_process.py") == known
