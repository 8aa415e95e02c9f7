# SPDX-License-Identifier: Apache-2.0
"""Both ends of a link that no product has, over a real socket: the generic ends need no change for it."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import AlreadyRunning, WireError
from edge_gate.gate.peers.eye import EyeLink
from edge_gate.gate.peers.peer_link import BATCH, MOST_JOINS, MOST_LINES, PeerLink
from edge_gate.wire.channel import ChannelLimits
from edge_gate.wire.eye import EYE_LINK, CameraState, Command, EyeMode, Health
from edge_gate.wire.frame import Direction, encode
from edge_gate.wire.peer_client import PeerClient
from tests.support.made_up_link import READER_LIMITS, READER_LINK, Alive, Card, Colour, Lamp

MODEL = b"12345678"


class Ends:
    """The gate's end and what became of its connections."""

    def __init__(self, folder: Path, limits: ChannelLimits = READER_LIMITS) -> None:
        self.path = folder / "reader.sock"
        self.gone: list[socket.socket] = []
        self.clients: list[PeerClient[Card | Alive, Lamp]] = []
        self.link = PeerLink(
            READER_LINK, self.path, "", limits, SystemClock(), judge=self.judge, on_gone=self.gone.append
        )

    def judge(self, message: Card | Alive) -> None:
        if isinstance(message, Card) and message.digest == bytes(32):
            raise WireError("reader", "no card has this digest")

    def client(self) -> PeerClient[Card | Alive, Lamp]:
        """Return a process's end that the gate has taken."""
        client = PeerClient(READER_LINK, self.path, SystemClock())
        assert client.receive() == [] and client.connected
        assert self.link.accept()
        self.clients.append(client)
        return client

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.link.close()

    @contextmanager
    def raw(self) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.connect(str(self.path))
            yield peer


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    made = Ends(tmp_path)
    yield made
    made.close()


def card(sequence: int, digest: bytes = b"c" * 32) -> Card:
    return Card(7, sequence, SystemClock().monotonic_ns(), digest)


def as_told(eye: PeerClient[Any, Command], health: Health) -> Health:
    """Return it as said by an eye that has heard the gate's command."""
    (command,) = eye.receive()
    return replace(health, eye=command.eye, order=command.order)


def test_a_made_up_link_is_spoken_both_ways(ends: Ends) -> None:
    client = ends.client()
    first, alive = card(1), Alive(7, 1, SystemClock().monotonic_ns())
    assert client.send(first) and client.send(alive)
    assert ends.link.receive() == [first, alive]
    assert ends.link.send(Lamp(Colour.GREEN, 3))
    assert client.receive() == [Lamp(Colour.GREEN, 3)]
    assert ends.link.process == os.getpid()
    client.close()
    assert ends.link.receive() == [] and ends.link.gone_because == "the reader has gone"
    assert not ends.link.send(Lamp(Colour.RED, 1))


def test_the_eyes_frames_are_refused_on_another_link_which_the_reason_names(ends: Ends) -> None:
    health = Health(7, 1, SystemClock().monotonic_ns(), 9, 15.0, 8.0, 12.0, 0.4, CameraState.WORKING, 0)
    with ends.raw() as peer:
        assert ends.link.accept()
        peer.send(encode(EYE_LINK, Direction.TO_GATE, health))
        assert ends.link.receive() == []
        assert ends.link.connection is None and ends.link.refused == 1 and len(ends.gone) == 1
        assert "on the reader socket" in ends.link.gone_because and "link 1;" in ends.link.gone_because
        assert peer.recv(64) == b""


