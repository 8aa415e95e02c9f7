# SPDX-License-Identifier: Apache-2.0
"""Consent: who agreed to be recognised, to what purpose, until when, and which operator wrote it down.

Without a valid consent nothing biometric is stored or compared (GDPR, articles 7 and 9(2)(a)).
"""

from __future__ import annotations

import enum
import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from edge_gate.core.clock import iso
from edge_gate.core.errors import EnrolmentFailed, ResidentUnknown, TimeDoubtful
from edge_gate.spec.model import Act
from edge_gate.store.database import Store
from edge_gate.store.faults import reading
from edge_gate.store.people import removal, vouching
from edge_gate.store.people.removal import Removed


class State(enum.StrEnum):
    """What a resident's consents amount to at a moment."""

    MISSING = "missing"
    VALID = "valid"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Consent:
    """One act of consent. It holds while ``until`` has not come and it was not withdrawn."""

    id: str
    resident_id: str
    purpose: str
    given_by: str
    given_at: datetime
    until: datetime
    operator: str
    withdrawn_at: datetime | None = None

    def state(self, at: datetime) -> State:
        """Return VALID, EXPIRED or WITHDRAWN."""
        if self.withdrawn_at is not None:
            return State.WITHDRAWN
        return State.VALID if at < self.until else State.EXPIRED


def record(store: Store, resident_id: str, *, purpose: str, given_by: str, until: datetime, operator: str) -> Consent:
    """Write down a consent given now. It replaces none: a resident may have several, and one valid is enough.

    Raises ResidentUnknown, EnrolmentFailed where it would have ended already, or TimeDoubtful.
    """
    if fault := store.clock.fault:
        raise TimeDoubtful(fault)
    now = store.now()
    if until <= now:
        raise EnrolmentFailed("the consent would have ended already")
    given = Consent(str(uuid.uuid4()), resident_id, purpose, given_by, now, until, operator)
    row = asdict(given) | {"given_at": iso(now), "until": iso(until)}
    with store.transaction():
        if not store.rows("SELECT 1 FROM resident WHERE id = ?", (resident_id,)):
            raise ResidentUnknown(resident_id)
        vouch = vouching.again(store, resident_id)
        store.insert("consent", row)
        vouch()
    return replace(given, until=datetime.fromisoformat(row["until"]))


def valid(store: Store, resident_id: str, at: datetime) -> Consent | None:
    """Return the resident's valid consent that lasts longest, or None."""
    rows = store.rows(
        "SELECT * FROM consent WHERE resident_id = ? AND withdrawn_at IS NULL AND until > ?"
        " ORDER BY until DESC LIMIT 1",
        (resident_id, iso(at)),
    )
    with reading(store.path):
        return _consent(rows[0]) if rows else None


def withdraw(store: Store, resident_id: str, *, record: Callable[[], object] = lambda: None) -> Removed:
    """End the resident's consents, as `end` does, and leave no trace of what went. Not inside another transaction."""
    return removal.without_traces(store, end(store, resident_id, record=record))


def end(store: Store, resident_id: str, *, record: Callable[[], object] = lambda: None) -> Removed:
    """End the resident's consents and remove what goes with them, such as templates. The resident stays known.

    Their data key goes first, so that no backup brings a template back. ``record()`` writes down who asked for it, in
    the transaction that follows. Traces are left. Not inside another transaction.
    """
    store.keyring.destroy(resident_id, forgotten=False)

    def changed() -> None:
        vouching.vouch(store, resident_id)  # whoever was in doubt is no more: nothing of them opens
        record()

    return removal.take_out(store, Act.WITHDRAWAL, resident_id, record=changed)


def erase_expired(store: Store, resident_id: str, *, record: Callable[[], object] = lambda: None) -> None:
    """Remove what a withdrawal removes of somebody whose consents have ended, but mark none as withdrawn.

    As in `end` their data key goes first, and traces are left. Not inside another transaction.
    """
    vouch = vouching.again(store, resident_id)
    store.keyring.destroy(resident_id, forgotten=False)

    def changed() -> None:
        vouch()
        record()

    removal.at_once(removal.slices(store, Act.WITHDRAWAL, resident_id, record=changed, mark=False))


def expired(store: Store, before: datetime) -> list[str]:
    """Return residents who have a template, though the last of their consents had ended by that moment."""
    rows = store.rows(
        "SELECT DISTINCT resident_id FROM template WHERE NOT EXISTS (SELECT 1 FROM consent"
        " WHERE consent.resident_id = template.resident_id AND withdrawn_at IS NULL AND until > ?)"
        " ORDER BY resident_id",
        (iso(before),),
    )
    return [row["resident_id"] for row in rows]


def can_withdraw(store: Store, resident_id: str) -> bool:
    """Tell whether a withdrawal would end anything: a consent, a template, or a key that opens a copy of one."""
    has_key = store.keyring.data_key(resident_id) is not None
    return has_key or removal.would_change(store, Act.WITHDRAWAL, resident_id)


def everyones(store: Store) -> dict[str, list[Consent]]:
    """Return each resident's consents by resident id, oldest first."""
    return _by_resident(store, "true")


def of_these(store: Store, resident_ids: Iterable[str]) -> dict[str, list[Consent]]:
    """Return the consents of these residents by resident id, oldest first."""
    chosen = "resident_id IN (SELECT value FROM json_each(?))"
    return _by_resident(store, chosen, (json.dumps(list(resident_ids)),))


def _by_resident(store: Store, where: str, values: tuple[str, ...] = ()) -> dict[str, list[Consent]]:
    found: dict[str, list[Consent]] = {}
    with reading(store.path):
        for row in store.rows(f"SELECT * FROM consent WHERE {where} ORDER BY given_at, rowid", values):  # noqa: S608
            found.setdefault(row["resident_id"], []).append(_consent(row))
    return found


def decisive(consents: Iterable[Consent], at: datetime) -> Consent | None:
    """Return the one that speaks for the resident: a valid one if there is any, else the latest."""
    ordered = list(consents)
    current = [each for each in ordered if each.state(at) is State.VALID]
    return max(current, key=lambda each: each.until) if current else (ordered[-1] if ordered else None)


def _consent(row: dict[str, Any]) -> Consent:
    moments = {name: row[name] and datetime.fromisoformat(row[name]) for name in ("given_at", "until", "withdrawn_at")}
    return Consent(**(row | moments))
