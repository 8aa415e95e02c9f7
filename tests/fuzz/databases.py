# SPDX-License-Identifier: Apache-2.0
"""A database in the place of ours: with pages that were changed or cut, or with rows by somebody who has the key."""

from __future__ import annotations

import contextlib
import json
import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlcipher3 import dbapi2

from edge_gate.core.clock import SystemClock
from edge_gate.rules.comparison import Gallery
from edge_gate.store import connection, events
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit import log_end
from edge_gate.store.audit.chain import examine
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.people import consent, residents, traces
from edge_gate.store.people.sweep import sweep
from edge_gate.store.templates import renewal, templates
from tests.fuzz.target import Target
from tests.support.peers import direction
from tests.support.stores import compared

_KEY = bytes(range(32))
_MODEL = b"model-01"
_CLOCK = SystemClock()
# What each table's columns are given; by number, so that a byte chooses.
_VALUES: tuple[object, ...] = (
    None, 0, -1, 2**63 - 1, -(2**63), 0.5, float("inf"), "", "x", "{}", "[]", "[" * 5000, "null", '{"a": 1e999}', "nan",
    "2026-03-01T12:00:00.000Z", "9999-12-31T23:59:59.999-23:59", "0001-01-01T00:00:00+23:59", "2026-03-01",
    "00000000-0000-0000-0000-000000000000", "z" * 36, "\x1b[2J", "A\u202eB", b"", b"\xff\xfe", bytes(32), bytes(66),
    b"\x02" + bytes(60),
    "x" * 70_000,
)  # fmt: skip
_SCHEMES = (
    "CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM audit; END",
    "CREATE TRIGGER t AFTER INSERT ON audit BEGIN INSERT INTO event"
    " SELECT NULL, hex(randomblob(9)), '', '', NULL, 0, ''; END",
    "CREATE TRIGGER t BEFORE DELETE ON resident BEGIN SELECT RAISE(IGNORE); END",
    "DROP TABLE consent; CREATE VIEW consent AS SELECT id, id AS resident_id, name AS purpose, name AS given_by,"
    " created_at AS given_at, '9999' AS until, name AS operator, NULL AS withdrawn_at FROM resident",
    "ALTER TABLE event RENAME TO e; CREATE VIEW event AS SELECT * FROM e",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 1 FROM n LIMIT 1",
    "DROP TABLE audit; CREATE VIEW audit AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " SELECT i AS seq, '' AS at, '' AS actor, '' AS role, 'policy' AS verb, NULL AS subject, '{}' AS detail,"
    " x'' AS previous, x'' AS hash FROM n",
    "ALTER TABLE resident ADD COLUMN more TEXT",
    "ALTER TABLE resident RENAME COLUMN created_at TO made",
    "DROP TABLE template_key",
    "DROP TABLE outcome",
    "DROP TABLE _sqlite_migrations",
    "DELETE FROM _sqlite_migrations",
    "DELETE FROM _sqlite_migrations WHERE name > '0002'",
    "INSERT INTO _sqlite_migrations VALUES ('edge-gate', '9999_later', '')",
    "CREATE TABLE template_unsealed(resident_id, model_id, pictures, vector, created_at)",
    "DROP TABLE event; CREATE TABLE event(seq INTEGER PRIMARY KEY, id, at, kind, resident_id, score, detail)",
    "DROP TABLE template; CREATE TABLE template(resident_id, model_id, pictures, sealed, created_at)",
    "DROP TABLE resident; CREATE TABLE resident(id, name, created_at)",
    "CREATE INDEX i ON resident(abs(name))",
)


def _made(folder: Path) -> Path:
    """Make a store with two residents, one of whom has a past, and return its path."""
    path = folder / "made" / "edge-gate.db"
    path.parent.mkdir()
    with Store.create(path, _KEY, _CLOCK) as store:
        transform, _ = renewal.prepare(store)
        for number, name in enumerate(("Ann", "Bo")):
            who = residents.add(store, name)
            until = store.now() + timedelta(days=400)
            consent.record(store, who.id, purpose="a test", given_by=name, until=until, operator="fuzz")
            code = transform.encode(direction(number)).tobytes()
            templates.put(store, templates.Template(who.id, _MODEL, 16, code, 128))
        event = events.append(store, "opened", awaited=True, resident_id=who.id, score=0.7, detail={"sightings": 3})
        events.finish(store, event.id, "confirmed")
        events.append(store, "opened", awaited=True)
        AuditLog(store, store.keyring.signer()).append("enrol", actor="uid 1", role="maintainer", resident_id=who.id)
        AuditLog(store, store.keyring.signer()).checkpoint()
    return path


