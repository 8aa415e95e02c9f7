# SPDX-License-Identifier: Apache-2.0
"""The renewal of all templates that may be under way, a few at each turn of the gate's loop."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edge_gate.core.errors import Busy, EdgeGateError
from edge_gate.gate.control.server import Caller, failure
from edge_gate.store.templates import renewal

if TYPE_CHECKING:
    from edge_gate.gate.loop import Gate


class Renewals:
    """Serves the two verbs of `edge-gate templates`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._current: tuple[Caller, renewal.Renewal] | None = None

    def standing(self, caller: Caller, _: dict[str, Any]) -> None:
        """Say how the templates are protected."""
        caller.answer({"ok": asdict(renewal.protection_status(self._gate.store))})

    def begin(self, caller: Caller, _: dict[str, Any]) -> None:
        """Begin a renewal; the caller is told when it is over. It goes on if the caller leaves.

        It touches everybody, so it always takes a second person; what it does is in the audit log, or is not done.
        """
        if self._current is not None:
            raise Busy("A renewal of the templates")
        self._gate.keyring_watch.refuse()
        oversight, verb = self._gate.oversight, "templates-renew"
        approved = oversight.second(caller, verb, verb, "giving all templates new axes", always=True)

        def record() -> None:
            oversight.acted(caller, verb, detail=approved)

        self._current = caller, renewal.Renewal(self._gate.store, self._gate.transform, record)

    def tick(self) -> None:
        """Do a little of the renewal under way. The door goes on opening by the old templates until all are ready."""
        if self._current is None:
            return
        caller, under_way = self._current
        try:
            over = under_way.step()
        except EdgeGateError as error:
            self._current = None
            caller.answer(failure(error))
            return
        if not over:
            caller.answer({"progress": {"ready": under_way.ready}})
            return
        self._current = None
        gate = self._gate
        gate.transform = under_way.transform
        gate.reload_gallery()
        now = renewal.protection_status(gate.store)
        detail = {"operator": caller.operator, "templates": now.templates, "renewals": now.renewals}
        gate.record("templates renewed", detail=detail)
        caller.answer({"ok": asdict(now)})
