# SPDX-License-Identifier: Apache-2.0
"""`status`: what a maintainer wants to know of a running gate at a glance."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge_gate.core.clock import Clock
from edge_gate.documents import guidance
from edge_gate.gate.authorisation.authorisation import Authorisation
from edge_gate.gate.control.requests import Handler
from edge_gate.gate.door.door import Door
from edge_gate.gate.peers.eye_watch import EyeWatch
from edge_gate.gate.recognition.approaches import Approaches
from edge_gate.gate.services import Journal, Mode, Recognition
from edge_gate.provenance.cards import Card
from edge_gate.seal import Sealed
from edge_gate.seal.hardening import ALL, Hardening, summary
from edge_gate.settings.config import Config
from edge_gate.store.database import Store


@dataclass(frozen=True, slots=True)
class Told:
    """Where the parts of the status come from. ``sealed()`` tells the walls around this process."""

    config: Config
    store: Store
    door: Door
    eye: EyeWatch
    approaches: Approaches
    journal: Journal
    mode: Mode
    recognition: Recognition
    authorisation: Authorisation
    unsigned: tuple[Card, ...]
    sealed: Callable[[], Sealed]
    clock: Clock
    started_ns: int


class StatusVerbs:
    """Serves it."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self.handlers: Mapping[str, Handler] = {"status": lambda request: request.answer(self.status())}

    def status(self) -> dict[str, Any]:
        """Return the whole."""
        told = self._told
        return {
            "site": told.config.site.name,
            "door": {"state": told.door.state.value, "fault": told.door.fault, "port": told.config.door.port},
            "eye": self._eye(),
            "store": {"fault": told.journal.fault},
            "keyring": {"fault": told.store.keyring.suspect or None},
            "approach": self._approach(),
            "enrolling": told.mode.enrolling,
            "paused": told.mode.paused,
            "residents_in_gallery": len(told.recognition.gallery.ids),
            "threshold": {
                "fmr": told.recognition.point.fmr,
                "comparison_score": told.recognition.point.threshold,
            },
            "model": told.recognition.card.name,
            "unsigned_models": {card.name: card.waived for card in told.unsigned},
            "policy": {"waiting": told.authorisation.looser, "held": told.authorisation.held},
            "approvals_waiting": len(told.authorisation.approvals.waiting()),
            "sealed": self._sealed(),
            "processes": {"gate": os.getpid(), "eye": told.eye.link.process},
            "uptime_s": round((told.clock.monotonic_ns() - told.started_ns) / 1e9, 1),
        }

    def _eye(self) -> dict[str, Any]:
        eye, health = self._told.eye, self._told.eye.link.health
        return {
            "connected": eye.connected,
            "camera": eye.camera.name.lower() if health else None,
            "fps": round(health.fps, 1) if health else None,
            "loop_p95_ms": round(health.loop_p95_ms, 1) if health else None,
            "frames": health.frames if health else None,
            "messages_refused": eye.link.refused,
            "turned_away": eye.link.turned_away,
        }

    def _approach(self) -> str | None:
        approach = self._told.approaches.current
        if approach is None:
            return None
        return guidance.text(approach.last.refusal, self._told.config.site.language)

    def _sealed(self) -> dict[str, Any]:
        sealed, health = self._told.sealed(), self._told.eye.link.health
        return {
            "gate": summary(sealed.standing, sealed.lacking),
            # What is not to be had here is the same for both, and the gate knows it; what stands the eye says.
            "eye": summary(Hardening(health.sealed & ALL), sealed.lacking) if health else None,
        }
