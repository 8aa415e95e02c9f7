# SPDX-License-Identifier: Apache-2.0
"""The gate's end of the eye's link: how much the eye may say, of which model, by which command, and how it is."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import WireError
from edge_gate.gate.peers.orders import Orders
from edge_gate.gate.peers.peer_link import PeerLink
from edge_gate.wire.channel import ChannelLimits
from edge_gate.wire.eye import EYE_LINK, AcquisitionFailure, Command, EyeMode, Health, Sighting

LIMITS: Final = ChannelLimits(
    # The eye works at 15 pictures a second; twice that is plenty, and it bounds what could be smuggled out.
    messages_per_s=30,
    oldest_ns=2_000_000_000,
    # A bad second is nothing, a flood would keep the gate busy.
    most_refused=1000,
    refused_per_s=300,
)


class EyeLink:
    """Accepts one eye at a time, and only sightings of the gate's own model."""

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
        self._model_id = model_id
        self._dimensions = dimensions
        self._on_gone = on_gone
        self._orders = Orders(clock)
        self.health: Health | None = None
        self._peer = PeerLink(
            EYE_LINK,
            path,
            eye_user,
            LIMITS,
            clock,
            judge=self._judge,
            dismissal=Command(EyeMode.LEAVE, 0, 0),
            on_gone=self._forget,
        )

    @property
    def server(self) -> socket.socket:
        """The socket on which eyes are awaited."""
        return self._peer.server

    @property
    def connection(self) -> socket.socket | None:
        """The eye's connection, where there is an eye."""
        return self._peer.connection

    @property
    def process(self) -> int | None:
        """The eye's process number, where there is an eye."""
        return self._peer.process

    @property
    def refused(self) -> int:
        """How many messages were refused since the gate's start."""
        return self._peer.refused

    @property
    def turned_away(self) -> int:
        """How many processes were turned away since the gate's start."""
        return self._peer.turned_away

    @property
    def gone_because(self) -> str:
        """Why the last eye was dropped."""
        return self._peer.gone_because

    def allow(self, user: str) -> None:
        """Have eyes of this user come from now on."""
        self._peer.allow(user)

    def accept(self) -> bool:
        """Take a waiting eye. Returns whether it is now the eye; `PeerLink.accept` says which are turned away."""
        return self._peer.accept()

    def receive(self) -> list[Sighting | Health]:
        """Return the acceptable messages that have come; drops an eye that has gone or talks rubbish.

        What was seen by an older command is passed over."""
        return [each for each in self._peer.receive() if isinstance(each, Health) or self._orders.holds(each)]

    def send(self, verb: EyeMode) -> bool:
        """Ask something of the eye. Returns False where there is none to ask."""
        if self._peer.connection is None:
            return False
        return self._peer.send(self._orders.give(verb))

    def drop(self, reason: str) -> None:
        """End the connection; the eye's supervisor or the eye itself will come again."""
        self._peer.drop(reason)

    def close(self) -> None:
        """Stop listening."""
        self._peer.close()

    def _judge(self, message: Sighting | Health) -> None:
        self._orders.judge(message)
        if isinstance(message, Health):
            self.health = message
            return
        if message.refusal is AcquisitionFailure.NONE and message.model_id != self._model_id:
            raise WireError("eye", f"it runs model {message.model_id.hex()}, the gate expects {self._model_id.hex()}")
        if message.embedding:  # what is not of one length cannot be fused
            self._dimensions = self._dimensions or len(message.embedding)
            if len(message.embedding) != self._dimensions:
                raise WireError("eye", f"{len(message.embedding)} components, not {self._dimensions}")

    def _forget(self, connection: socket.socket) -> None:
        self.health = None
        self._orders.begin()
        self._on_gone(connection)
