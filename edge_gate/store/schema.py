# SPDX-License-Identifier: Apache-2.0
"""The tables, and the steps that made them.

    resident ──< consent            who may be recognised, on whose word, until when
        └──────< template           one per model; the only biometric rows
    template_key                    what the key of the templates' transform is made from, besides the store's key
    event ──── outcome              what happened at the gate; written before the door moves, and how it ended

**Forgetting.** `secure_delete` zeroes what is deleted, but SQLite moves rows between pages when it balances its trees
and leaves stale copies in the slack of the old ones: in a churn of 1,400 deleted people, up to ten could still be
read from the decrypted pages. So:

- the personal tables are rebuilt from the living rows whenever a person is removed (freed pages *are* zeroed whole);
- an event row is written once, at the end of its table, where SQLite does not move it, and never grows; a row that
  grows is moved, so how an event ended stands in `outcome`. Forgetting puts FORGOTTEN in the resident's place and
  empties the detail.

A test decrypts every page on its own and looks. What stays on worn flash cells is encrypted under the store's key.

Every moment is text as edge_gate.clock.iso writes it, so that text order is time order.
"""

from __future__ import annotations

from typing import Final

from sqlite_utils import Database, Migrations

# An event's resident once that person is forgotten: the nil UUID (RFC 9562, 5.9).
FORGOTTEN: Final = "00000000-0000-0000-0000-000000000000"

PERSONAL_TABLES: Final = ("consent", "template", "template_key", "resident")

_TABLES: Final = (
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
)


def migrate(database: Database) -> None:
    """Apply the steps that this file has not had. Call it inside a transaction, so that all of them hold or none."""
    _migrations().apply(database)


def applied_steps(database: Database) -> list[str]:
    """Return the steps this file has had, in order; none where it is no store of ours."""
    return [each.name for each in _migrations().applied(database)]


def _first_tables(database: Database) -> None:
    for statement in _TABLES:
        database.execute(statement)


def _protected_templates(database: Database) -> None:
    """`template.vector` becomes the code that edge_gate.protection makes of a vector; `dimensions` says of how many
    components. It is NULL in rows of earlier stores, which hold plain vectors until the gate's next start
    (edge_gate/store/renewal.py)."""
    database.execute("ALTER TABLE template ADD COLUMN dimensions INTEGER")
    database.execute(
        """
        CREATE TABLE template_key (
            salt BLOB NOT NULL, -- random; a new one makes other axes
            bits INTEGER NOT NULL,
            proof BLOB NOT NULL, -- tells a store key that was changed without the templates
            renewals INTEGER NOT NULL, -- how often the templates were made anew without their residents
            created_at TEXT NOT NULL
        ) STRICT
        """
    )


# A step that was released is never changed: a change is a new step at the end.
_STEPS: Final = (("0001_first_tables", _first_tables), ("0004_protected_templates", _protected_templates))


def known_steps() -> list[str]:
    """Return the steps that this program can apply, in order."""
    return [name for name, _ in _STEPS]


def _migrations() -> Migrations:
    migrations = Migrations("edge-gate")
    for name, step in _STEPS:
        migrations(name=name)(step)
    return migrations
