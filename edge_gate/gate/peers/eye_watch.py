# SPDX-License-Identifier: Apache-2.0
"""The eye as the gate's loop has it: it comes, says what it sees and how its camera is, and goes."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.gate.peers.eye import EyeLink
from edge_gate.gate.services import Journal
from edge_gate.settings.config import SocketSettings
from edge_gate.wire.eye import CameraState, Health, SceneState, Sighting

OTHER_SETTINGS: Final = "the eye runs by other settings than the gate; start both again"
_NO_FAULT = (CameraState.STARTING, CameraState.WORKING)


class EyeWatch:
    """Serves the eye's link in the loop. ``greet()`` is called when an eye has come, ``see(sighting)`` for each."""

    def __init__(
        self,
        sockets: SocketSettings,
        settings: int,
        model: tuple[bytes, int],
        journal: Journal,
        selector: selectors.BaseSelector,
        clock: Clock,
    ) -> None:
        """Listen. ``settings``: digest of those that an eye has to run by. ``model``: the identifier and the dimensions
        that its embeddings must have."""
        self.camera = CameraState.STARTING
        self.greet: Callable[[], None] = _nothing
        self.see: Callable[[Sighting], None] = _nothing
        self._settings = settings
        self._told = False
        self._journal = journal
        self._selector = selector
        self.link = EyeLink(sockets.eye, sockets.eye_user, *model, clock, self._gone)
        selector.register(self.link.server, selectors.EVENT_READ, self._accept)

    @property
    def connected(self) -> bool:
        """Whether there is an eye."""
        return self.link.connection is not None

    @property
    def state(self) -> CameraState | None:
        """How the eye's camera is, as far as it has said; None where there is no eye."""
        return self.camera if self.connected else None

    @property
    def scene_known(self) -> bool:
        """Whether the eye says that it knows the empty scene behind people."""
        health = self.link.health
        return health is not None and health.scene is SceneState.KNOWN

    @property
    def held(self) -> str:
        """Why nothing may be opened by what this eye sees, or nothing. Its settings come from the file alone."""
        health = self.link.health
        return OTHER_SETTINGS if health and health.settings not in (0, self._settings) else ""

    def close(self) -> None:
        """Hang up and stop listening."""
        self.link.close()

    def _accept(self) -> None:
        if self.link.accept() and self.link.connection is not None:
            self._selector.register(self.link.connection, selectors.EVENT_READ, self._hear)
            self._journal.record_seen("eye joined")
            self.greet()

    def _gone(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        self.camera, self._told = CameraState.STARTING, False
        self._journal.record_seen("eye lost", detail={"reason": self.link.gone_because})

    def _hear(self) -> None:
        for message in self.link.receive():
            if isinstance(message, Health):
                self._note_health(message)
            else:
                self.see(message)

    def _note_health(self, health: Health) -> None:
        if self.held and not self._told:
            self._told = True
            self._journal.record_seen("eye settings")
        if health.camera is self.camera:
            return
        if health.camera not in _NO_FAULT or self.camera not in _NO_FAULT:
            self._journal.record_seen("camera", detail={"state": health.camera.name.lower()})
        self.camera = health.camera


def _nothing(*_: object) -> None:
    return None
