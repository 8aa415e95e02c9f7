# SPDX-License-Identifier: Apache-2.0
"""Residents: a name and a random identifier that everything else refers to."""

from __future__ import annotations

import json
import unicodedata
import uuid
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge_gate.core.clock import iso
from edge_gate.core.errors import NameAlike, NameTaken, ResidentUnknown
from edge_gate.rules.naming import kept_name, lookalike, normal
from edge_gate.spec.model import Act
from edge_gate.store.database import Store
from edge_gate.store.faults import reading
from edge_gate.store.people import consent, removal, vouching
from edge_gate.store.people.removal import Removed


@dataclass(frozen=True, slots=True)
class Resident:
    """One person. The identifier is random and stable; the name is in Unicode's form NFC."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ResidentStatus:
    """A resident as a list shows them: what their consent amounts to, until when, and whether they can be compared."""

    resident: Resident
    consent: consent.State
    until: datetime | None
    has_template: bool


def add(store: Store, name: str) -> Resident:
    """Add a resident. Raises NameUnfit or NameTaken; for names that only look alike see `refuse_alike`."""
    name = kept_name(name)
    with store.transaction():
        _refuse_taken(store, name)
        resident = Resident(str(uuid.uuid4()), name, store.now())
        store.insert("resident", {"id": resident.id, "name": name, "created_at": iso(resident.created_at)})
        vouching.vouch(store, resident.id)
    return resident


def find(store: Store, name_or_id: str) -> Resident:
    """Return the resident with this identifier or, failing that, this name. Raises ResidentUnknown."""
    wanted, kept = unicodedata.normalize("NFC", name_or_id).strip(), normal(name_or_id)
    if any(unicodedata.category(character) == "Cs" for character in wanted):  # an argument that is not UTF-8
        raise ResidentUnknown(name_or_id)
    found = store.rows(
        "SELECT * FROM resident WHERE id = ? OR name IN (?, ?) ORDER BY id = ? DESC, name = ? DESC LIMIT 1",
        (wanted, wanted, kept, wanted, wanted),  # a name of before the rule may be kept otherwise
    )
    if not found:
        raise ResidentUnknown(name_or_id)
    with reading(store.path):
        return _resident(found[0])


def everyone(store: Store, model_id: bytes, at: datetime) -> list[ResidentStatus]:
    """Return all residents by name, with what their consent amounts to at that moment and whether there is a template
    for this model."""
    return page(store, model_id, at, limit=-1)


def page(store: Store, model_id: bytes, at: datetime, *, after: str = "", limit: int) -> list[ResidentStatus]:
    """Return at most ``limit`` residents behind the name ``after``, as `everyone` does; -1 is all of them."""
    rows = store.rows(
        "SELECT resident.*, template.rowid IS NOT NULL AS enrolled FROM resident"
        " LEFT JOIN template ON template.resident_id = resident.id AND model_id = ?"
        " WHERE name > ? ORDER BY name LIMIT ?",
        (model_id, after, limit),
    )
    given = consent.of_these(store, [row["id"] for row in rows]) if limit >= 0 else consent.everyones(store)
    with reading(store.path):
        return [_standing(row, consent.decisive(given.get(row["id"], ()), at), at) for row in rows]


def forget(store: Store, name_or_id: str, *, record: Callable[[], object] = lambda: None) -> Removed:
    """Take a resident out, as `take_out` does, and leave no trace. Not inside another transaction."""
    return removal.without_traces(store, take_out(store, name_or_id, record=record))


def take_out(store: Store, name_or_id: str, *, record: Callable[[], object] = lambda: None) -> Removed:
    """Do at once what the gate does in slices: `bury`, then ``record()`` who asked for it, then `taking_out`.

    Raises ResidentUnknown, or StoreError where the key is gone but the rows could not be removed yet.
    """
    resident = find(store, name_or_id)
    bury(store, resident)
    record()
    return removal.at_once(taking_out(store, resident))


def bury(store: Store, resident: Resident) -> bool:
    """Destroy a resident's data key and leave a tombstone: one durable step, after which nothing brings them back.

    What comes next is `taking_out`. A power cut between the two leaves rows that do not open, for `sweep.sweep`.
    Returns whether there was a tombstone already: of an attempt whose rows could not be removed.
    """
    again = store.keyring.buried(resident.id)
    store.keyring.destroy(resident.id, forgotten=True)
    return again


def taking_out(store: Store, resident: Resident) -> Generator[None, None, Removed]:
    """Remove what each personal table has of a buried resident, a slice at each step (removal.slices).

    Events stay, as the gate's history, with FORGOTTEN for the resident and an empty detail. So do those of others whose
    detail names them. The audit log keeps its rows, and loses what leads from them to the resident (audit/log.py).
    Raises ResidentUnknown where somebody else was quicker.
    """
    find(store, resident.id)
    return (yield from removal.slices(store, Act.FORGETTING, resident.id, (resident.name,)))


def anybody(store: Store) -> bool:
    """Tell whether there is any resident."""
    return bool(store.rows("SELECT 1 FROM resident LIMIT 1"))


def everyone_known(store: Store) -> list[Resident]:
    """Return all residents, whatever their consent."""
    with reading(store.path):
        return [_resident(row) for row in store.rows("SELECT * FROM resident ORDER BY id")]


def names(store: Store, resident_ids: Iterable[str]) -> dict[str, str]:
    """Return the name of each of these residents that is known, by identifier."""
    chosen = "SELECT id, name FROM resident WHERE id IN (SELECT value FROM json_each(?))"
    return {row["id"]: row["name"] for row in store.rows(chosen, (json.dumps(list(resident_ids)),))}


def refuse_alike(store: Store, name: str) -> None:
    """Raise NameTaken where a resident has this name, NameAlike where one has a name that looks like it.

    All names are looked at, which takes some milliseconds for each thousand.
    """
    _refuse_taken(store, name)
    listed = store.rows("SELECT group_concat(name, char(10)) AS names FROM resident")[0]["names"]
    if (alike := lookalike(name, listed or "")) is not None:
        raise NameAlike(name, alike)


def _refuse_taken(store: Store, name: str) -> None:
    if store.rows("SELECT 1 FROM resident WHERE name = ?", (name,)):
        raise NameTaken(name)


def _resident(row: dict[str, Any]) -> Resident:
    return Resident(row["id"], row["name"], datetime.fromisoformat(row["created_at"]))


def _standing(row: dict[str, Any], spoken: consent.Consent | None, at: datetime) -> ResidentStatus:
    state = spoken.state(at) if spoken else consent.State.MISSING
    return ResidentStatus(_resident(row), state, spoken.until if spoken else None, bool(row["enrolled"]))
