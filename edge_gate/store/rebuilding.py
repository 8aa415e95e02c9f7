# SPDX-License-Identifier: Apache-2.0
"""Writes the personal tables anew, a slice at a time, so that no stale copy of a removed row stays in their pages.

    table ─ old tree      its rows are copied to a twin, in slices, each with the number that it has
    twin  ─ new tree
                          the two exchange their trees, in the transaction that copies the last rows
    table ─ new tree      its indexes, which fit as before, are written anew one after the other
    twin  ─ old tree      is emptied in slices and dropped; pages that are freed are zeroed whole (`secure_delete`)

Each slice is a transaction after which the table is whole, so others may read and write between two of them. What is
added goes behind the rows that were copied. Where rows were changed or removed meanwhile, the copy begins again.

A power cut leaves the mark (`require`), by which the next start writes everything anew (people/sweep.py), and perhaps a
twin, which then goes first. Only who holds the store alone may do this (lock.py).

Why not one statement for each table: with 10,000 residents that kept the door waiting for 2.7 s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from edge_gate.store.rows import Rows
from edge_gate.store.schema import TWIN, Schema

# 5 to 15 ms on the machine that edge-gate is built on.
SLICE_ROWS: Final = 500
CHANGED_ROWS: Final = 100
# A table whose rows change all the time is copied in one slice at last.
MOST_BEGINNINGS: Final = 5
MOST_MARKS: Final = 2**31 - 2


Change = Callable[[dict[str, Any]], dict[str, Any]]


class Rewritable(Rows, Protocol):
    """A store whose tables are written anew. ``rewritten``: how many rows of each table were touched so far."""

    schema: Schema
    rewritten: Counter[str]

    def transaction(self) -> AbstractContextManager[None]:
        """Return a block that is written wholly or not at all."""


# Copies rows of a table to its twin: (store, table, columns, behind this row, so many at most) to how many.
Copy = Callable[[Rewritable, str, Sequence[str], int, int], int]


def require(store: Rewritable) -> None:
    """Mark, in the transaction that removes rows, that the personal tables have to be written anew.

    Each mark is another one, so that who writes anew sees that more was removed meanwhile. SQLite keeps 32 bits of it.
    """
    mark = _mark(store)
    store.run(f"PRAGMA user_version = {mark + 1 if 0 <= mark < MOST_MARKS else 1}")


def at_once(store: Rewritable) -> None:
    """Write them anew if that is required; not inside a transaction."""
    for _ in slices(store):
        pass


def slices(store: Rewritable) -> Iterator[None]:
    """Write them anew if that is required, a slice at each step; no transaction may be open at a step.

    Raises StoreError where the disk does not take it. It is required still then. What `replaced` was cut off in goes.
    """
    wanted = _mark(store)
    for table in reversed(store.schema.personal):  # what refers to a table goes before it
        if table.rebuilt:
            yield from _renewed(store, table.name) if wanted else _dropped(store, _twin(table.name))
    if not wanted:
        return
    with store.transaction():
        if _mark(store) == wanted:  # otherwise more was removed meanwhile, perhaps from a table that was done by then
            store.run("PRAGMA user_version = 0")


def replaced(
    store: Rewritable, table: str, change: Change, together: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Change each row of a table, all or none, a slice at each step.

    ``change(row)`` returns the row to write; it may be asked for the same row twice. ``together()`` is called in the
    transaction in which all changes come to hold; where it raises, none does. It is for the caller to `require` that
    what the old rows leave is written anew.
    """
    yield from _filled(store, table, _copy_changed(change), CHANGED_ROWS, together)


def _mark(store: Rewritable) -> int:
    return int(store.rows("PRAGMA user_version")[0]["user_version"])


def _renewed(store: Rewritable, table: str) -> Iterator[None]:
    yield from _filled(store, table, _copy, SLICE_ROWS, lambda: None)
    for index in store.rows("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ?", (table,)):
        with store.transaction():
            store.run(f'REINDEX "{index["name"]}"')
        yield
    yield from _dropped(store, _twin(table))


def _twin(table: str) -> str:
    return f"{table}{TWIN}"


def _filled(store: Rewritable, table: str, copy: Copy, rows: int, together: Callable[[], None]) -> Iterator[None]:
    """Fill a table's twin, in slices of so many ``rows``, and exchange the two."""
    for most in (*(rows,) * MOST_BEGINNINGS, -1):
        yield from _dropped(store, _twin(table))
        if (yield from _attempted(store, table, copy, most, together)):
            return


