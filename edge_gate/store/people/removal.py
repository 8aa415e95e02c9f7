# SPDX-License-Identifier: Apache-2.0
"""Removes what the database holds of a resident, as each personal table declares it (edge_gate/spec).

The resident's data key is destroyed before (residents.forget, consent.withdraw), so that no copy of the database opens
a template. A table that is declared needs nothing here, nor anywhere else in the store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edge_gate.core.clock import iso
from edge_gate.spec.model import Act, Fate, PersonalTable
from edge_gate.store.database import Store
from edge_gate.store.schema import FORGOTTEN


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of a resident's rows.

    ``figures``: how many were deleted, marked or blanked, by the figure that their table declares. ``traces_left``:
    see `Store.empty_log`.
    """

    act: Act
    resident_id: str
    figures: Mapping[str, int]
    traces_left: bool


def remove(
    store: Store, act: Act, resident_id: str, names: Sequence[str] = (), record: Callable[[], object] = lambda: None
) -> Removed:
    """Remove, mark or blank the rows of a resident whose data key is destroyed already.

    ``names`` are looked for, like the identifier, in what blanked rows say of others. ``record()`` writes down who
    asked for it, in the same transaction. Not inside another transaction.
    """
    with store.transaction():
        record()
        # What refers to a table goes before it.
        touched = [(table, _apply(store, table, act, resident_id, names)) for table in reversed(store.schema.personal)]
        store.rebuild_personal_tables()
    figures = {table.figure: count for table, count in reversed(touched) if table.figure and _told(table, act)}
    return Removed(act, resident_id, figures, traces_left=not store.empty_log())


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


def _apply(store: Store, table: PersonalTable, act: Act, resident_id: str, names: Sequence[str]) -> int:
    """Give a resident's rows their fate, and return how many there were."""
    match table.fate(act):
        case Fate.DELETED:
            return store.run(f"DELETE FROM {table.name} WHERE {table.column} = ?", (resident_id,))  # noqa: S608 - declared
        case Fate.MARKED:
            return _mark(store, table, resident_id)
        case Fate.BLANKED:
            return _blank(store, table, resident_id, names)
        case Fate.KEPT:
            return 0


def _mark(store: Store, table: PersonalTable, resident_id: str) -> int:
    unmarked = f"{table.column} = ? AND {table.mark} IS NULL"
    values = (iso(store.now()), resident_id)
    return store.run(f"UPDATE {table.name} SET {table.mark} = ? WHERE {unmarked}", values)  # noqa: S608 - declared


def _blank(store: Store, table: PersonalTable, resident_id: str, names: Sequence[str]) -> int:
    """Blank the rows of a resident, and those of others that name them. No row grows."""
    named = [json.dumps(text) for text in (*names, resident_id)]
    blanks = "".join(f", {column} = '{{}}'" for column in table.cleared)
    tests = [f"instr({column}, ?)" for column in table.cleared for _ in named]
    where = " OR ".join([f"{table.column} = ?", *tests])
    owner = f"{table.column} = iif({table.column} = ?, ?, {table.column})"
    values = (resident_id, FORGOTTEN, resident_id, *(named * len(table.cleared)))
    return store.run(f"UPDATE {table.name} SET {owner}{blanks} WHERE {where}", values)  # noqa: S608 - declared


def residents_in(store: Store) -> set[str]:
    """Return the identifiers that the rebuilt personal tables have, also of residents who have no row of their own."""
    found: set[str] = set()
    for table in store.schema.personal:
        if table.column and table.rebuilt:
            rows = store.rows(f"SELECT DISTINCT {table.column} AS id FROM {table.name}")  # noqa: S608 - declared
            found |= {row["id"] for row in rows}
    return found
