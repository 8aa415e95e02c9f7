# SPDX-License-Identifier: Apache-2.0
"""What it takes to write something down: an event before the door moves, its link in the chain, a row of the audit log,
and what the device keeps apart of how far both reach. The disk is the one that temporary files are on.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from edge_gate.core.clock import SystemClock
from edge_gate.store import event_chain, events
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.keys.anchor import Point, Span
from edge_gate.tools.bench.timing import Timing, measure


def measure_records(calls: int) -> dict[str, Timing]:
    """Write so many of each into a fresh store."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.create(Path(folder) / "edge-gate.db", os.urandom(32), SystemClock()) as store,
    ):
        log, known = AuditLog(store, store.keyring.signer()), store.anchor.known
        row = {"id": "0" * 36, "at": "", "kind": "opened", "resident_id": "0" * 36, "score": 0.5, "detail": "{}"}

        def keep(number: int) -> None:
            store.anchor.put(replace(known, log=Span(head=Point(number + 1))))

        numbers = range(calls)
        return {
            "event written": measure(lambda _: events.append(store, "opened", awaited=True), numbers),
            "  its link in the chain": measure(lambda _: event_chain.chained(store, row, awaited=True), numbers),
            "audit row written": measure(lambda _: log.append("pause", actor="uid 0", role="root"), numbers),
            "what is known of both kept": measure(keep, numbers),
        }
