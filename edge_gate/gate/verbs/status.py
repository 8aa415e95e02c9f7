# SPDX-License-Identifier: Apache-2.0
"""`status`: what a maintainer wants to know of a running gate at a glance."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge_gate.core.clock import Clock, iso
from edge_gate.gate.authorisation.authorisation import Authorisation
from edge_gate.gate.control.requests import Handler
from edge_gate.gate.door.door import Door
from edge_gate.gate.peers.eye_watch import EyeWatch
from edge_gate.gate.recognition.attacks import AttackWatch
from edge_gate.gate.recognition.challenges import Challenges
from edge_gate.gate.recognition.limiter import Limiter
from edge_gate.gate.services import Journal, Mode, Recognition
from edge_gate.gate.verbs.guidance import GuidanceVerbs
from edge_gate.provenance.cards import Card
from edge_gate.seal import Sealed
from edge_gate.seal.hardening import ALL, Hardening, summary
from edge_gate.settings.config import Config
from edge_gate.store.database import Store
from edge_gate.wire.status import (
    ClockStatus,
    DoorStatus,
    EyeStatus,
    GateStatus,
    HardeningStatus,
    LimiterStatus,
    LivenessStatus,
    PartStatus,
    PolicyStatus,
    ProcessStatus,
    SealedStatus,
    ThresholdStatus,
)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the parts of the status come from. ``sealed()`` tells how far this process is sealed."""

    config: Config
    store: Store
    door: Door
    eye: EyeWatch
    guidance: GuidanceVerbs
    attacks: AttackWatch
    limiter: Limiter
    challenges: Challenges
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

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self.handlers: Mapping[str, Handler] = {"status": lambda request: request.answer(self.describe().write())}

    def describe(self) -> GateStatus:
        """Return the whole."""
        of = self._sources
        return GateStatus(
            site=of.config.site.name,
            door=DoorStatus(of.door.state.value, of.door.fault, of.config.door.port),
            eye=self._eye(),
            store=PartStatus(of.journal.fault or of.recognition.fault),
            keyring=PartStatus(of.store.keyring.suspect or None),
            clock=ClockStatus(iso(of.store.now()), of.store.clock.fault),
            log=PartStatus(of.authorisation.log_watch.doubt or None),
            events=PartStatus(of.authorisation.log_watch.events_doubt or None),
            people=PartStatus(_told(of.recognition.doubtful)),
            approach=of.guidance.sentence(of.config.site.language),
            liveness=self._liveness(),
            limiter=self._limiter(),
            guidance=PartStatus(of.challenges.fault),
            enrolling=of.mode.enrolling,
            paused=of.mode.paused,
            residents_in_gallery=len(of.recognition.gallery.ids),
            threshold=ThresholdStatus(of.recognition.point.fmr, of.recognition.point.threshold),
            model=of.recognition.card.name,
            unsigned_models={card.name: card.waived for card in of.unsigned},
            policy=PolicyStatus(tuple(of.authorisation.waiting_settings), of.authorisation.policy_held),
            approvals_waiting=len(of.authorisation.approvals.waiting()),
            many_erased=of.authorisation.many_erased,
            sealed=self._sealed(),
            processes=ProcessStatus(os.getpid(), of.eye.link.process),
            uptime_s=round((of.clock.monotonic_ns() - of.started_ns) / 1e9, 1),
        )

    def _eye(self) -> EyeStatus:
        eye, health = self._sources.eye, self._sources.eye.link.health
        return EyeStatus(
            connected=eye.connected,
            camera=eye.camera.name.lower() if health else None,
            fps=round(health.fps, 1) if health else None,
            loop_p95_ms=round(health.loop_p95_ms, 1) if health else None,
            frames=health.frames if health else None,
            pictures=health.arrived if health else None,
            pictures_skipped=health.skipped if health else None,
            messages_refused=eye.link.refused,
            turned_away=eye.link.turned_away,
            scene=health.scene.name.lower().replace("_", " ") if health else None,
            infrared=health.infrared.name.lower() if health else None,
        )

    def _liveness(self) -> LivenessStatus:
        attacks, challenges = self._sources.attacks, self._sources.challenges
        fault = attacks.fault if self._sources.recognition.gallery.ids else None  # to nobody it opens anyway
        return LivenessStatus(attacks.mode, challenges.setting, attacks.name, attacks.people, attacks.attacks, fault)

    def _limiter(self) -> LimiterStatus:
        limiter = self._sources.limiter
        seconds = limiter.milder_in_s
        return LimiterStatus(
            limiter.state.value, None if seconds is None else round(max(0.0, seconds), 1), limiter.refusals
        )

    def _sealed(self) -> SealedStatus:
        """What is not to be had here is the same for both, and the gate knows it; what stands the eye says."""
        sealed, health = self._sources.sealed(), self._sources.eye.link.health
        eye = _hardening(Hardening(health.sealed & ALL), sealed.lacking) if health else None
        return SealedStatus(_hardening(sealed.standing, sealed.lacking), eye)


def _told(doubtful: frozenset[str]) -> str | None:
    """Say how many residents are not as was vouched for; `edge-gate residents` says who they are."""
    return f"{len(doubtful)} residents are not as was vouched for, and are not recognised" if doubtful else None


def _hardening(standing: Hardening, lacking: Mapping[Hardening, str]) -> HardeningStatus:
    said = summary(standing, lacking)
    return HardeningStatus(tuple(said["standing"]), said["not_here"], tuple(said["missing"]))
