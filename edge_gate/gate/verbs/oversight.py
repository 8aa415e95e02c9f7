# SPDX-License-Identifier: Apache-2.0
"""`approvals`, `approve`, and the audit log in its two views: the verbs by which people look after each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final

from edge_gate.core.access import user_name
from edge_gate.core.errors import LogUndoubted, WireError
from edge_gate.gate.authorisation.approvals import ApprovalRequest
from edge_gate.gate.control.requests import Handler, Request
from edge_gate.gate.jobs import Jobs, Slices
from edge_gate.gate.services import Authorisation
from edge_gate.rules.agreed_policy import POLICY
from edge_gate.rules.naming import LONGEST_NAME
from edge_gate.store import event_chain
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit import log_end
from edge_gate.store.audit.chain import Row
from edge_gate.store.database import Store
from edge_gate.store.people import residents, vouching

# Fifty rows with the longest detail there may be are less than what a caller may leave unread (control/caller.py).
PAGE_ROWS: Final = 50
# A resident is sent the newest ones of what is about them.
MOST_OF_ONE: Final = 500
MOST_FINDINGS: Final = 100


class OversightVerbs:
    """Serves them. ``adopt()`` makes the gate decide by the policy that was just agreed to."""

    def __init__(self, store: Store, authorisation: Authorisation, adopt: Callable[[], None], jobs: Jobs) -> None:
        self._store = store
        self._authorisation = authorisation
        self._adopt = adopt
        self._jobs = jobs
        self.handlers: Mapping[str, Handler] = {
            "approvals": self._approvals,
            "approve": self._approve,
            "audit": self._audit,
            "audit-resident": self._audit_resident,
            "audit-vouched": lambda request: self._jobs.read(request, self._vouched(request)),
            "audit-checkpoint": self._checkpoint,
            "audit-accept": self._accept,
            "keys-escrow": self._escrow,
        }

    def _approvals(self, request: Request) -> None:
        approvals = self._authorisation.approvals
        request.answer(
            [{**_told(each), "left_s": approvals.left_s(each)} for each in self._authorisation.waiting(request)]
        )

    def _approve(self, request: Request) -> None:
        approved = self._authorisation.approve(request, request.text("id"))
        if approved.verb == POLICY:
            self._adopt()
        request.answer(_told(approved))

    def _audit(self, request: Request) -> None:
        """Send one page of the log as it is, for the caller to judge (edge_gate.store.audit.chain.examine)."""
        first = request.number("first", 1, 1, 2**62)
        rows = audit_log.rows(self._store, first=first, limit=PAGE_ROWS)
        signed = audit_log.checkpoints(self._store, first=first, limit=PAGE_ROWS)
        if len(rows) == PAGE_ROWS:
            signed = [each for each in signed if each.seq <= rows[-1].seq]
        page = {"rows": [each.shown() for each in rows], "checkpoints": [each.line() for each in signed]}
        end = log_end.end(self._store)
        request.answer({**page, "end": end and end.line(), "more": len(rows) == PAGE_ROWS})

    def _vouched(self, request: Request) -> Slices:
        """Say what else is not as was vouched for, by the gate's word: only the keyring's keys tell."""
        found = list(self._authorisation.log_watch.doubts().values())
        found += [f"resident {each} is not as was vouched for" for each in sorted(vouching.doubtful(self._store))]
        yield None
        found += yield from _unknown_codes(self._store)
        steps = event_chain.examine(self._store, self._store.anchor.known.events)
        while True:
            try:
                next(steps)
            except StopIteration as over:
                found += over.value
                break
            yield None
        request.answer({"findings": found[:MOST_FINDINGS], "more": max(0, len(found) - MOST_FINDINGS)})

    def _audit_resident(self, request: Request) -> None:
        """Send a resident's own rows: what was done and in which role, but not by whom.

        A resident has a right to know what is done with their data and why, not who of the staff did it, unless they
        need that for their rights (Court of Justice of the EU, C-579/21). An auditor has the numbers.
        """
        name = request.fields.get("name")
        if not isinstance(name, str) or not 0 < len(name) <= 2 * LONGEST_NAME:
            raise WireError("control", "name is a line of text")
        resident_id = residents.find(self._store, name).id
        self._jobs.read(request, self._search(request, resident_id))

    def _search(self, request: Request, resident_id: str) -> Slices:
        """Look at each row of the log, some in each turn: only the resident's salt tells which are about them."""
        found: list[Row] = []
        for page in audit_log.about(self._store, resident_id):
            found = [*found, *page][:MOST_OF_ONE]
            yield None
        request.answer([{"at": each.at, "verb": each.verb, "role": each.role} for each in found])

    def _checkpoint(self, request: Request) -> None:
        request.answer({"checkpoint": self._authorisation.checkpoint(request).line()})

    def _accept(self, request: Request) -> None:
        """Take the audit log as it stands, once a second person has agreed, with the settings that hold now."""
        watch, settled = self._authorisation.log_watch, self._authorisation.settled
        why = " and ".join(watch.doubts().values())
        if not why:
            raise LogUndoubted
        words = {name: json.dumps(value, ensure_ascii=False) for name, value in settled.items()}
        shown = f"taking the audit log as it stands, although {why}, and with these settings"
        approved = self._authorisation.second(request, shown, words=words, always=True)
        watch.accept(lambda: self._authorisation.acted(request, detail=approved), settled)
        request.answer({})

    def _escrow(self, request: Request) -> None:
        """Write down that the store's key is about to be printed in shares, once a second person has agreed.

        The command prints them (edge_gate/cli/keys/command.py): the gate gives no key away.
        """
        shares, needed = request.number("shares", 0, 2, 16), request.number("needed", 0, 2, 16)
        what = f"{shares} shares, any {needed} of which give it"
        approved = self._authorisation.second(request, f"printing the store's key as {what}", always=True)
        self._authorisation.acted(request, detail={**approved, "shares": shares, "needed": needed})
        request.answer({})


def _told(request: ApprovalRequest) -> dict[str, Any]:
    """Return all that the second person agrees to, in words."""
    matter = request.matter
    who = {"asked_by": user_name(request.uid), "uid": request.uid}
    return {"id": request.id, "verb": request.verb, "what": matter.shown, **who, "fields": dict(matter.fields)}


def _unknown_codes(store: Store) -> Generator[None, None, list[str]]:
    """Return which residents' codes no row of the log has, some rows at each step, a sentence for each."""
    codes, last = vouching.codes(store), 0
    while page := audit_log.rows(store, first=last + 1, limit=PAGE_ROWS):
        for said in (row.said.get(vouching.FIELD, ()) for row in page):
            for code in [said] if isinstance(said, str) else said:
                codes.pop(code, None)
        last = page[-1].seq
        yield
    return [f"resident {each} was changed, or added, and the log does not say so" for each in codes.values()]