def _used(path: Path) -> None:
    """Do with a store what the gate does with it."""
    traces.search(path, _KEY, traces.words_for("Ann"))
    with Store.open(path, _KEY, _CLOCK) as store:
        now = store.now()
        transform, _ = renewal.prepare(store)
        sweep(store)
        known = residents.everyone(store, _MODEL, now)
        json.dumps([each.consent for each in known])
        found = compared(store, _MODEL, now)
        Gallery.of([each.resident_id for each in found], [each.code for each in found], transform)
        json.dumps([dict(each.detail) for each in events.recent(store, limit=500)])
        for event in events.unfinished(store):
            events.finish(store, event.id, "interrupted")
        rows = audit_log.rows(store)
        json.dumps([each.shown() for each in rows])
        examine(rows, audit_log.checkpoints(store), log_end.end(store))
        audit_log.latest(store, "policy")
        log = AuditLog(store, store.keyring.signer())
        store.check()
        for each in known[:1]:
            list(audit_log.about(store, each.resident.id))
            residents.forget(store, each.resident.id, record=lambda: log.append("forget", actor="uid 1", role="root"))
        events.append(store, "started")
        log.checkpoint()


class _Place:
    """A copy of the store for each run."""

    def __init__(self, folder: Path) -> None:
        self.made = _made(folder)
        self.folder = folder / "copy"

    def copy(self) -> Path:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.made.parent, self.folder)
        return self.folder / self.made.name


def make_backup(folder: Path) -> Target:
    """Changed pages: three bytes say where, one what (written over, cut off, in the log), the rest is written there."""
    place = _Place(folder)
    size = place.made.stat().st_size

    def one(data: bytes) -> None:
        path = place.copy()
        at, how, body = int.from_bytes(data[:3], "little") % (size + 1), data[3:4], data[4:]
        if how == b"l":
            path.with_name(path.name + "-wal").write_bytes(body)
        else:
            whole = path.read_bytes()
            path.write_bytes(whole[:at] + body + (b"" if how == b"c" else whole[at + len(body) :]))
        _used(path)

    frame = (1).to_bytes(4, "big") + bytes(20) + place.made.read_bytes()[:4096]
    return Target(
        one,
        (b"\0\0\0w", b"\0\0\0wSQLite format 3\0", b"\0\x10\0c", b"\1\0\0c", b"\0\0\0l" + bytes(32) + frame),
        longest=4400,
    )


def make_rows(folder: Path) -> Target:
    """Rows and tables by somebody who has the key: each three bytes are a change (which column, which row, to what)."""
    place = _Place(folder)
    with closing(connection.connect(place.made, _KEY, "ro")) as read:
        names = [name for (name,) in read.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        columns = [(name, each[1]) for name in names for each in read.execute(f'PRAGMA table_info("{name}")')]

    def change(database: Any, which: int, row: int, what: int) -> None:
        if which >= 200:
            database.executescript(_SCHEMES[(which - 200) % len(_SCHEMES)])
            return
        table, column = columns[which % len(columns)]
        if what >= 128:  # a table that takes anything
            database.executescript(
                f'CREATE TABLE twin AS SELECT * FROM "{table}"; DROP TABLE "{table}";'
                f' ALTER TABLE twin RENAME TO "{table}"'
            )
        value = _VALUES[what % len(_VALUES)]
        database.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid % 2 = ?', (value, row % 2))

    def one(data: bytes) -> None:
        path = place.copy()
        with closing(connection.connect(path, _KEY, "rw")) as database:
            database.execute("PRAGMA foreign_keys = OFF")
            for start in range(0, len(data) - 2, 3):
                with contextlib.suppress(dbapi2.Error):
                    change(database, *data[start : start + 3])
        _used(path)

    every = [bytes((number, 1, 8)) for number in range(len(columns))]
    schemes = [bytes((200 + number, 0, 0)) for number in range(len(_SCHEMES))]
    return Target(one, (b"", *every, *schemes), longest=12)
