# SPDX-License-Identifier: Apache-2.0
"""Each resident's salt: the random number that leads to what is said of them without their name.

Rows of the audit log are about them by it (log.py), and what vouches for their name and consents is made with it
(people/vouching.py). Forgetting deletes it.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from edge_gate.store.rows import Rows

_SALT_BYTES: Final = 32


def salt_of(store: Rows, resident_id: str) -> bytes | None:
    """Return the salt of a resident, or None where nothing was written about them yet."""
    found = store.rows("SELECT salt FROM audit_subject WHERE resident_id = ?", (resident_id,))
    return bytes(found[0]["salt"]) if found else None


def salt_for(store: Rows, resident_id: str) -> bytes:
    """Return the salt of a resident; where there is none, draw one, in the transaction that is open."""
    known = salt_of(store, resident_id)
    if known is None:
        known = secrets.token_bytes(_SALT_BYTES)
        store.insert("audit_subject", {"resident_id": resident_id, "salt": known})
    return known


def commitment(salt: bytes, resident_id: str, seq: int) -> bytes:
    """Return what stands for a resident in the row with this number."""
    return hmac.digest(salt, f"edge-gate audit subject 1\n{resident_id}\n{seq}".encode(), "sha256")
