# SPDX-License-Identifier: Apache-2.0
"""The calling end of the control socket, before a gate that is busy, or that is none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_gate.core.errors import GateNotRunning, WireError
from edge_gate.settings.config import Config
from edge_gate.wire import client
from edge_gate.wire.control import LONGEST_ANSWER_BYTES


@pytest.fixture
def server(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen(1)
        yield listening


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    plain = Config()
    return replace(plain, sockets=replace(plain.sockets, control=tmp_path / "s"))


def fill(path: str) -> list[socket.socket]:
    """Stand in line until no more may."""
    waiting = []
    while True:
        caller = socket.socket(socket.AF_UNIX)
        caller.setblocking(False)
        waiting.append(caller)
        try:
            caller.connect(path)
        except BlockingIOError:
            return waiting


def test_a_full_line_is_waited_in_and_is_no_gate_that_does_not_run(server: socket.socket, settings: Config) -> None:
    waiting = fill(server.getsockname())
    told: list[Any] = []
    asking = threading.Thread(target=lambda: told.append(client.ask(settings, "status")))
    asking.start()
    asking.join(0.3)
    assert asking.is_alive() and not told
    for _ in waiting:  # the last of these could not stand in line; the caller takes that place
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.sendall(b'{"ok": 5}\n')
    asking.join(10)
    assert told == [5]
    for each in waiting:
        each.close()


def test_a_line_that_never_moves_is_given_up(
    server: socket.socket, settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE_S", 1.0)
    waiting = fill(server.getsockname())
    with pytest.raises(WireError, match="so many call the gate"):
        client.ask(settings, "status")
    for each in waiting:
        each.close()


def test_nobody_there_is_a_gate_that_does_not_run(server: socket.socket, settings: Config) -> None:
    server.close()
    with pytest.raises(GateNotRunning):
        client.ask(settings, "status")


@pytest.mark.parametrize("start", [b"", b'{"ok": "', b'{"progress": 1}\n'])
def test_an_answer_without_an_end_is_read_up_to_the_longest_that_a_gate_sends(
    server: socket.socket, settings: Config, start: bytes
) -> None:
    sent = 0

    def answer() -> None:
        nonlocal sent
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.sendall(start)
            while sent < 1 << 30:
                sent += connection.send(b"x" * 65_536)

    answering = threading.Thread(target=answer)
    answering.start()
    with pytest.raises(WireError, match="which no gate sends"):
        client.ask(settings, "status")
    answering.join(30)
    assert not answering.is_alive() and sent < LONGEST_ANSWER_BYTES + (1 << 22), "what the kernel holds besides"


def test_the_longest_answer_of_a_gate_is_read(server: socket.socket, settings: Config) -> None:
    longest = b'{"ok": "' + b"x" * (LONGEST_ANSWER_BYTES - 11) + b'"}\n'
    assert len(longest) == LONGEST_ANSWER_BYTES

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(longest)

    answering = threading.Thread(target=answer)
    answering.start()
    assert len(client.ask(settings, "status")) == LONGEST_ANSWER_BYTES - 11
    answering.join(10)
