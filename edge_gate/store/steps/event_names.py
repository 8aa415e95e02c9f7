# SPDX-License-Identifier: Apache-2.0
"""Two kinds of event get the names of ISO/IEC 2382-37: ``refused`` becomes ``no match``, ``unclear`` ``not acquired``.

These events name no resident, but their neighbours do. An UPDATE in place would make the rows grow; SQLite moves rows
that grow, and copies of their neighbours stay in the slack of the old pages. Forgetting cannot reach those copies
(schema.py, "Forgetting"). Measured with 3,000 events: of 30 forgotten people up to 9 could still be read.

So the table is written anew in the order of the numbers, as appending wrote it, and the old one is dropped:
`secure_delete` zeroes freed pages whole. The end of the opening empties the log. ``outcome`` is written anew too,
because it refers to ``event``.
"""

from __future__ import annotations

from typing import Final

from edge_gate.store.steps.step import Migrating, Step

# A step that was released is never changed, so the names stand here and are not read from edge_gate.spec.
NEW_NAMES: Final = {"refused": "no match", "unclear": "not acquired"}

_RENAMED: Final = " ".join(f"WHEN '{old}' THEN '{new}'" for old, new in NEW_NAMES.items())

_REWRITE: Final = (
    """
    CREATE TABLE event_renamed (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        resident_id TEXT, -- no reference: an event outlives the resident
        score REAL,
        detail TEXT NOT NULL -- a JSON object
    ) STRICT
    """,
    """
    CREATE TABLE outcome_renamed (
        event_seq INTEGER PRIMARY KEY REFERENCES event_renamed(seq),
        outcome TEXT, -- NULL while it is awaited
        at TEXT
    ) STRICT
    """,
    f"""
    INSERT INTO event_renamed
    SELECT seq, id, at, CASE kind {_RENAMED} ELSE kind END, resident_id, score, detail FROM event ORDER BY seq
    """,  # noqa: S608 - names of ours
    "INSERT INTO outcome_renamed SELECT event_seq, outcome, at FROM outcome ORDER BY event_seq",
    # A number is never given twice, also where the newest event is not there any more.
    """
    UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'event')
    WHERE name = 'event_renamed'
    """,
    "DROP TABLE outcome",
    "DROP TABLE event",
    "ALTER TABLE event_renamed RENAME TO event",
    "ALTER TABLE outcome_renamed RENAME TO outcome",
    "CREATE INDEX outcome_awaited ON outcome(event_seq) WHERE outcome IS NULL",
)


def rename_kinds(store: Migrating) -> None:
    """Give the events of an older store their kinds' new names. A store without such events stays as it is."""
    if store.rows("SELECT 1 FROM event WHERE kind IN (?, ?) LIMIT 1", tuple(NEW_NAMES)):
        for statement in _REWRITE:
            store.run(statement)


STEP: Final = Step("0006_event_names", move=rename_kinds)
