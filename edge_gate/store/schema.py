# SPDX-License-Identifier: Apache-2.0
"""The tables, and the steps that made them.

    resident ──< consent            who may be recognised, on whose word, until when
        └──────< template           one per model; the only biometric rows, each sealed (sealing.py)
    template_key                    what the key of the templates' transform is made from, besides the keyring's secret
    event ──── outcome              what happened at the gate; written before the door moves, and how it ended
    audit ──── audit_checkpoint     what people did, in a chain of hashes that is signed now and then (audit.py)
               audit_end            and whose end is signed with each row
                audit_subject       the salt that says which of its rows are about a resident

**Forgetting.** `secure_delete` zeroes what is deleted, but SQLite moves rows between pages when it balances its trees
and leaves stale copies in the slack of the old ones: in a churn of 1,400 deleted people, up to ten could still be
read from the decrypted pages. So:

- the personal tables are rebuilt from the living rows whenever a person is removed (freed pages *are* zeroed whole);
- an event row is written once, at the end of its table, where SQLite does not move it, and never grows; a row that
  grows is moved, so how an event ended stands in `outcome`. Forgetting puts FORGOTTEN in the resident's place and
  empties the detail.

Before that the person's data key is destroyed (residents.py), so what a copy of this file has of their template does
not open. A test decrypts every page on its own and looks. What stays on worn flash cells is encrypted under the store's
key.

Every moment is text as edge_gate.core.clock.iso writes it, so that text order is time order.
"""

from __future__ import annotations

from typing import Final

from sqlite_utils import Database, Migrations

# An event's resident once that person is forgotten: the nil UUID (RFC 9562, 5.9).
FORGOTTEN: Final = "00000000-0000-0000-0000-000000000000"

# From this step on templates are sealed.
SEALING_STEP: Final = "0002_sealed_templates"
END_STEP: Final = "0005_audit_end"

# What that step leaves to be sealed and dropped in the same transaction.
UNSEALED: Final = "template_unsealed"

PERSONAL_TABLES: Final = ("consent", "template", "template_key", "audit_subject", "resident")

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

_SEALED_TEMPLATE: Final = """
    CREATE TABLE template (
        resident_id TEXT NOT NULL REFERENCES resident(id),
        model_id BLOB NOT NULL, -- templates of different models cannot be compared
        pictures INTEGER NOT NULL CHECK (pictures > 0), -- how many were fused; none is kept
        sealed BLOB NOT NULL, -- the code under the resident's own data key (sealing.py)
        created_at TEXT NOT NULL,
        PRIMARY KEY (resident_id, model_id)
    ) STRICT
    """

# The audit log (audit.py). Its rows never change; a row says whom it is about by a commitment, and the salt that opens
# it stands in a table of its own, from which forgetting takes it.
_AUDIT_TABLES: Final = (
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
)


def migrate(database: Database) -> None:
    """Apply the steps that this file has not had. Call it inside a transaction, so that all of them hold or none."""
    _migrations().apply(database)


def applied_steps(database: Database) -> list[str]:
    """Return the steps this file has had, in order; none where it is no store of ours."""
    return [each.name for each in _migrations().applied(database)]


def strange_tables(database: Database, applied: list[str]) -> list[str]:
    """Return the tables, of those that the applied steps make, whose columns are not as the steps made them.

    STRICT tables hold what their columns say; another one in the place of ours could hold anything.
    """
    fresh = Database(memory=True, recursive_triggers=False, execute_plugins=False)
    try:
        _migrations(applied).apply(fresh)
        wanted, found = _shapes(fresh), _shapes(database)
    finally:
        fresh.close()
    return sorted(name for name, shape in wanted.items() if found.get(name) != shape)


def _shapes(database: Database) -> dict[str, tuple[bool, list[tuple[str, str]]]]:
    """Return for each table of ours whether it is STRICT, and the names and types of its columns."""
    listed = database.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    columns = "SELECT name, type FROM pragma_table_xinfo(?) ORDER BY cid"
    return {
        name: (bool(strict), [(column, kind) for column, kind in database.execute(columns, [name])])
        for name, strict in listed.fetchall()
        if not name.startswith(("sqlite_", "_sqlite_")) and name != UNSEALED
    }


def _first_tables(database: Database) -> None:
    for statement in _TABLES:
        database.execute(statement)


def _audit_tables(database: Database) -> None:
    for statement in _AUDIT_TABLES:
        database.execute(statement)


def _sealed_templates(database: Database) -> None:
    """Lay the plain rows aside; the store seals them in the same transaction (database.py), for it has the keys."""
    database.execute("ALTER TABLE template RENAME TO template_unsealed")
    database.execute(_SEALED_TEMPLATE)


def _protected_templates(database: Database) -> None:
    """What is sealed in `template` becomes the code that edge_gate.rules.protection makes of a vector. The rows that
    hold vectors say so in their version (sealing.py), and become codes at the gate's next start (renewal.py)."""
    database.execute(
        """
        CREATE TABLE template_key (
            salt BLOB NOT NULL, -- random; a new one makes other axes
            bits INTEGER NOT NULL,
            proof BLOB NOT NULL, -- tells a keyring that was exchanged without the templates
            renewals INTEGER NOT NULL, -- how often the templates were made anew without their residents
            created_at TEXT NOT NULL
        ) STRICT
        """
    )


def _audit_end(database: Database) -> None:
    """The end of the audit log is signed with each row (audit.py). The store signs that of a log of before."""
    database.execute(
        """
        CREATE TABLE audit_end (
            seq INTEGER PRIMARY KEY,
            at TEXT NOT NULL,
            hash BLOB NOT NULL,
            key BLOB NOT NULL,
            signature BLOB NOT NULL
        ) STRICT
        """
    )


# A step that was released is never changed: a change is a new step at the end.
_STEPS: Final = (
    ("0001_first_tables", _first_tables),
    (SEALING_STEP, _sealed_templates),
    ("0003_audit", _audit_tables),
    ("0004_protected_templates", _protected_templates),
    (END_STEP, _audit_end),
)


def known_steps() -> list[str]:
    """Return the steps that this program can apply, in order."""
    return [name for name, _ in _STEPS]


def _migrations(only: list[str] | None = None) -> Migrations:
    migrations = Migrations("edge-gate")
    for name, step in _STEPS:
        if only is None or name in only:
            migrations(name=name)(step)
    return migrations
