# SPDX-License-Identifier: Apache-2.0
"""`residents`, `withdraw` and `forget`: who is known here, and how they leave."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any, Final

from edge_gate.core.clock import iso
from edge_gate.core.errors import NothingToWithdraw, WireError
from edge_gate.core.local_time import LocalTime
from edge_gate.documents import receipt
from edge_gate.documents.receipt import Kind, Receipt
from edge_gate.gate.control.requests import Handler, Request
from edge_gate.gate.jobs import Jobs, Slices
from edge_gate.gate.services import Authorisation, Journal, Recognition
from edge_gate.gate.verbs import cleaning
from edge_gate.settings.config import SiteSettings
from edge_gate.spec.model import Act
from edge_gate.store.database import Store
from edge_gate.store.people import consent, residents
from edge_gate.store.people.removal import Removed

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
        if not isinstance(after, str) or len(after) > 2 * residents.LONGEST_NAME or "first" in request.fields:
            raise WireError("control", "residents are asked for by the name that they come after")
        model_id, now = self._recognition.card.model_id, self._store.clock.now()
        page = residents.page(self._store, model_id, now, after=after, limit=PAGE_RESIDENTS)
        compared = set(self._recognition.gallery.ids)
        request.answer([_shown(each, each.resident.id in compared) for each in page])

    def _withdraw(self, request: Request) -> None:
        resident = residents.find(self._store, request.line("name", LONGEST_FIELD))
        if not consent.can_withdraw(self._store, resident.id):
            raise NothingToWithdraw(resident.name)
        shown = f"withdrawing the consent of {resident.name}"
        approved = self._authorisation.second(request, resident.id, shown, resident.id)

        def record() -> None:
            self._authorisation.acted(request, resident_id=resident.id, detail=approved)

        try:
            closed = consent.close(self._store, resident.id)
        finally:  # their key may be gone although their rows could not be removed: they are not compared any more
            self._recognition.refresh(resident.id)
        steps = consent.ending(self._store, resident.id, resident.name, record, closed=closed)
        self._jobs.write(request, self._remove(request, steps, {"name": resident.name}))

    def _forget(self, request: Request) -> None:
        resident = residents.find(self._store, request.line("name", LONGEST_FIELD))
        approved = self._authorisation.second(request, resident.id, f"forgetting {resident.name}", resident.id)

        def record() -> None:
            self._authorisation.acted(request, detail=approved)

        try:
            residents.bury(self._store, resident)
        finally:
            self._recognition.refresh(resident.id)
        steps = residents.taking_out(self._store, resident, record)
        told = {"name": resident.name, "resident_id": resident.id}
        self._jobs.write(request, self._remove(request, steps, told))

    def _remove(self, request: Request, steps: Generator[None, None, Removed], told: dict[str, Any]) -> Slices:
        """Remove the rows, leave no trace of them, and answer with the receipt."""
        removed = yield from steps
        detail = {"operator": request.operator}
        if removed.act is Act.FORGETTING:
            self._journal.record("forgotten", detail=detail)
        else:
            self._journal.record("consent withdrawn", resident_id=removed.resident_id, detail=detail)
        clean = yield from cleaning.slices(self._store)
        removed = replace(removed, traces_left=not clean)
        told |= {**removed.figures, "traces_left": removed.traces_left}
        request.answer(told | {"receipt": self._receipt(removed)})

    def _receipt(self, removed: Removed) -> str:
        """Return the signed page for the resident."""
        at, kind = self._store.clock.now(), Kind[removed.act.name]
        page = Receipt(self._site.name, removed.resident_id, at, removed.figures, removed.traces_left, kind)
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