def test_another_links_frames_are_refused_by_the_eyes_end(tmp_path: Path) -> None:
    link = EyeLink(tmp_path / "eye.sock", "", MODEL, 0, SystemClock(), lambda _: None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.connect(str(tmp_path / "eye.sock"))
        assert link.accept()
        peer.send(encode(READER_LINK, Direction.TO_GATE, card(1)))
        assert link.receive() == [] and link.connection is None and link.refused == 1
        assert "on the eye socket" in link.gone_because and "link 200;" in link.gone_because
    link.close()


def test_a_second_eye_is_told_to_leave_and_the_first_stays(tmp_path: Path) -> None:
    link = EyeLink(tmp_path / "eye.sock", "", MODEL, 0, SystemClock(), lambda _: None)
    health = Health(7, 1, SystemClock().monotonic_ns(), 9, 15.0, 8.0, 12.0, 0.5, CameraState.WORKING, 0)
    first, second = (PeerClient(EYE_LINK, tmp_path / "eye.sock", SystemClock()) for _ in range(2))
    assert first.receive() == [] and link.accept() and link.send(EyeMode.WATCH)
    health = as_told(first, health)
    for talks_first in (False, True):  # what the second has sent is never read: its end is told of an error instead
        assert second.receive() == []
        assert not talks_first or second.send(health)
        assert not link.accept()
        if talks_first:
            second.send(health)
        assert [each.verb for each in second.receive()] == [EyeMode.LEAVE] and not second.connected
        second = PeerClient(EYE_LINK, tmp_path / "eye.sock", SystemClock())
    assert first.send(health) and link.receive() == [health]
    assert link.turned_away == 2
    first.close()
    link.close()


def test_an_eye_that_comes_back_before_its_end_was_noticed_is_no_second_one(tmp_path: Path) -> None:
    gone: list[socket.socket] = []
    link = EyeLink(tmp_path / "eye.sock", "", MODEL, 0, SystemClock(), gone.append)
    health = Health(7, 1, SystemClock().monotonic_ns(), 9, 15.0, 8.0, 12.0, 0.5, CameraState.WORKING, 0)
    first, second = (PeerClient(EYE_LINK, tmp_path / "eye.sock", SystemClock()) for _ in range(2))
    assert first.receive() == [] and link.accept() and link.send(EyeMode.WATCH) and first.send(as_told(first, health))
    first.close()
    assert second.receive() == [] and link.accept() and len(gone) == 1 and link.send(EyeMode.WATCH)
    health = as_told(second, health)
    assert second.send(health) and link.receive() == [health]
    assert second.receive() == [] and second.connected
    second.close()
    link.close()


def test_a_stranger_is_told_nothing(tmp_path: Path) -> None:
    link = EyeLink(tmp_path / "eye.sock", "", MODEL, 0, SystemClock(), lambda _: None)
    first = PeerClient(EYE_LINK, tmp_path / "eye.sock", SystemClock())
    assert first.receive() == [] and link.accept()
    link._peer._allowed = frozenset()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
        stranger.connect(str(tmp_path / "eye.sock"))
        assert not link.accept()
        assert stranger.recv(64) == b""
    first.close()
    link.close()


def test_the_health_of_an_eye_goes_with_it(tmp_path: Path) -> None:
    link = EyeLink(tmp_path / "eye.sock", "", MODEL, 0, SystemClock(), lambda _: None)
    health = Health(7, 1, SystemClock().monotonic_ns(), 9, 15.0, 8.0, 12.0, 0.5, CameraState.WORKING, 0)
    eye = PeerClient(EYE_LINK, tmp_path / "eye.sock", SystemClock())
    assert eye.receive() == [] and link.accept() and link.send(EyeMode.WATCH)
    assert eye.send(replace(as_told(eye, health), loop_p50_ms=8.5))
    link.receive()
    assert link.health is not None and link.health.loop_p50_ms == 8.5
    eye.close()
    assert link.receive() == [] and link.connection is None and link.health is None
    link.close()


def test_what_the_gate_says_on_one_link_is_dropped_on_another(tmp_path: Path) -> None:
    """The eye's end meets a reader's lamp, and its own kind in the wrong direction; the next command is heard."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(str(tmp_path / "eye.sock"))
        server.listen(1)
        client = PeerClient(EYE_LINK, tmp_path / "eye.sock", SystemClock())
        client.receive()
        gate, _ = server.accept()
        with gate:
            gate.send(encode(READER_LINK, Direction.FROM_GATE, Lamp(Colour.GREEN, 3)))
            command = Command(EyeMode.PAUSE, 1)
            gate.send(encode(EYE_LINK, Direction.FROM_GATE, command))
            assert client.receive() == [command] and client.connected
        client.close()


def test_what_the_judge_objects_to_ends_the_connection(ends: Ends) -> None:
    client = ends.client()
    client.send(card(1))
    client.send(card(2, bytes(32)))
    client.send(card(3))
    assert [each.stamp.sequence for each in ends.link.receive()] == [1]
    assert "no card has this digest" in ends.link.gone_because and ends.link.refused == 1


def test_messages_over_the_rate_are_counted_until_patience_ends(ends: Ends) -> None:
    client = ends.client()
    for number in range(20):
        client.send(card(number + 1))
    assert len(ends.link.receive()) == READER_LIMITS.messages_per_s
    assert "flood" in ends.link.gone_because
    assert ends.link.refused == READER_LIMITS.most_refused + 1


def test_one_turn_takes_a_batch_and_leaves_the_rest_for_the_next(tmp_path: Path) -> None:
    ends = Ends(tmp_path, ChannelLimits(1000, 10**9, 1000, 1000))
    client = ends.client()
    for number in range(BATCH + 3):
        assert client.send(card(number + 1))
    assert (len(ends.link.receive()), len(ends.link.receive())) == (BATCH, 3)
    ends.close()


def test_there_is_one_peer_at_a_time_and_one_that_comes_too_often_is_turned_away(
    ends: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    ends.client()
    with ends.raw() as second:
        assert not ends.link.accept() and second.recv(64) == b""
    assert "tried to be a second reader and was turned away" in caplog.text
    joins = 1
    while True:
        ends.link.drop("a test")
        with ends.raw():
            if not ends.link.accept():
                break
        joins += 1
    assert joins == MOST_JOINS and "comes as the reader again and again" in caplog.text
    assert ends.link.turned_away == 2


def test_processes_that_are_turned_away_fill_no_journal(ends: Ends, caplog: pytest.LogCaptureFixture) -> None:
    ends.client()
    with caplog.at_level(logging.ERROR):
        for _ in range(5 * MOST_LINES):
            with ends.raw():
                assert not ends.link.accept()
    assert ends.link.turned_away == 5 * MOST_LINES
    assert len(caplog.records) == MOST_LINES


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be another user for a moment")
def test_a_process_of_another_user_is_turned_away(caplog: pytest.LogCaptureFixture) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        ends = Ends(folder)
        ends.path.chmod(0o666)  # the socket's mode would keep a stranger out already
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
            os.seteuid(65534)
            try:
                stranger.connect(str(ends.path))
            finally:
                os.seteuid(0)
            assert not ends.link.accept() and ends.link.connection is None and ends.link.turned_away == 1
        assert "of user 65534 tried to be the reader and was turned away" in caplog.text
        ends.client()
        ends.close()


def test_a_socket_that_is_served_is_not_taken_over(ends: Ends, tmp_path: Path) -> None:
    with pytest.raises(AlreadyRunning, match=rf"\({os.getpid()}\).*At a desk"):
        Ends(tmp_path)
    ends.link.close()
    Ends(tmp_path).close()


def test_a_client_says_only_what_its_link_lets_it_say(ends: Ends) -> None:
    client = ends.client()
    with pytest.raises(WireError, match=r"reader .* Lamp does not go to the gate"):
        client.send(Lamp(Colour.RED, 1))  # type: ignore[arg-type] # the type checker refuses it as well
    assert client.connected
