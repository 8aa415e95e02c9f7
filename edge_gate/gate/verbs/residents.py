# SPDX-License-Identifier: Apache-2.0
"""`residents`, `withdraw` and `forget`: who is known here, and how they leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from edge_gate.core.clock import iso
from edge_gate.core.errors import GateStopping, NothingToWithdraw, WireError
from edge_gate.core.local_time import LocalTime
from edge_gate.documents import receipt
from edge_gate.documents.receipt import Kind, Receipt
from edge_gate.gate.control.requests import Handler, Request
from edge_gate.gate.jobs import Jobs, Slices
from edge_gate.gate.services import Authorisation, Journal, Recognition
from edge_gate.gate.verbs import cleaning
from edge_gate.rules.naming import LONGEST_NAME
from edge_gate.settings.config import SiteSettings
from edge_gate.store.database import Store
from edge_gate.store.people import consent, residents
from edge_gate.store.people.removal import Removed
from edge_gate.store.people.residents import Resident

# However long their names are, so many fit into what may wait to be sent (control/caller.py).
PAGE_RESIDENTS: Final = 100
LONGEST_FIELD: Final = 200


class ResidentVerbs:
    """Serves them."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        recognition: Recognition,
        authorisation: Authorisation,
        site: SiteSettings,
        local: LocalTime,
        jobs: Jobs,
    ) -> None:
        self._store = store
        self._journal = journal
        self._recognition = recognition
        self._authorisation = authorisation
        self._site = site
        self._local = local
        self._jobs = jobs
        self.handlers: Mapping[str, Handler] = {
            "residents": self._list,
            "withdraw": self._withdraw,
            "forget": self._forget,
        }

    def _list(self, request: Request) -> None:
        """Send one page of the residents by name, those behind the name ``after``; an empty one is the end."""
        after = request.fields.get("after", "")
        if not isinstance(after, str) or len(after) > 2 * LONGEST_NAME or "first" in request.fields:
            raise WireError("control", "residents are asked for by the name that they come after")
        model_id, now = self._recognition.card.model_id, self._store.now()
        page = residents.page(self._store, model_id, now, after=after, limit=PAGE_RESIDENTS)
        compared = set(self._recognition.gallery.ids)
        request.answer([_shown(each, each.resident.id in compared) for each in page])

    def _withdraw(self, request: Request) -> None:
        resident = residents.find(self._store, request.line("name", LONGEST_FIELD))
        if not consent.can_withdraw(self._store, resident.id):
            raise NothingToWithdraw(resident.name)
        beyond = self._authorisation.beyond()

        def record() -> None:
            self._authorisation.acted(request, resident_id=resident.id, detail=beyond)

        try:
            removed = consent.end(self._store, resident.id, record=record)
        finally:  # their key may be gone although their rows could not be removed: they are not compared any more
            self._recognition.refresh(resident.id)
        self._journal.record("consent withdrawn", resident_id=resident.id, detail={"operator": request.operator})
        self._tell(request, beyond)
        self._jobs.write(request, self._finish(request, removed, {"name": resident.name}))

    def _forget(self, request: Request) -> None:
        """Destroy the key at once and write it down. The rows follow in slices: at the next start, if not now."""
        resident = residents.find(self._store, request.line("name", LONGEST_FIELD))
        beyond = self._authorisation.beyond()
        try:
            again = residents.bury(self._store, resident)
            self._authorisation.acted(request, detail=beyond)
        finally:
            self._recognition.refresh(resident.id)
        self._tell(request, beyond)
        self._jobs.write(request, self._take_out(request, resident, again))

    def _tell(self, request: Request, beyond: dict[str, Any]) -> None:
        """Tell of one more removal than people make in an hour: none is refused, and none of those goes unseen."""
        if beyond:
            self._journal.record("many erased", detail={"operator": request.operator, **beyond})

    def _take_out(self, request: Request, resident: Resident, again: bool) -> Slices:
        try:
            removed = yield from residents.taking_out(self._store, resident)
        except GeneratorExit:
            request.fail(GateStopping(f"Forgetting {resident.name}"))
            raise
        self._journal.record("forgotten", detail={"operator": request.operator})
        removed = replace(removed, at_least=again)
        yield from self._finish(request, removed, {"name": resident.name, "resident_id": resident.id})

    def _finish(self, request: Request, removed: Removed, told: dict[str, Any]) -> Slices:
        """Leave no trace of what was removed, and answer with the receipt; if the gate is stopped, say what is left."""
        try:
            clean = yield from cleaning.slices(self._store)
        except GeneratorExit:
            self._answer(request, removed, told)
            raise
        self._answer(request, replace(removed, traces_left=not clean), told)

    def _answer(self, request: Request, removed: Removed, told: dict[str, Any]) -> None:
        figures = {**removed.figures, "traces_left": removed.traces_left}
        request.answer(told | figures | {"receipt": self._receipt(removed)})

    def _receipt(self, removed: Removed) -> str:
        """Return the signed page for the resident."""
        at, kind = self._store.now(), Kind[removed.act.name]
        page = Receipt(
            self._site.name, removed.resident_id, at, removed.figures, removed.traces_left, kind, removed.at_least
        )
        return receipt.write(page, self._store.keyring.signer(), self._site.language, local=self._local)


def _shown(each: residents.ResidentStatus, compared: bool) -> dict[str, Any]:
    return {
        "id": each.resident.id,
        "name": each.resident.name,
        "created_at": iso(each.resident.created_at),
        "consent": each.consent.value,
        "consent_until": iso(each.until) if each.until else None,
        "recognised": compared and each.consent is consent.State.VALID,
    }