def _attempted(
    store: Rewritable, table: str, copy: Copy, most: int, together: Callable[[], None]
) -> Generator[None, None, bool]:
    """Do so once. Returns False where rows were changed or removed meanwhile."""
    columns = _columns(store, table)
    with store.transaction():
        store.run(f"CREATE TABLE {_twin(table)} ({columns.made}) STRICT")
    last, seen = 0, _state(store, table)
    while True:
        yield
        with store.transaction():
            if _state(store, table) != seen:
                return False
            copied = copy(store, table, columns.names, last, most)
            if over := most < 0 or copied < most:
                together()
                _exchange(store, table, _twin(table))
        if over:
            return True
        (end,) = store.rows(f"SELECT max(rowid) AS row FROM {_twin(table)}")  # noqa: S608 - declared
        last, seen = end["row"], _state(store, table)


def _state(store: Rewritable, table: str) -> tuple[int, int]:
    """Return what differs once rows of this table were changed or removed: here, or by whatever another connection
    did to the store. Nobody else should write to it, but a copy that missed a change would lose rows."""
    return store.rewritten[table], store.rows("PRAGMA data_version")[0]["data_version"]


@dataclass(frozen=True, slots=True)
class _Columns:
    """A table's columns: their names, and how a twin is made with them."""

    names: tuple[str, ...]
    made: str


def _columns(store: Rewritable, table: str) -> _Columns:
    found = store.rows("SELECT name, type, pk FROM pragma_table_info(?)", (table,))
    # A column that is the row's number itself stays that; other keys are for the table's own indexes.
    number = [each["name"] for each in found if each["pk"]] if sum(each["pk"] for each in found) == 1 else []
    made = (
        f"{each['name']} {each['type']}"
        + (" PRIMARY KEY" if number == [each["name"]] and each["type"] == "INTEGER" else "")
        for each in found
    )
    return _Columns(tuple(each["name"] for each in found), ", ".join(made))


def _copy(store: Rewritable, table: str, names: Sequence[str], last: int, most: int) -> int:
    """Copy at most so many rows behind the number ``last``; -1 is all of them. Returns how many there were."""
    each = ", ".join(names)
    return store.run(
        f"INSERT INTO {_twin(table)} (rowid, {each}) SELECT rowid, {each} FROM {table}"  # noqa: S608 - declared
        " WHERE rowid > ? ORDER BY rowid LIMIT ?",
        (last, most),
    )


def _copy_changed(change: Change) -> Copy:
    def copy(store: Rewritable, table: str, names: Sequence[str], last: int, most: int) -> int:
        each, places = ", ".join(names), ", ".join("?" for _ in names)
        found = f"SELECT rowid AS row_number, {each} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"  # noqa: S608
        rows = store.rows(found, (last, most))
        for row in rows:
            number, new = row["row_number"], change({name: row[name] for name in names})
            put = f"INSERT INTO {_twin(table)} (rowid, {each}) VALUES (?, {places})"  # noqa: S608 - declared
            store.run(put, (number, *(new[name] for name in names)))
        return len(rows)

    return copy


def _exchange(store: Rewritable, table: str, twin: str) -> None:
    """Give each of two tables the other's tree of pages. Both have the same columns."""
    found = store.rows("SELECT name, rootpage FROM sqlite_master WHERE name IN (?, ?)", (table, twin))
    roots = {each["name"]: each["rootpage"] for each in found}
    version = store.rows("PRAGMA schema_version")[0]["schema_version"]
    store.run("PRAGMA writable_schema = ON")
    try:
        for name, other in ((table, twin), (twin, table)):
            store.run("UPDATE sqlite_master SET rootpage = ? WHERE name = ?", (roots[other], name))
        store.run(f"PRAGMA schema_version = {version + 1}")  # so that every connection reads the schema again
    finally:
        store.run("PRAGMA writable_schema = RESET")


def _dropped(store: Rewritable, twin: str) -> Iterator[None]:
    """Empty a twin, if there is one, and drop it. Somebody else may be quicker: it is looked for at each step."""
    some = f"SELECT rowid FROM {twin} ORDER BY rowid LIMIT {SLICE_ROWS}"  # noqa: S608 - declared
    while store.rows("SELECT 1 FROM sqlite_master WHERE name = ?", (twin,)):
        if store.run(f"DELETE FROM {twin} WHERE rowid IN ({some})") < SLICE_ROWS:  # noqa: S608 - declared
            with store.transaction():
                store.run(f"DROP TABLE {twin}")
        yield
