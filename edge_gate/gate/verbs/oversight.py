# SPDX-License-Identifier: Apache-2.0
"""The verbs by which people look after each other: approvals, and the audit log in its two views."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from edge_gate.core.errors import WireError
from edge_gate.gate.authorisation.oversight import Oversight
from edge_gate.gate.authorisation.roles import user_name
from edge_gate.gate.control.requests import number
from edge_gate.gate.control.server import Caller
from edge_gate.rules.agreed_policy import POLICY
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit import log_end
from edge_gate.store.people import residents

if TYPE_CHECKING:
    from edge_gate.gate.loop import Gate

# Fifty rows with the longest detail there may be are less than what a caller may leave unread (control.py).
PAGE_ROWS: Final = 50


class OversightDesk:
    """Serves its part of the desk's verbs (desk.py)."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.verbs: dict[str, Callable[[Caller, dict[str, Any]], None]] = {
            "approvals": self._approvals,
            "approve": self._approve,
            "audit": self._audit,
            "audit-about": self._audit_about,
            "audit-checkpoint": self._checkpoint,
            "keys-escrow": self._escrow,
        }

    @property
    def _oversight(self) -> Oversight:
        return self._gate.oversight

    def _approvals(self, caller: Caller, _: dict[str, Any]) -> None:
        approvals = self._oversight.approvals
        waiting = [
            {"id": each.id, "what": each.shown, "asked_by": user_name(each.uid), "left_s": approvals.left_s(each)}
            for each in approvals.waiting()
        ]
        caller.answer({"ok": waiting})

    def _approve(self, caller: Caller, request: dict[str, Any]) -> None:
        wanted = request.get("id")
        if not isinstance(wanted, str):
            raise WireError("control", "id is text")
        approved = self._oversight.approve(caller, wanted)
        if approved.verb == POLICY:
            self._gate.adopt_policy()
        caller.answer({"ok": {"what": approved.shown, "asked_by": user_name(approved.uid), "verb": approved.verb}})

    def _audit(self, caller: Caller, request: dict[str, Any]) -> None:
        """Send one page of the log as it is, for the caller to judge (edge_gate.store.audit.chain.examine)."""
        first = number(request, "first", 1, 1, 2**62)
        store = self._gate.store
        rows = audit_log.rows(store, first=first, limit=PAGE_ROWS)
        signed = audit_log.checkpoints(store, first=first, limit=PAGE_ROWS)
        if len(rows) == PAGE_ROWS:
            signed = [each for each in signed if each.seq <= rows[-1].seq]
        page = {"rows": [each.shown() for each in rows], "checkpoints": [each.line() for each in signed]}
        end = log_end.end(store)
        caller.answer({"ok": {**page, "end": end and end.line(), "more": len(rows) == PAGE_ROWS}})

    def _audit_about(self, caller: Caller, request: dict[str, Any]) -> None:
        """Send a resident's own rows: what was done and in which role, but not by whom.

        A resident has a right to know what is done with their data and why, not who of the staff did it, unless they
        need that for their rights (Court of Justice of the EU, C-579/21). An auditor has the numbers.
        """
        name = request.get("name")
        if not isinstance(name, str) or not 0 < len(name) <= 2 * residents.LONGEST_NAME:
            raise WireError("control", "name is a line of text")
        resident = residents.find(self._gate.store, name)
        rows = audit_log.about(self._gate.store, resident.id)
        caller.answer({"ok": [{"at": each.at, "verb": each.verb, "role": each.role} for each in rows]})

    def _escrow(self, caller: Caller, request: dict[str, Any]) -> None:
        """Write down that the store's key is about to be printed in shares, once a second person has agreed.

        The command prints them (edge_gate/cli/keys/command.py): the gate gives no key away.
        """
        shares, needed = number(request, "shares", 0, 2, 16), number(request, "needed", 0, 2, 16)
        what = f"{shares} shares, any {needed} of which give it"
        shown = f"printing the store's key as {what}"
        approved = self._oversight.second(caller, "keys-escrow", what, shown, always=True)
        self._oversight.acted(caller, "keys-escrow", detail={**approved, "shares": shares, "needed": needed})
        caller.answer({"ok": {}})

    def _checkpoint(self, caller: Caller, _: dict[str, Any]) -> None:
        caller.answer({"ok": {"checkpoint": self._oversight.checkpoint(caller).line()}})
