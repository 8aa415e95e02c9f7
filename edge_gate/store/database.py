# SPDX-License-Identifier: Apache-2.0
"""The store as one object: it opens, commits, checks and closes, and every row passes through it.

Residents, consent, templates and events are read and written by their own modules, through `Store.rows`,
`Store.insert` and `Store.run` only, so what is to happen to every row has one place.
"""

from __future__ import annotations

import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlcipher3 import dbapi2

from edge_gate.core.access import is_taken
from edge_gate.core.clock import MachineClock, iso
from edge_gate.core.errors import AlreadyInitialised, StoreCorrupt, StoreError, StoreFull, StoreTooNew
from edge_gate.store import connection as connections
from edge_gate.store.faults import faults, reading
from edge_gate.store.files import appearing, clear_drafts, sync
from edge_gate.store.integrity import problems
from edge_gate.store.keys.anchor import Anchor, Known, anchor_path
from edge_gate.store.keys.keyring import Keyring, keyring_path
from edge_gate.store.keys.pending import keys_in_use
from edge_gate.store.schema import SCHEMA, SEALING_STEP, TIME_STEP, Schema, applied_steps
from edge_gate.store.trusted_clock import TrustedClock

_SIDE_FILES = ("-wal", "-shm", "-journal")
# What a statement of ours begins with that touches rows.
_TOUCHED = re.compile(r"\s*(?:UPDATE|DELETE FROM|INSERT INTO) (\w+)")
# Two tables that share a tree of pages would be each other's rows.
_SHARED = "SELECT group_concat(name) FROM sqlite_master WHERE rootpage > 0 GROUP BY rootpage HAVING count(*) > 1"
_WITHOUT_PAGES = "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index') OR rootpage = 0"

# By their indexes it is decided who is let in, and by what was agreed to.
_LOOKED_UP = frozenset({"audit", "audit_subject", "consent", "resident", "template", "voucher"})


