# SPDX-License-Identifier: Apache-2.0
"""The gate's end of the socket that the eye speaks on: who may speak, how often, how fresh, and what for."""

from __future__ import annotations

import logging
import os
import pwd
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import AlreadyRunning, WireError
from edge_gate.core.token_bucket import TokenBucket
from edge_gate.wire.eye import LARGEST_BYTES, AcquisitionFailure, Command, EyeMode, Health, Sighting, unpack

# The eye works at 15 pictures a second; twice that is plenty, and it bounds what could be smuggled out in the numbers.
MOST_MESSAGES_PER_S: Final = 30
OLDEST_NS: Final = 2_000_000_000
# Messages taken from the socket in one go, so that a flood cannot keep the gate from its door.
BATCH: Final = 32
# Messages that may be refused before the eye is dropped: a bad second is nothing, a flood would keep the gate busy.
MOST_REFUSED: Final = 1000
REFUSED_PER_S: Final = 300
# How often an eye may come: one that is started again and again, or dropped again and again, costs rows and lines.
MOST_JOINS: Final = 20
JOINS_PER_S: Final = 0.2
# Lines in the journal about whoever is turned away.
MOST_LINES: Final = 20
LINES_PER_S: Final = 0.1
# Callers who wait until the gate takes them.
BACKLOG: Final = 64
_CREDENTIALS: Final = struct.Struct("3i")
_log = logging.getLogger(__name__)


def peer(connection: socket.socket) -> tuple[int, int, int]:
    """Return (pid, uid, gid) of the process at the other end, as the kernel vouches for it."""
    pid, uid, gid = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid, gid


def listen(path: Path, kind: socket.SocketKind, mode: int) -> socket.socket:
    """Bind a UNIX socket, replacing one that nobody serves any more. Raises AlreadyRunning where somebody does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    probe = socket.socket(socket.AF_UNIX, kind)
    try:
        probe.connect(str(path))
        raise AlreadyRunning(path)
    except (FileNotFoundError, ConnectionRefusedError):
        path.unlink(missing_ok=True)
    finally:
        probe.close()
    server = socket.socket(socket.AF_UNIX, kind)
    server.bind(str(path))
    path.chmod(mode)
    server.listen(BACKLOG)
    server.setblocking(False)
    return server


class EyeLink:
    """Accepts one eye at a time and hands on only messages that are well formed, fresh, in order and not too many."""

    def __init__(
        self,
        path: Path,
        eye_user: str,
        model_id: bytes,
        dimensions: int,
        clock: Clock,
        on_gone: Callable[[socket.socket], None],
    ) -> None:
        """Listen on ``path`` for the eye of a model whose embeddings have so many ``dimensions``; 0: not known.

        ``on_gone`` is called with an eye's connection just before it is closed.
        """
        self._clock = clock
        self._on_gone = on_gone
        self._model_id = model_id
        self._dimensions = dimensions
        self._allowed = {0, os.getuid(), *({pwd.getpwnam(eye_user).pw_uid} if eye_user else ())}
        self.server = listen(path, socket.SOCK_SEQPACKET, 0o660)
        self.connection: socket.socket | None = None
        self.process: int | None = None
        self.health: Health | None = None
        self.refused = 0
        self.turned_away = 0
        self.gone_because = ""
        self._last: dict[type, tuple[int, int]] = {}
        now = clock.monotonic_ns()
        self._allowance = TokenBucket(MOST_MESSAGES_PER_S, MOST_MESSAGES_PER_S, now)
        self._patience = TokenBucket(MOST_REFUSED, REFUSED_PER_S, now)
        self._joins = TokenBucket(MOST_JOINS, JOINS_PER_S, now)
        self._lines = TokenBucket(MOST_LINES, LINES_PER_S, now)
        self._commands = 0

    def accept(self) -> bool:
        """Take a waiting eye. Returns whether it is now the eye; a stranger, a second eye, or one that comes too often
        is turned away."""
        connection, _ = self.server.accept()
        pid, uid, _ = peer(connection)
        now = self._clock.monotonic_ns()
        if uid not in self._allowed:
            self._turn_away(f"process {pid} of user {uid} tried to be the eye")
        elif self.connection is not None:
            self._turn_away(f"process {pid} tried to be a second eye")
        elif not self._joins.spend(now):
            self._turn_away(f"process {pid} comes as the eye again and again")
        else:
            connection.setblocking(False)
            self.connection, self.process = connection, pid
            self._patience = TokenBucket(MOST_REFUSED, REFUSED_PER_S, now)
            _log.info("the eye is connected (process %d)", pid)
            return True
        connection.close()
        return False

    def receive(self) -> list[Sighting | Health]:
        """Return the acceptable messages that have come; drops the connection when the eye has gone or talks
        rubbish."""
        messages: list[Sighting | Health] = []
        for _ in range(BATCH):
            if self.connection is None:
                break
            try:
                data = self.connection.recv(LARGEST_BYTES + 1)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.drop("the eye has gone")
                break
            try:
                message = self._checked(unpack(data))
            except WireError as error:
                self.refused += 1
                self.drop(str(error))
                break
            if message is not None:
                messages.append(message)
        return messages

    def send(self, verb: EyeMode) -> bool:
        """Ask something of the eye. Returns False where there is none to ask."""
        if self.connection is None:
            return False
        self._commands += 1
        try:
            self.connection.send(Command(verb, self._commands).pack())
        except OSError:
            self.drop("the eye does not listen")
            return False
        return True

    def drop(self, reason: str) -> None:
        """End the connection; the eye's supervisor or the eye itself will come again."""
        connection, self.connection, self.health, self.process = self.connection, None, None, None
        if connection is not None:
            self.gone_because = reason
            _log.warning("the eye was disconnected: %s", reason)
            self._on_gone(connection)
            connection.close()

    def close(self) -> None:
        """Stop listening."""
        self.drop("the gate ends")
        self.server.close()

    def _checked(self, message: Sighting | Health | Command) -> Sighting | Health | None:
        if isinstance(message, Command):
            raise WireError("eye", "the eye does not give commands")
        eye, last = self._last.get(type(message), (message.eye, -1))
        if eye == message.eye and message.sequence <= last:
            raise WireError("eye", f"sequence {message.sequence} after {last}")
        self._last[type(message)] = (message.eye, message.sequence)
        at_ns = message.sent_ns if isinstance(message, Health) else message.captured_ns
        now = self._clock.monotonic_ns()
        if not 0 <= now - at_ns <= OLDEST_NS or not self._allowance.spend(now):
            if not self._patience.spend(now):
                raise WireError("eye", "a flood of messages that are too many, or too old")
            self.refused += 1
            return None
        if isinstance(message, Health):
            self.health = message
            return message
        if message.refusal is AcquisitionFailure.NONE and message.model_id != self._model_id:
            raise WireError("eye", f"it runs model {message.model_id.hex()}, the gate expects {self._model_id.hex()}")
        if message.embedding:  # what is not of one length cannot be fused
            self._dimensions = self._dimensions or len(message.embedding)
            if len(message.embedding) != self._dimensions:
                raise WireError("eye", f"{len(message.embedding)} components, not {self._dimensions}")
        return message

    def _turn_away(self, who: str) -> None:
        self.turned_away += 1
        if self._lines.spend(self._clock.monotonic_ns()):
            _log.error("%s and was turned away", who)
