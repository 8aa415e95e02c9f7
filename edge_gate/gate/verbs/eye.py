# SPDX-License-Identifier: Apache-2.0
"""`pause` and `resume`: whether the eye looks at all."""

from __future__ import annotations

from collections.abc import Mapping

from edge_gate.gate.control.requests import Handler, Request
from edge_gate.gate.services import Authorisation, Journal, Mode
from edge_gate.store.audit import log as audit_log
from edge_gate.store.database import Store


def was_paused(store: Store) -> bool:
    """Tell from the audit log whether the eye is to look at nothing: a pause outlasts a restart."""
    pause, resume = audit_log.latest(store, "pause"), audit_log.latest(store, "resume")
    return pause is not None and (resume is None or pause.seq > resume.seq)


class EyeVerbs:
    """Serves them."""

    def __init__(self, mode: Mode, journal: Journal, authorisation: Authorisation) -> None:
        self._mode = mode
        self._journal = journal
        self._authorisation = authorisation
        self.handlers: Mapping[str, Handler] = {
            "pause": lambda request: self._pause(request, True),
            "resume": lambda request: self._pause(request, False),
        }

    def _pause(self, request: Request, paused: bool) -> None:
        if paused:
            self._mode.refuse_enrolling()
        self._authorisation.acted(request)
        self._mode.pause(paused)
        self._journal.record("paused" if paused else "resumed", detail={"operator": request.operator})
        request.answer({"paused": paused})
