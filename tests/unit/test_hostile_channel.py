# SPDX-License-Identifier: Apache-2.0
"""What comes over the eye's socket and over the relay's line, whole, cut, twice, in the wrong order or made up."""

from __future__ import annotations

import os
import socket
import struct
import threading
import tty
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import RelayError
from edge_gate.gate.peers.eye import LIMITS, EyeLink
from edge_gate.relays.board import RelayBoard
from edge_gate.relays.line import SerialLine
from edge_gate.relays.modbus import WaveshareModbus
from edge_gate.relays.pulses import Confirmation
from edge_gate.settings.config import DoorSettings
from edge_gate.wire.eye import EYE_LINK, SIGHTING_BYTES, EyeMode, Sighting
from edge_gate.wire.frame import Direction, encode
from tests.support.clocks import HeldClock
from tests.support.peers import embedding, sighting
from tests.support.turning import TurnedBoard

MODEL = b"12345678"
NOW = 10**12
COMMAND = struct.Struct("<2sBBB B H Q")


@dataclass
class Joined:
    """A gate's end of the eye's socket, and an eye that has joined."""

    folder: Path
    clock: HeldClock = field(default_factory=lambda: HeldClock(NOW))
    link: EyeLink = field(init=False)
    eye: socket.socket = field(init=False)
    number: int = field(init=False)

    def __enter__(self) -> Joined:
        path = self.folder / "eye.sock"
        self.link = EyeLink(path, "", MODEL, 0, self.clock, lambda _: None)
        self.eye = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.eye.connect(str(path))
        assert self.link.accept() and self.link.send(EyeMode.WATCH)
        *_, self.number = COMMAND.unpack(self.eye.recv(64))
        return self

    def __exit__(self, *_: object) -> None:
        self.eye.close()
        self.link.close()

    def says(self, message: bytes) -> list[Sighting]:
        """Send one message and return what the gate accepts of it."""
        try:
            self.eye.send(message)
        except OSError:
            return []
        return [each for each in self.link.receive() if isinstance(each, Sighting)]


def frame(sequence: int, eye: int, *, at_ns: int = NOW) -> bytes:
    """Return a good sighting with this number, by the first command of a connection."""
    whole = bytearray(encode(EYE_LINK, Direction.TO_GATE, replace(sighting(embedding(1, seed=sequence)), order=1)))
    whole[8:32] = struct.pack("<3Q", eye, sequence, at_ns)
    return bytes(whole)


CHANGES = st.one_of(
    st.tuples(st.just("good"), st.integers(1, 40), st.just(b"")),
    st.tuples(st.just("longer"), st.integers(1, 40), st.binary(min_size=1, max_size=600)),
    st.tuples(st.just("shorter"), st.integers(1, 40), st.binary(min_size=1, max_size=SIGHTING_BYTES - 1)),
    st.tuples(st.just("old"), st.integers(1, 40), st.just(b"")),
    st.tuples(st.just("made up"), st.integers(1, 40), st.binary(min_size=1, max_size=SIGHTING_BYTES)),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CHANGES, max_size=12))
def test_only_whole_fresh_sightings_in_order_are_accepted_and_nothing_after_one_that_is_not_well_formed(
    tmp_path: Path, said: list[tuple[str, int, bytes]]
) -> None:
    with Joined(tmp_path) as channel:
        last, over = 0, False
        for kind, number, noise in said:
            message = {
                "good": frame(number, channel.number),
                "longer": frame(number, channel.number) + noise,
                "shorter": frame(number, channel.number)[: len(noise)],
                "old": frame(number, channel.number, at_ns=NOW - LIMITS.oldest_ns - 1),
                "made up": noise,
            }[kind]
            accepted = channel.says(message)
            over = over or kind in ("longer", "shorter", "made up") or number <= last
            assert [each.sequence for each in accepted] == ([number] if kind == "good" and not over else [])
            last = max(last, number)
            assert (channel.link.connection is None) == over


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 200))
def test_a_recording_that_is_played_again_is_refused_by_its_numbers_and_otherwise_by_its_age(
    tmp_path: Path, count: int
) -> None:
    with Joined(tmp_path) as channel:
        recorded = [frame(number, channel.number) for number in range(1, count + 1)]
        assert sum(len(channel.says(each)) for each in recorded) == min(count, LIMITS.messages_per_s)
        assert channel.says(recorded[0]) == [] and channel.link.connection is None
    with Joined(tmp_path) as channel:
        assert channel.says(recorded[-1]) == [] and channel.link.connection is None, (
            "it has another connection's number"
        )
    with Joined(tmp_path) as channel:
        channel.clock.at_ns += LIMITS.oldest_ns + 1
        assert [channel.says(frame(number, channel.number)) for number in range(1, 5)] == [[]] * 4


@dataclass
class Line:
    """A board's line: a pseudo-terminal whose other end answers each request as it is told."""

    answers: list[bytes] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Line:
        self._board, self._port = os.openpty()
        tty.setraw(self._port)
        self.path = os.ttyname(self._port)
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()
        return self

    def _answer(self) -> None:
        while True:
            try:
                request = os.read(self._board, 64)
            except OSError:
                return
            self.heard.append(request)
            if self.answers:
                os.write(self._board, self.answers.pop(0))

    def __exit__(self, *_: object) -> None:
        os.close(self._port)
        self._thread.join(5)
        os.close(self._board)


@pytest.fixture
def line() -> Iterator[Line]:
    with Line() as opened:
        yield opened


FRAMING = WaveshareModbus(DoorSettings(channels=8))
PULSE = FRAMING.timed_pulse(1, 500)
REST = FRAMING.all_off()
RIGHT = [REST[0].reply or b"", REST[1].reply or b"", PULSE.reply or b""]
ANSWER = st.one_of(
    st.sampled_from(RIGHT),
    st.sampled_from(RIGHT).flatmap(lambda whole: st.integers(0, len(whole) - 1).map(lambda end: whole[:end])),
    st.sampled_from(RIGHT).map(lambda whole: whole + whole),
    st.binary(max_size=40),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANSWER, max_size=8))
@example(RIGHT)
@example([*RIGHT[:2], RIGHT[0]])
def test_whatever_a_board_answers_a_pulse_is_confirmed_by_the_right_answer_alone_and_is_sent_once(
    line: Line, answers: list[bytes]
) -> None:
    """Duplicated, cut short, in the wrong order or made up: an error of the relay, and everything switched off."""
    line.heard.clear()
    line.answers[:] = answers
    clock = SystemClock()
    patience_ms = 5000 if answers == RIGHT else 10  # right answers come at once, but for a busy machine
    serial_line = SerialLine(line.path, 115_200, clock, on_open=REST, reply_timeout_ms=patience_ms)
    board = TurnedBoard(RelayBoard(FRAMING, serial_line, clock), clock)
    try:
        outcome = board.pulse(1, 500)
    except RelayError:
        outcome = None
    finally:
        line.answers.clear()
        board.close()
    pulses = [at for at, request in enumerate(line.heard) if PULSE.request in request]
    assert len(pulses) <= 1
    if outcome is Confirmation.CONFIRMED:
        (at,) = pulses
        assert answers[at][: len(PULSE.request)] == PULSE.reply
    else:
        assert answers != RIGHT, "the control: this is how it answers when all is well"
    if outcome is None and pulses:
        assert REST[0].request in line.heard[pulses[0] + 1 :]
