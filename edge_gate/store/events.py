# SPDX-License-Identifier: Apache-2.0
"""Events: what happened at the gate, written before it happens, and how it ended.

An event is never changed but by forgetting (schema.py). It names people by identifier alone: neither ``kind`` nor
``detail`` is a place for a name.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from edge_gate.core.clock import iso
from edge_gate.core.errors import OutcomeNotAwaited, StoreError
from edge_gate.spec.model import FAILED, INTERRUPTED, Ending
from edge_gate.spec.registry import EVENTS, check_event_kind, told_as
from edge_gate.store import event_chain
from edge_gate.store.database import Store
from edge_gate.store.faults import reading

LONGEST_DETAIL_BYTES: Final = 1024

_EVENTS: Final = (
    "SELECT event.seq, id, event.at, kind, resident_id, score, detail, outcome, outcome.at AS outcome_at"
    " FROM event LEFT JOIN outcome ON outcome.event_seq = event.seq WHERE "
)

# What `Ending.of` says, in SQL.
_FAILED: Final = f"(outcome = '{INTERRUPTED}' OR substr(outcome, 1, {len(FAILED)}) = '{FAILED}')"
_ENDED: Final = {
    Ending.AWAITED: "outcome IS NULL",
    Ending.FAILED: _FAILED,
    Ending.DONE: f"outcome IS NOT NULL AND NOT {_FAILED}",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``seq`` orders events even where the clock jumped; ``id`` is random and stable, also off the device.

    ``resident_id`` is None where nobody was recognised, schema.FORGOTTEN where that person has been forgotten since.
    ``outcome`` is None while it is awaited, and for events that are complete in themselves.
    """

    seq: int
    id: str
    at: datetime
    kind: str
    resident_id: str | None = None
    score: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    outcome: str | None = None
    outcome_at: datetime | None = None

    @property
    def told_as(self) -> str:
        """The name for people and scripts: an opening that failed is none."""
        return told_as(self.kind, self.outcome)


def append(
    store: Store,
    kind: str,
    *,
    resident_id: str | None = None,
    score: float | None = None,
    detail: Mapping[str, Any] | None = None,
    awaited: bool = False,
) -> Event:
    """Write an event down; it is on the disk when this returns. ``awaited``: `finish` will say how it ended.

    Raises StoreFull, StoreReadOnly, StoreCorrupt or StoreError; then there is no such event, and what it announces
    must not be done. Raises ValueError for a kind that no capability declares: that is a fault of the program.
    """
    if kind not in EVENTS or EVENTS[kind].written_as:
        raise ValueError(f"no capability declares a kind of event named {kind!r} (edge_gate/spec)")
    if awaited and not EVENTS[kind].awaited:
        raise ValueError(f"no outcome follows an event named {kind!r} (edge_gate/spec)")
    if score is not None and not EVENTS[kind].scored:
        raise ValueError(f"an event named {kind!r} has no score (edge_gate/spec)")
    written = json.dumps(detail or {}, allow_nan=False, separators=(",", ":"))
    if len(written) > LONGEST_DETAIL_BYTES:
        raise StoreError(store.path, f"the detail of an event is longer than {LONGEST_DETAIL_BYTES} bytes")
    if score is not None and math.isnan(score):  # SQLite has no NaN either
        score = None
    event_id, now = str(uuid.uuid4()), store.now()
    row = {"id": event_id, "at": iso(now), "kind": kind, "resident_id": resident_id, "score": score, "detail": written}
    with store.transaction():
        seq = store.insert("event", event_chain.chained(store, row, awaited=awaited))
        if awaited:
            store.insert("outcome", {"event_seq": seq})
    return Event(seq, event_id, now, kind, resident_id, score, json.loads(written))


def finish(store: Store, event_id: str, outcome: str) -> None:
    """Write down how an awaited event ended; durable when this returns. Raises OutcomeNotAwaited, or StoreError."""
    at = iso(store.now())
    with store.transaction():
        changed = store.run(
            "UPDATE outcome SET outcome = ?, at = ?, code = ? WHERE outcome IS NULL"
            " AND event_seq = (SELECT seq FROM event WHERE id = ?)",
            (outcome, at, event_chain.code_of_outcome(store, event_id, outcome, at), event_id),
        )
        if not changed:
            raise OutcomeNotAwaited(store.path, event_id)


def recent(
    store: Store,
    *,
    since: datetime | None = None,
    kind: str | None = None,
    resident_id: str | None = None,
    limit: int = 100,
) -> list[Event]:
    """Return the newest events first, at most ``limit``, of those that pass every filter given.

    ``kind`` is what they are told as. Raises UnknownEventKind.
    """
    filters = {
        "event.at >= ?": iso(since) if since else None,
        "kind = ?": None if kind is None else _written_as(kind),
        "resident_id = ?": resident_id,
    }
    chosen = {condition: value for condition, value in filters.items() if value is not None}
    where = " AND ".join([*chosen, *_with_ending(kind)]) or "true"
    return _select(store, f"{where} ORDER BY seq DESC LIMIT ?", (*chosen.values(), limit))


def _written_as(kind: str) -> str:
    check_event_kind(kind)
    return EVENTS[kind].written_as or kind


def _with_ending(kind: str | None) -> list[str]:
    """Return the condition of the outcome, where a kind is told under other names with other outcomes."""
    if kind is None or not (EVENTS[kind].written_as or any(each.written_as == kind for each in EVENTS.values())):
        return []
    return [_ENDED[EVENTS[kind].ending]]


def unfinished(store: Store) -> list[Event]:
    """Return the events whose outcome is still awaited, oldest first: after a start, those a crash cut off."""
    return _select(store, "event.seq IN (SELECT event_seq FROM outcome WHERE outcome IS NULL) ORDER BY seq")


def _select(store: Store, where: str, values: Sequence[Any] = ()) -> list[Event]:
    with reading(store.path):
        return [_event(row) for row in store.rows(_EVENTS + where, values)]


def _event(row: dict[str, Any]) -> Event:
    ended = row["outcome_at"] and datetime.fromisoformat(row["outcome_at"])
    detail = json.loads(row["detail"])
    if not isinstance(detail, dict):
        raise TypeError("the detail of an event is no object")
    read = {"at": datetime.fromisoformat(row["at"]), "outcome_at": ended, "detail": detail}
    return Event(**(row | read))
