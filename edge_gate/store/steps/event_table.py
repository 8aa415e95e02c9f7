# SPDX-License-Identifier: Apache-2.0
"""The table of events, written anew: what a step does that changes rows.

These rows name residents, or their neighbours do. An UPDATE in place would make rows grow or shrink; SQLite moves such
rows, and copies of their neighbours stay in the slack of the old pages. Forgetting cannot reach those copies
(schema.py, "Forgetting"). Measured with 3,000 events that grew: of 30 forgotten people up to 9 could still be read.

So the table is written anew in the order of the numbers, as appending wrote it, and the old one is dropped:
`secure_delete` zeroes freed pages whole. The end of the opening empties the log. ``outcome`` is written anew too,
because it refers to ``event``.
"""

from __future__ import annotations

from edge_gate.store.rows import Rows


def write_anew(store: Rows, *, kind: str = "kind", score: str = "score") -> None:
    """Write it anew, with ``kind`` and ``score``, in SQL, in place of what was there; indexes of ``event`` go."""
    for statement in _statements(kind, score):
        store.run(statement)


def _statements(kind: str, score: str) -> tuple[str, ...]:
    return (
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
        SELECT seq, id, at, {kind}, resident_id, {score}, detail FROM event ORDER BY seq
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
