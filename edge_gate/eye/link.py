# SPDX-License-Identifier: Apache-2.0
"""The eye's end of its link: a client of the gate (edge_gate.wire.peer_client) that speaks the eye's messages."""

from __future__ import annotations

from pathlib import Path

from edge_gate.core.clock import Clock
from edge_gate.wire.eye import EYE_LINK, Command, Health, Sighting
from edge_gate.wire.peer_client import PeerClient


class GateLink(PeerClient[Sighting | Health, Command]):
    """Tells the gate's socket at ``path`` what is seen, and hears what the gate asks.

    ``told`` is the newest command of this connection, which whatever is said has to repeat; None before the first.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(EYE_LINK, path, clock)
        self.told: Command | None = None

    def receive(self) -> list[Command]:
        """Return the commands that have come, connecting first where it is time to. Never waits."""
        before = self.connections
        commands = super().receive()
        if self.connections != before or not self.connected:
            self.told = None
        if self.connected and commands:
            self.told = commands[-1]
        return commands
