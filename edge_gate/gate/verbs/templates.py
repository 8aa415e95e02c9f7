# SPDX-License-Identifier: Apache-2.0
"""`templates-status` and `templates-renew`: how the templates are protected, and their renewal, a few at each turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict

from edge_gate.core.errors import Busy, EdgeGateError
from edge_gate.gate.control.requests import Handler, Request
from edge_gate.gate.services import Authorisation, Journal, Recognition
from edge_gate.store.database import Store
from edge_gate.store.templates import renewal


class TemplateVerbs:
    """Serves them. ``refuse_doubtful()`` raises KeyringDoubtful where not every template can be opened."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        recognition: Recognition,
        authorisation: Authorisation,
        refuse_doubtful: Callable[[], None],
    ) -> None:
        self._store = store
        self._journal = journal
        self._recognition = recognition
        self._authorisation = authorisation
        self._refuse_doubtful = refuse_doubtful
        self._current: tuple[Request, renewal.Renewal] | None = None
        self.handlers: Mapping[str, Handler] = {
            "templates-status": lambda request: request.answer(asdict(renewal.protection_status(store))),
            "templates-renew": self._begin,
        }

    def tick(self) -> None:
        """Do a little of the renewal under way. The door goes on opening by the old templates until all are ready."""
        if self._current is None:
            return
        request, under_way = self._current
        try:
            over = under_way.step()
        except EdgeGateError as error:
            self._current = None
            request.fail(error)
            return
        if not over:
            request.progress({"ready": under_way.ready})
            return
        self._current = None
        self._recognition.renew(under_way.transform)
        now = renewal.protection_status(self._store)
        detail = {"operator": request.operator, "templates": now.templates, "renewals": now.renewals}
        self._journal.record("templates renewed", detail=detail)
        request.answer(asdict(now))

    def _begin(self, request: Request) -> None:
        """Begin a renewal; the caller is told when it is over. It goes on if the caller leaves.

        It touches everybody, so it always takes a second person; what it does is in the audit log, or is not done.
        """
        if self._current is not None:
            raise Busy("A renewal of the templates")
        self._refuse_doubtful()
        approved = self._authorisation.second(request, request.verb, "giving all templates new axes", always=True)

        def record() -> None:
            self._authorisation.acted(request, detail=approved)

        self._current = request, renewal.Renewal(self._store, self._recognition.transform, record)
