# SPDX-License-Identifier: Apache-2.0
"""`templates-status` and `templates-renew`: how the templates are protected, and their renewal, one at each turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict

from edge_gate.core.errors import Busy, EdgeGateError
from edge_gate.gate.control.requests import Handler, Request
from edge_gate.gate.jobs import Jobs, Slices
from edge_gate.gate.services import Authorisation, Journal, Recognition
from edge_gate.gate.verbs import cleaning
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
        jobs: Jobs,
    ) -> None:
        self._store = store
        self._journal = journal
        self._recognition = recognition
        self._authorisation = authorisation
        self._refuse_doubtful = refuse_doubtful
        self._jobs = jobs
        self._computing: tuple[Request, renewal.Renewal] | None = None
        self._busy = False
        self.handlers: Mapping[str, Handler] = {
            "templates-status": lambda request: request.answer(asdict(renewal.protection_status(store))),
            "templates-renew": self._begin,
        }

    def tick(self) -> None:
        """Make one more code of the renewal under way. The door opens by the old templates until all are in place."""
        if self._computing is None:
            return
        request, under_way = self._computing
        try:
            more = under_way.compute()
        except EdgeGateError as error:
            self._computing, self._busy = None, False
            request.fail(error)
            return
        if more:
            request.progress({"ready": under_way.ready})
            return
        self._computing = None
        self._jobs.write(request, self._finish(request, under_way))

    def _finish(self, request: Request, under_way: renewal.Renewal) -> Slices:
        """Put the new templates in place, compare under them from that moment on, leave no trace of the old ones."""
        try:
            yield from under_way.put_in_place()
            model_id = self._recognition.card.model_id
            codes = {resident: code for (resident, model), code in under_way.codes.items() if model == model_id}
            self._recognition.renew(under_way.transform, codes)
            yield from cleaning.slices(self._store)
        finally:
            self._busy = False
        now = renewal.protection_status(self._store)
        detail = {"operator": request.operator, "templates": now.templates, "renewals": now.renewals}
        self._journal.record("templates renewed", detail=detail)
        request.answer(asdict(now))

    def _begin(self, request: Request) -> None:
        """Begin a renewal; the caller is told when it is over. It goes on if the caller leaves.

        It touches everybody, so it always takes a second person; what it does is in the audit log, or is not done.
        """
        if self._busy:
            raise Busy("A renewal of the templates")
        self._refuse_doubtful()
        approved = self._authorisation.second(request, "giving all templates new axes", always=True)

        def record() -> None:
            self._authorisation.acted(request, detail=approved)

        self._computing = request, renewal.Renewal(self._store, self._recognition.transform, record)
        self._busy = True
