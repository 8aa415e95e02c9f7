# SPDX-License-Identifier: Apache-2.0
"""What `edge-gate status` says of a running gate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edge_gate.documents import guidance
from edge_gate.seal.hardening import ALL, Hardening, summary
from edge_gate.wire.status import (
    DoorStatus,
    EyeStatus,
    GateStatus,
    HardeningStatus,
    PartStatus,
    PolicyStatus,
    ProcessStatus,
    SealedStatus,
    ThresholdStatus,
)

if TYPE_CHECKING:
    from edge_gate.gate.loop import Gate


def status(gate: Gate) -> dict[str, Any]:
    """Return what a maintainer wants to know at a glance, as it goes over the socket."""
    return describe(gate).write()


def describe(gate: Gate) -> GateStatus:
    """Return what a maintainer wants to know at a glance."""
    approach = gate.tracker.current
    return GateStatus(
        site=gate.config.site.name,
        door=DoorStatus(gate.door.state.value, gate.door.fault, gate.config.door.port),
        eye=_eye(gate),
        store=PartStatus(gate.store_fault),
        keyring=PartStatus(gate.store.keyring.suspect or None),
        approach=None if approach is None else guidance.text(approach.last.refusal, gate.config.site.language),
        enrolling=gate.desk.enrolling,
        paused=gate.desk.paused,
        residents_in_gallery=len(gate.gallery.ids),
        threshold=ThresholdStatus(gate.point.fmr, gate.point.threshold),
        model=gate.card.name,
        unsigned_models={card.name: card.waived for card in gate.waived},
        policy=PolicyStatus(tuple(gate.oversight.looser), gate.oversight.held),
        approvals_waiting=len(gate.oversight.approvals.waiting()),
        sealed=_sealed(gate),
        processes=ProcessStatus(os.getpid(), gate.link.process),
        uptime_s=round((gate.clock.monotonic_ns() - gate.started_ns) / 1e9, 1),
    )


def _eye(gate: Gate) -> EyeStatus:
    health = gate.link.health
    return EyeStatus(
        connected=gate.link.connection is not None,
        camera=gate.camera.name.lower() if health else None,
        fps=round(health.fps, 1) if health else None,
        loop_p95_ms=round(health.loop_p95_ms, 1) if health else None,
        frames=health.frames if health else None,
        messages_refused=gate.link.refused,
        turned_away=gate.link.turned_away,
    )


def _sealed(gate: Gate) -> SealedStatus:
    """What is not to be had here is the same for both, and the gate knows it; what stands the eye says."""
    health = gate.link.health
    eye = _hardening(Hardening(health.sealed & ALL), gate.sealed.lacking) if health else None
    return SealedStatus(_hardening(gate.sealed.standing, gate.sealed.lacking), eye)


def _hardening(standing: Hardening, lacking: Mapping[Hardening, str]) -> HardeningStatus:
    said = summary(standing, lacking)
    return HardeningStatus(tuple(said["standing"]), said["not_here"], tuple(said["missing"]))
