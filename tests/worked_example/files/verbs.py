# SPDX-License-Identifier: Apache-2.0
"""`visitor-announce`: a resident says that somebody will come."""

from __future__ import annotations

from collections.abc import Mapping

from edge_gate.settings.visitors import VisitorSettings

from edge_gate.core.errors import Busy
from edge_gate.gate.control.requests import Handler, Request
from edge_gate.gate.services import Authorisation, Journal
from edge_gate.rules.naming import kept_name
from edge_gate.store.database import Store
from edge_gate.store.people import residents, visitors


class VisitorVerbs:
    """Serves it."""

    def __init__(self, store: Store, journal: Journal, authorisation: Authorisation, settings: VisitorSettings) -> None:
        self._store = store
        self._journal = journal
        self._authorisation = authorisation
        self._settings = settings
        self.handlers: Mapping[str, Handler] = {"visitor-announce": self._announce}

    def _announce(self, request: Request) -> None:
        resident = residents.find(self._store, request.line("resident", 200))
        visitor = kept_name(request.text("visitor"))
        if visitors.expected(self._store, resident.id) >= self._settings.most:
            raise Busy(f"The announcement of {self._settings.most} visitors")
        with self._store.transaction():
            visitors.add(self._store, resident.id, visitor)
            self._authorisation.acted(request, resident_id=resident.id)
        self._journal.record("visitor announced", resident_id=resident.id, detail={"operator": request.operator})
        request.answer({"resident": resident.name, "visitor": visitor})
