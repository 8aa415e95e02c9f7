# SPDX-License-Identifier: Apache-2.0
"""Residents, their consent, their templates, and events."""

from __future__ import annotations

from typing import Final

from edge_gate.store.steps.step import Step, run_each

STEP: Final = Step(
    "0001_first_tables",
    run_each(
        """
    CREATE TABLE resident (
        id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36), -- random, so it says nothing; stable and never reused
        name TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL
    ) STRICT
    """,
        """
    CREATE TABLE consent (
        id TEXT PRIMARY KEY NOT NULL,
        resident_id TEXT NOT NULL REFERENCES resident(id),
        purpose TEXT NOT NULL,
        given_by TEXT NOT NULL, -- the resident, or who may speak for them
        given_at TEXT NOT NULL,
        until TEXT NOT NULL,
        operator TEXT NOT NULL, -- who wrote it down
        withdrawn_at TEXT
    ) STRICT
    """,
        "CREATE INDEX consent_resident ON consent(resident_id)",
        """
    CREATE TABLE template (
        resident_id TEXT NOT NULL REFERENCES resident(id),
        model_id BLOB NOT NULL, -- templates of different models cannot be compared
        pictures INTEGER NOT NULL CHECK (pictures > 0), -- how many were fused; none is kept
        vector BLOB NOT NULL, -- little-endian float16, length 1
        created_at TEXT NOT NULL,
        PRIMARY KEY (resident_id, model_id)
    ) STRICT
    """,
        """
    CREATE TABLE event (
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
    CREATE TABLE outcome (
        event_seq INTEGER PRIMARY KEY REFERENCES event(seq),
        outcome TEXT, -- NULL while it is awaited
        at TEXT
    ) STRICT
    """,
        "CREATE INDEX outcome_awaited ON outcome(event_seq) WHERE outcome IS NULL",
    ),
)
