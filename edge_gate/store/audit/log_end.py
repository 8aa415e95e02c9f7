# SPDX-License-Identifier: Apache-2.0
"""The signed end of the audit log: which row is the last, by the word of this device
(edge_gate/store/audit/chain.py)."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_gate.core.clock import iso
from edge_gate.store.audit.chain import Checkpoint, End
from edge_gate.store.faults import reading
from edge_gate.store.rows import Rows


def sign_end(store: Rows, key: Ed25519PrivateKey) -> None:
    """Sign the last row as the log's end, in the transaction that is open; nothing where there is no row."""
    store.run("DELETE FROM audit_end")
    if last := last_row(store):
        public = key.public_key().public_bytes_raw()
        signed = End(last["seq"], iso(store.now()), last["hash"], public).signed(key)
        store.insert("audit_end", {name: getattr(signed, name) for name in Checkpoint.__slots__})


def end(store: Rows) -> End | None:
    """Return the signed end of the log."""
    with reading(store.path):
        found = store.rows("SELECT * FROM audit_end ORDER BY seq DESC LIMIT 1")
        return End(**found[0]) if found else None


def last_row(store: Rows) -> dict[str, Any] | None:
    """Return number and hash of the last row, or None where there is none."""
    found = store.rows("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
    return found[0] if found else None
