# SPDX-License-Identifier: Apache-2.0
"""The visitors whom residents expect."""

from __future__ import annotations

from edge_gate.core.clock import iso
from edge_gate.store.database import Store


def expected(store: Store, resident_id: str) -> int:
    """Return how many visitors a resident expects."""
    return int(store.rows("SELECT count(*) AS n FROM visitor WHERE resident_id = ?", (resident_id,))[0]["n"])


def add(store: Store, resident_id: str, name: str) -> None:
    """Write a visitor down."""
    store.insert("visitor", {"resident_id": resident_id, "name": name, "announced_at": iso(store.now())})