class Store:
    """An open store. It belongs to the thread that opened it; `clock` dates what it writes, and is never set back."""

    __slots__ = ("_connection", "anchor", "clock", "keyring", "path", "rewritten", "schema")

    def __init__(
        self, path: Path, clock: MachineClock, connection: Any, keyring: Keyring, schema: Schema = SCHEMA
    ) -> None:
        self.path = path
        self.clock = TrustedClock(clock)
        self.keyring = keyring
        self.anchor = Anchor(anchor_path(path), keyring)
        """What the device knows of its own records, apart from this database."""
        self.schema = schema
        self.rewritten: Counter[str] = Counter()
        """How many rows of each table `run` has touched so far (rebuilding.py)."""
        self._connection = connection

    @classmethod
    def create(cls, path: Path, key: bytes, clock: MachineClock, schema: Schema = SCHEMA) -> Self:
        """Make an empty store and open it. A power cut leaves either nothing at ``path`` or a whole store.

        Raises AlreadyInitialised where there is a file or a write-ahead log of one: a log beside a database that it
        does not belong to would damage it, and may be all that holds somebody's last events.
        """
        for name in (path, *_beside(path)):
            if is_taken(name):
                raise AlreadyInitialised(name)
        made = [each for each in (keyring_path(path), anchor_path(path)) if not is_taken(each)]
        keyring = Keyring.create(keyring_path(path), key)  # first: a store without its keyring does not open
        anchor = Anchor(anchor_path(path), keyring)
        try:
            if anchor.path not in made and (anchor.fault or anchor.known != Known()):
                raise AlreadyInitialised(anchor.path)  # there were records here, which this store has not
            clear_drafts(anchor.path)
            cls._create(path, key, clock, keyring, schema)
        except (StoreError, AlreadyInitialised):
            for each in made:
                each.unlink(missing_ok=True)
            raise
        return cls.open(path, key, clock, schema)

    @classmethod
    def _create(cls, path: Path, key: bytes, clock: MachineClock, keyring: Keyring, schema: Schema) -> None:
        with (
            appearing(path) as draft,
            faults(path),
            cls(path, clock, connections.connect(draft.path, key, "rw"), keyring, schema) as store,
        ):
            store._connection.execute("PRAGMA journal_mode = WAL")
            store._migrate()
            store.empty_log()  # closing would do it too, but not say where it failed

    @classmethod
    def open(cls, path: Path, key: bytes, clock: MachineClock, schema: Schema = SCHEMA) -> Self:
        """Open a store that exists, bringing its tables up to date.

        Raises StoreMissing, StoreReadOnly, StoreForbidden, WrongKey, StoreCorrupt, StoreTooNew, KeyringMissing or
        KeyringDamaged, all before anything was changed.
        """
        key, ring_key = keys_in_use(path, key)
        with closing(connections.look(path, key)) as seen, reading(path):
            applied = applied_steps(seen)
            moving = [name for (name,) in seen.execute(_WITHOUT_PAGES)]
            shared = [names for (names,) in seen.execute(_SHARED)]
            strange = schema.strange_tables(seen, applied)
            stale = _stale(seen)
        if not applied:
            raise StoreCorrupt(path, "it opens, but is no store of edge-gate")
        if newer := [name for name in applied if name not in schema.known_steps()]:
            raise StoreTooNew(path, newer[-1])
        if applied != schema.known_steps()[: len(applied)]:  # a step seals, signs or vouches for what it finds
            raise StoreCorrupt(path, "the steps that made its tables are not in their order")
        if moving:  # nothing of ours runs by itself or is made up when it is read
            raise StoreCorrupt(path, f"{moving[0]!r} in it is a trigger, a view or a virtual table, and none of ours")
        if shared:
            raise StoreCorrupt(path, f"{shared[0]} in it share their pages")
        if strange:
            raise StoreCorrupt(path, f"its table or index {strange[0]} is not as edge-gate makes it")
        keyring = _keyring(keyring_path(path), ring_key, new=SEALING_STEP not in applied)
        with faults(path):
            store = cls(path, clock, connections.connect(path, key, "rw"), keyring, schema)
        try:
            for table in stale:
                store.run(f"REINDEX {table}")
            store._prepare(migrating=len(applied) < len(schema.known_steps()))
        except BaseException:
            store.close()
            raise
        return store

    def _prepare(self, *, migrating: bool) -> None:
        if migrating:
            with reading(self.path):
                self._migrate()
        if TIME_STEP in self.schema.known_steps():
            with reading(self.path):
                self.clock.resume(self._connection)
        # A power cut may have come between forgetting someone and emptying the log of their old pages.
        with suppress(StoreFull):  # a full disk is told at the first write; what is stored can be read until then
            self.empty_log()

    def _migrate(self) -> None:
        from edge_gate.store.migration import migrate  # here, because sqlite-utils takes 7 MB

        with self.transaction():
            migrate(self._connection, self.schema, self)

    def close(self) -> None:
        """Close the file; the last to close it also empties and removes the write-ahead log."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def now(self) -> datetime:
        """Return the date and time, cut to the milliseconds that the store keeps; never before an earlier one."""
        return datetime.fromisoformat(iso(self.clock.now()))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do what is inside wholly and durably, or not at all.

        The outermost block commits; one inside another is undone alone when it raises. Raises StoreFull,
        StoreReadOnly, StoreCorrupt or StoreError; the store then is as before and may be used again.
        """
        with faults(self.path):
            if self._connection.in_transaction:
                with self._nested():
                    yield
                return
            self._connection.execute("BEGIN IMMEDIATE")  # waits here for another writer, not half-way through
            try:
                yield
                self.clock.keep(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(dbapi2.Error):  # SQLite may have rolled back on its own
                    self._connection.rollback()
                raise

    def keep_time(self) -> None:
        """Write down how far time is. Raises StoreError."""
        with self.transaction():
            pass

    @contextmanager
    def _nested(self) -> Iterator[None]:
        self._connection.execute("SAVEPOINT nested")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:  # SQLite may have rolled back all of it on its own
                self._connection.execute("ROLLBACK TO nested")
                self._connection.execute("RELEASE nested")
            raise
        self._connection.execute("RELEASE nested")

    @property
    def in_transaction(self) -> bool:
        """Whether a block of `transaction` is open."""
        return bool(self._connection.in_transaction)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query, each by column name."""
        with faults(self.path):
            cursor = self._connection.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def insert(self, table: str, row: Mapping[str, Any]) -> int:
        """Add one row and return its rowid."""
        columns, places = ", ".join(f'"{name}"' for name in row), ", ".join("?" * len(row))
        statement = f'INSERT INTO "{table}" ({columns}) VALUES ({places})'  # noqa: S608 - names of ours
        with faults(self.path):
            return int(self._connection.execute(statement, tuple(row.values())).lastrowid)

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement, an UPDATE or DELETE as a rule, and return how many rows it touched."""
        with faults(self.path):
            touched = int(self._connection.execute(sql, values).rowcount)
        if touched > 0 and (named := _TOUCHED.match(sql)):
            self.rewritten[named[1]] += touched
        return touched

    def empty_log(self, *, wait: bool = True) -> bool:
        """Move the write-ahead log into the database and cut it to nothing; not inside a transaction.

        Returns False where somebody is reading the store and did not let go, at once or, to ``wait``, in time: old
        pages then stay in the log until the next call, or the next start.
        """
        patience_ms = self.rows("PRAGMA busy_timeout")[0]["timeout"]
        if not wait:
            self.rows("PRAGMA busy_timeout = 0")
        try:
            emptied = not self.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]["busy"]
        finally:
            self.rows(f"PRAGMA busy_timeout = {patience_ms}")
        if emptied:
            with suppress(OSError):  # SQLite does not wait for the cut itself to reach the disk
                sync(_beside(self.path)[0])
        return emptied

    def check(self) -> list[str]:
        """Return what is wrong with the store, one sentence each; reads every page (for `edge-gate doctor`)."""
        return [*self.unsafe_files(), *problems(self._connection, self.path)]

    def unsafe_files(self) -> Iterator[str]:
        """Yield each file of the store that others may read, as a sentence that says how to mend it."""
        for name in (self.path, self.keyring.path, *_beside(self.path)):
            with suppress(FileNotFoundError):
                if (mode := stat.S_IMODE(name.stat().st_mode)) & 0o077:
                    yield f"{name} can be read by others (mode {mode:04o}). Mend with: chmod 600 {name}"


def _keyring(path: Path, key: bytes, *, new: bool) -> Keyring:
    """Open the keyring; ``new``: make it where it is not there, for a store that was never sealed under one."""
    return Keyring.create(path, key) if new and not is_taken(path) else Keyring.open(path, key)


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in _SIDE_FILES]


def _stale(seen: Any) -> list[str]:
    """Return the tables with an index that does not lead to their rows: what is judged by its rows is looked up there.

    A page that cannot be read is told where it is needed, and by `doctor`.
    """
    with suppress(dbapi2.Error):
        there = {name for (name,) in seen.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return [each for each in sorted(there & _LOOKED_UP) if not _fits(seen, each)]
    return []


def _fits(seen: Any, table: str) -> bool:
    return bool(seen.execute(f"PRAGMA integrity_check({table})").fetchone() == ("ok",))
