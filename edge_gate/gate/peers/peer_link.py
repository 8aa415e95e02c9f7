# SPDX-License-Identifier: Apache-2.0
"""The gate's end of a socket that one other process speaks on: which process may speak, and how often it may come.

It knows no message. The link has the layouts (edge_gate.wire.frame), the channel checks order, age and rate
(edge_gate.wire.channel), and ``judge`` has the rules of one link.
"""

from __future__ import annotations

import logging
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Generic, TypeVar

from edge_gate.core.clock import Clock
from edge_gate.core.errors import WireError
from edge_gate.core.token_bucket import TokenBucket
from edge_gate.gate.peers.unix_socket import list_peer_uids, listen, read_credentials
from edge_gate.wire.channel import Channel, ChannelLimits
from edge_gate.wire.frame import Direction, Link, decode, encode
from edge_gate.wire.stamp import Stamped

# Messages taken from the socket in one go, so that a flood cannot keep the gate from its door.
BATCH: Final = 32
# How often a peer may come: one that is started again and again, or dropped again and again, costs rows and lines.
MOST_JOINS: Final = 20
JOINS_PER_S: Final = 0.2
# Lines in the journal about processes that are turned away.
MOST_LINES: Final = 20
LINES_PER_S: Final = 0.1
_log = logging.getLogger(__name__)

HeardT = TypeVar("HeardT", bound=Stamped)
SaidT = TypeVar("SaidT")


class PeerLink(Generic[HeardT, SaidT]):
    """Accepts one peer at a time. It hands on only messages that are well formed, fresh, in order and not too many."""

    def __init__(
        self,
        link: Link[HeardT, SaidT],
        path: Path,
        user: str,
        limits: ChannelLimits,
        clock: Clock,
        *,
        judge: Callable[[HeardT], None] = lambda _: None,
        dismissal: SaidT | None = None,
        on_gone: Callable[[socket.socket], None],
    ) -> None:
        """Listen on ``path`` for a process of ``user``.

        ``judge`` raises WireError for a message that ends the connection. ``dismissal`` is said to a second peer, which
        then ends instead of coming again and again. ``on_gone`` is called with a peer's
        connection just before it is closed.
        """
        self._link = link
        self._clock = clock
        self._judge = judge
        self._dismissal = dismissal
        self._on_gone = on_gone
        self._allowed = list_peer_uids(user)
        self.server = listen(path, socket.SOCK_SEQPACKET, 0o660)
        self.connection: socket.socket | None = None
        self.process: int | None = None
        self.refused = 0
        self.turned_away = 0
        self.gone_because = ""
        self._channel = Channel(link.name, limits, clock)
        now_ns = clock.monotonic_ns()
        self._joins = TokenBucket(MOST_JOINS, JOINS_PER_S, now_ns)
        self._lines = TokenBucket(MOST_LINES, LINES_PER_S, now_ns)

    def allow(self, user: str) -> None:
        """Have processes of this user come from now on, and none of another one's. A peer that is there stays."""
        self._allowed = list_peer_uids(user)

    def accept(self) -> bool:
        """Take a waiting process. Returns whether it is now the peer.

        A stranger, a second peer and one that comes too often are turned away.
        """
        connection, _ = self.server.accept()
        connection.setblocking(False)
        if self.connection is not None and _has_hung_up(self.connection):
            self.drop(f"the {self._link.name} has gone")  # else one that is started again would be taken for a second
        pid, uid = read_credentials(connection)
        objection = self._object(pid, uid)
        if objection:
            self._turn_away(objection)
            if uid in self._allowed and self.connection is not None:
                self._dismiss(connection)
            connection.close()
            return False
        self.connection, self.process = connection, pid
        self._channel.begin()
        _log.info("the %s is connected (process %d)", self._link.name, pid)
        return True

    def receive(self) -> list[HeardT]:
        """Return the acceptable messages that have come; drops a peer that has gone or talks rubbish."""
        messages: list[HeardT] = []
        for _ in range(BATCH):
            data = self._next()
            if data is None:
                break
            try:
                message = decode(self._link, Direction.TO_GATE, data)
                if self._channel.admit(message):
                    self._judge(message)
                    messages.append(message)
                else:
                    self.refused += 1
            except WireError as error:
                self.refused += 1
                self.drop(str(error))
                break
        return messages

    def send(self, message: SaidT) -> bool:
        """Say something to the peer. Returns False where there is none. Raises WireError where no frame fits it."""
        if self.connection is None:
            return False
        data = encode(self._link, Direction.FROM_GATE, message)
        try:
            self.connection.send(data)
        except OSError:
            self.drop(f"the {self._link.name} does not listen")
            return False
        return True

    def drop(self, reason: str) -> None:
        """End the connection; the peer's supervisor or the peer itself will come again."""
        connection, self.connection, self.process = self.connection, None, None
        if connection is not None:
            self.gone_because = reason
            _log.warning("the %s was disconnected: %s", self._link.name, reason)
            self._on_gone(connection)
            connection.close()

    def close(self) -> None:
        """Stop listening."""
        self.drop("the gate ends")
        self.server.close()

    def _next(self) -> bytes | None:
        """Return the next datagram, or None where there is none; an empty one is the end."""
        if self.connection is None:
            return None
        try:
            data = self.connection.recv(self._link.longest(Direction.TO_GATE) + 1)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self.drop(f"the {self._link.name} has gone")
            return None
        return data

    def _object(self, pid: int, uid: int) -> str:
        """Return why this process may not be the peer; empty where it may."""
        name = self._link.name
        if uid not in self._allowed:
            return f"process {pid} of user {uid} tried to be the {name}"
        if self.connection is not None:
            return f"process {pid} tried to be a second {name}"
        if not self._joins.spend(self._clock.monotonic_ns()):
            return f"process {pid} comes as the {name} again and again"
        return ""

    def _dismiss(self, connection: socket.socket) -> None:
        if self._dismissal is not None:
            with suppress(OSError):
                connection.send(encode(self._link, Direction.FROM_GATE, self._dismissal))

    def _turn_away(self, objection: str) -> None:
        self.turned_away += 1
        if self._lines.spend(self._clock.monotonic_ns()):
            _log.error("%s and was turned away", objection)


def _has_hung_up(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))
