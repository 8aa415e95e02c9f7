# SPDX-License-Identifier: Apache-2.0
"""What `edge-gate status` says of a running gate."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from edge_gate.documents import guidance
from edge_gate.seal.hardening import ALL, Hardening, summary

if TYPE_CHECKING:
    from edge_gate.gate.loop import Gate


def status(gate: Gate) -> dict[str, Any]:
    """Return what a maintainer wants to know at a glance."""
    health, approach = gate.link.health, gate.tracker.current
    return {
        "site": gate.config.site.name,
        "door": {"state": gate.door.state.value, "fault": gate.door.fault, "port": gate.config.door.port},
        "eye": {
            "connected": gate.link.connection is not None,
            "camera": gate.camera.name.lower() if health else None,
            "fps": round(health.fps, 1) if health else None,
            "loop_p95_ms": round(health.loop_p95_ms, 1) if health else None,
            "frames": health.frames if health else None,
            "messages_refused": gate.link.refused,
            "turned_away": gate.link.turned_away,
        },
        "store": {"fault": gate.store_fault},
        "keyring": {"fault": gate.store.keyring.suspect or None},
        "approach": None if approach is None else guidance.text(approach.last.refusal, gate.config.site.language),
        "enrolling": gate.desk.enrolling,
        "paused": gate.desk.paused,
        "residents_in_gallery": len(gate.gallery.ids),
        "threshold": {"fmr": gate.point.fmr, "comparison_score": gate.point.threshold},
        "model": gate.card.name,
        "unsigned_models": {card.name: card.waived for card in gate.waived},
        "policy": {"waiting": gate.oversight.looser, "held": gate.oversight.held},
        "approvals_waiting": len(gate.oversight.approvals.waiting()),
        "sealed": {
            "gate": summary(gate.sealed.standing, gate.sealed.lacking),
            # What is not to be had here is the same for both, and the gate knows it; what stands the eye says.
            "eye": summary(Hardening(health.sealed & ALL), gate.sealed.lacking) if health else None,
        },
        "processes": {"gate": os.getpid(), "eye": gate.link.process},
        "uptime_s": round((gate.clock.monotonic_ns() - gate.started_ns) / 1e9, 1),
    }
