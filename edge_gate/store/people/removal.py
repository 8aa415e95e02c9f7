# SPDX-License-Identifier: Apache-2.0
"""Removes what the database holds of a resident, as each personal table declares it (edge_gate/spec).

The resident's data key is destroyed before (residents.forget, consent.withdraw), so that no copy of the database opens
a template. A table that is declared needs nothing here, nor anywhere else in the store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from edge_gate.core.clock import iso
from edge_gate.spec.model import Act, Fate, PersonalTable
from edge_gate.store import event_chain, rebuilding
from edge_gate.store.database import Store
from edge_gate.store.schema import FORGOTTEN

# So many rows are looked at in one step: 10 to 20 ms on the machine that edge-gate is built on.
SLICE_ROWS: Final = 2000


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of a resident's rows.

    ``figures``: how many were deleted, marked or blanked, by the figure that their table declares. ``traces_left``:
    whether old pages are left, because they were not written anew yet (rebuilding.py) or see `Store.empty_log`.
    ``at_least``: an earlier attempt was cut off, which may have blanked some rows already.
    """

    act: Act
    resident_id: str
    figures: Mapping[str, int]
    traces_left: bool
    at_least: bool = False


def take_out(
    store: Store, act: Act, resident_id: str, names: Sequence[str] = (), record: Callable[[], object] = lambda: None
) -> Removed:
    """Do all `slices` at once."""
    return at_once(slices(store, act, resident_id, names, record))


def at_once(steps: Generator[None, None, Removed]) -> Removed:
    """Do what is done in steps, and return what came of it."""
    while True:
        try:
            next(steps)
        except StopIteration as over:
            removed: Removed = over.value
            return removed


def slices(
    store: Store,
    act: Act,
    resident_id: str,
    names: Sequence[str] = (),
    record: Callable[[], object] = lambda: None,
    *,
    mark: bool = True,
) -> Generator[None, None, Removed]:
    """Remove, mark or blank the rows of a resident whose data key is destroyed already, a slice at each step.

    Rows that are only blanked come first, for they may be many. All else is one transaction, the last step; until then
    a power cut leaves the resident to `sweep.sweep`. ``names`` are looked for, like the identifier, in what blanked
    rows say of others. ``record()`` writes down who asked for it, in that transaction. Without ``mark`` no row is
    marked. Traces are left.
    """
    blanked = {table: _Blanking(table, resident_id, names) for table in _blanked(store, act)}
    for each in blanked.values():
        while each.some(store):
            yield
    with store.transaction():
        # What refers to a table goes before it.
        touched = {table: _apply(store, table, act, resident_id, mark) for table in reversed(store.schema.personal)}
        for table, each in blanked.items():
            each.rest(store)  # what was written since
            touched[table] = each.count
        record()
        rebuilding.require(store)
    figures = {table.figure: count for table, count in reversed(touched.items()) if table.figure and _told(table, act)}
    return Removed(act, resident_id, figures, traces_left=True)


def without_traces(store: Store, removed: Removed) -> Removed:
    """Write anew at once what has old copies of the rows, and tell whether all of them are gone."""
    rebuilding.at_once(store)
    return replace(removed, traces_left=not store.empty_log())


def would_change(store: Store, act: Act, resident_id: str) -> bool:
    """Tell whether the act would delete, mark or blank any row of this resident."""
    conditions = ((table, table.not_ended(act)) for table in store.schema.personal)
    return any(
        store.rows(f"SELECT 1 FROM {table.name} WHERE {theirs} LIMIT 1", (resident_id,))  # noqa: S608 - declared
        for table, theirs in conditions
        if theirs is not None
    )


def _told(table: PersonalTable, act: Act) -> bool:
    return table.fate(act) is not Fate.KEPT


def _blanked(store: Store, act: Act) -> list[PersonalTable]:
    return [table for table in reversed(store.schema.personal) if table.fate(act) is Fate.BLANKED]


def _apply(store: Store, table: PersonalTable, act: Act, resident_id: str, mark: bool) -> int:
    """Give a resident's rows their fate, and return how many there were."""
    theirs = table.not_ended(act)
    match table.fate(act):
        case Fate.DELETED:
            return store.run(f"DELETE FROM {table.name} WHERE {theirs}", (resident_id,))  # noqa: S608 - declared
        case Fate.MARKED if mark:
            marking = f"UPDATE {table.name} SET {table.mark} = ? WHERE {theirs}"  # noqa: S608 - declared
            return store.run(marking, (iso(store.now()), resident_id))
        case _:
            return 0


class _Blanking:
    """Blanks the rows of a resident, and those of others that name them: every row has to be looked at. None grows."""

    def __init__(self, table: PersonalTable, resident_id: str, names: Sequence[str]) -> None:
        self.count = 0
        """How many rows were blanked so far."""
        self._table = table.name
        self._last = 0
        # As a value of the object, not as one of its keys: somebody's name may be "operator".
        named = [each for text in (*names, resident_id) for each in (json.dumps(text), text)]
        blanks = "".join(f", {column} = '{{}}'" for column in table.cleared)
        said = "instr({0}, ?) AND (NOT json_valid({0}) OR EXISTS (SELECT 1 FROM json_tree({0}) WHERE atom = ?))"
        tests = [said.format(column) for column in table.cleared for _ in (*names, resident_id)]
        where = " OR ".join([f"{table.column} = ?", *tests])
        owner = f"{table.column} = iif({table.column} = ?, ?, {table.column})"
        self._where = f"rowid > ? AND rowid <= ? AND ({where})"
        self._sql = f"UPDATE {table.name} SET {owner}{blanks} WHERE {self._where}"  # noqa: S608
        self._chained = table.chained
        self._owner, self._named = (resident_id, FORGOTTEN), (resident_id, *(named * len(table.cleared)))

    def some(self, store: Store) -> bool:
        """Look at some rows. Returns whether there were that many."""
        some = f"SELECT rowid AS row FROM {self._table} WHERE rowid > ? ORDER BY rowid LIMIT ?"  # noqa: S608 - declared
        (seen,) = store.rows(f"SELECT count(*) AS n, max(row) AS last FROM ({some})", (self._last, SLICE_ROWS))  # noqa: S608
        if seen["n"]:
            self._look(store, seen["last"])
        return bool(seen["n"] == SLICE_ROWS)

    def rest(self, store: Store) -> None:
        """Look at all rows that are left."""
        self._look(store, 2**63 - 1)

    def _look(self, store: Store, end: int) -> None:
        with store.transaction():
            if self._chained:
                event_chain.redact(store, self._where, (self._last, end, *self._named), self._owner[0])
            self.count += store.run(self._sql, (*self._owner, self._last, end, *self._named))
        self._last = end


def residents_in(store: Store) -> set[str]:
    """Return the identifiers that the rebuilt personal tables have, also of residents who have no row of their own."""
    found: set[str] = set()
    for table in store.schema.personal:
        if table.column and table.rebuilt:
            rows = store.rows(f"SELECT DISTINCT {table.column} AS id FROM {table.name}")  # noqa: S608 - declared
            found |= {row["id"] for row in rows}
    return found
