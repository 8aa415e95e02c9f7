# SPDX-License-Identifier: Apache-2.0
"""`events`: what happened at the door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_gate.core.clock import iso
from edge_gate.core.errors import WireError
from edge_gate.gate.control.requests import Handler, Request
from edge_gate.rules.naming import FORGOTTEN_SHOWN
from edge_gate.store import events
from edge_gate.store.database import Store
from edge_gate.store.people import residents
from edge_gate.store.schema import FORGOTTEN


class EventVerbs:
    """Serves it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.handlers: Mapping[str, Handler] = {"events": self._list}

    def _list(self, request: Request) -> None:
        limit = request.number("limit", 20, 1, 500)
        kind = request.fields.get("kind")
        if kind is not None and not isinstance(kind, str):
            raise WireError("control", "kind is text")
        found = events.recent(self._store, kind=kind, limit=limit)
        names = residents.names(self._store, {each.resident_id for each in found if each.resident_id})
        request.answer([_shown(each, names) for each in found])


def _shown(event: events.Event, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "id": event.id,
        "at": iso(event.at),
        "kind": event.told_as,
        "resident": FORGOTTEN_SHOWN if event.resident_id == FORGOTTEN else names.get(event.resident_id or ""),
        "score": event.score,
        "detail": dict(event.detail),
        "outcome": event.outcome,
    }
