# SPDX-License-Identifier: Apache-2.0
"""From here on a store's records are vouched for: the log by an anchor, people by codes, events in a chain.

What an older store has is taken as it stands, for nothing tells whether it was changed before.
"""

from __future__ import annotations

import json
from typing import Final

from edge_gate.core.access import is_taken
from edge_gate.store.audit.log_end import last_row
from edge_gate.store.keys.anchor import Known, Point, Span
from edge_gate.store.people.vouching import vouch
from edge_gate.store.steps.step import Migrating, Step, run_each


def begin(store: Migrating) -> None:
    """Vouch for everybody, and make the anchor.

    An anchor that is there already knows of a newer database: this one is an older backup, or somebody wants the step
    taken again. Then nobody is vouched for, and the log has no signed end, so that it is in doubt until two people
    agree. But the anchor of a step that a power cut interrupted is the one that is about to be made.
    """
    known = _as_it_stands(store)
    taken = is_taken(store.anchor.path)
    if taken and store.anchor.known != known:
        store.run("DELETE FROM audit_end")
        return
    for row in store.rows("SELECT id FROM resident"):
        vouch(store, row["id"])
    if not taken:
        store.anchor.begin(known)


def _as_it_stands(store: Migrating) -> Known:
    last = last_row(store)
    log = Span.from_here(Point(last["seq"], last["hash"])) if last else Span()
    event = store.rows("SELECT seq FROM sqlite_sequence WHERE name = 'event'")
    if event and not isinstance(event[0]["seq"], int):
        raise ValueError("the number of its last event is none")
    events = Span.from_here(Point(event[0]["seq"])) if event else Span()
    return Known(log, events, _agreed(store))


def _agreed(store: Migrating) -> dict[str, object] | None:
    row = store.rows("SELECT detail FROM audit WHERE verb = 'policy' ORDER BY seq DESC LIMIT 1")
    agreed = json.loads(row[0]["detail"]) if row else None
    return agreed if isinstance(agreed, dict) else None


STEP: Final = Step(
    "0010_vouching",
    run_each(
        """
        CREATE TABLE voucher (
            resident_id TEXT PRIMARY KEY NOT NULL REFERENCES resident(id),
            code BLOB NOT NULL -- what only the keyring can make of their name and consents
        ) STRICT
        """,
        "ALTER TABLE event ADD COLUMN who BLOB",
        "ALTER TABLE event ADD COLUMN said BLOB",
        "ALTER TABLE event ADD COLUMN link BLOB",
        "ALTER TABLE outcome ADD COLUMN code BLOB",
    ),
    begin,
)
