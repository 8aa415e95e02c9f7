# SPDX-License-Identifier: Apache-2.0
"""Whether database and keyring are of one time, as far as the two can tell.

The audit log has the keyring's generation (keys/keyring.py) in the row of each act that changes it, and in each
start's. It stands in the log and not in a table of its own, so that the chain covers it, and a checkpoint that was kept
elsewhere.

    keyring ahead     a backup of the database was restored, or a change was cut off or failed before its commit
    keyring behind    an older keyring was put back
    another key       the keyring is not the one that the log was last signed with

Where both were put back together, both are of one time: only a checkpoint that was kept elsewhere shows that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_gate.spec import registry
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit.chain import ANNOUNCING
from edge_gate.store.database import Store

# The field of an audit row's detail, and the verbs of the rows that have it besides those that announce a key.
FIELD: Final = "keyring"
EXPIRED: Final = "template expired"
"""The gate itself destroyed the key of somebody whose consent had ended."""
CHANGING: Final = (*registry.PEOPLE, EXPIRED)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the log has of the keyring: the public key last announced, and the highest generation under it.

    ``generation`` is None where the log is of a version that did not count.
    """

    key: str
    generation: int | None


def last_recorded(store: Store) -> Seen | None:
    """Return what the log has of the keyring, or None where no start was ever written down."""
    announced = [row for verb in ANNOUNCING if (row := audit_log.latest(store, verb))]
    if not announced:
        return None
    last = max(announced, key=lambda row: row.seq)
    later = [row for verb in CHANGING if (row := audit_log.latest(store, verb)) and row.seq > last.seq]
    counted = [number for row in (last, *later) if isinstance(number := row.said.get(FIELD), int)]
    return Seen(str(last.said.get("device_key", "")), max(counted, default=None))
