# SPDX-License-Identifier: Apache-2.0
"""The audit log (audit/log.py) and its signed end (audit/log_end.py).

Its rows never change. A row says whom it is about by a commitment. The salt that opens the commitment stands in a
table of its own, from which forgetting takes it.
"""

from __future__ import annotations

from typing import Final

from edge_gate.store.audit.log_end import sign_end
from edge_gate.store.steps.step import Migrating, Step, run_each

LOG_STEP: Final = Step(
    "0003_audit",
    run_each(
        """
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY, -- 1, 2, 3, without a gap
        at TEXT NOT NULL,
        actor TEXT NOT NULL, -- a user's number, as the kernel named it, or the gate
        role TEXT NOT NULL,
        verb TEXT NOT NULL,
        subject BLOB, -- a commitment to a resident
        detail TEXT NOT NULL, -- a JSON object
        previous BLOB NOT NULL,
        hash BLOB NOT NULL
    ) STRICT
    """,
        """
    CREATE TABLE audit_checkpoint (
        seq INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        hash BLOB NOT NULL,
        key BLOB NOT NULL, -- Ed25519, public
        signature BLOB NOT NULL
    ) STRICT
    """,
        """
    CREATE TABLE audit_subject (
        resident_id TEXT PRIMARY KEY NOT NULL REFERENCES resident(id),
        salt BLOB NOT NULL
    ) STRICT
    """,
        "CREATE INDEX audit_verb ON audit(verb, at)",
    ),
)


def sign_old_end(store: Migrating) -> None:
    """Sign the end of an audit log that was written before each row was signed for."""
    sign_end(store, store.keyring.signer())


END_STEP: Final = Step(
    "0005_audit_end",
    run_each(
        """
        CREATE TABLE audit_end (
            seq INTEGER PRIMARY KEY,
            at TEXT NOT NULL,
            hash BLOB NOT NULL,
            key BLOB NOT NULL,
            signature BLOB NOT NULL
        ) STRICT
        """
    ),
    sign_old_end,
)
