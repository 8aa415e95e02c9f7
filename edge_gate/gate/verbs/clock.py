# SPDX-License-Identifier: Apache-2.0
"""`clock-accept`: how a site gets out of a date that was once believed, and was too late."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from edge_gate.core.clock import iso
from edge_gate.core.errors import TimeRefused
from edge_gate.core.local_time import LocalTime
from edge_gate.gate.control.requests import Handler, Request
from edge_gate.gate.services import Authorisation, Journal
from edge_gate.store.database import Store

LONGEST_DAY: Final = 10


class ClockVerbs:
    """Serves it. ``reload()`` reads who may come in anew."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        authorisation: Authorisation,
        local: LocalTime,
        reload: Callable[[], None],
    ) -> None:
        self._store = store
        self._local = local
        self._journal = journal
        self._authorisation = authorisation
        self._reload = reload
        self.handlers: Mapping[str, Handler] = {"clock-accept": self._accept}

    def _accept(self, request: Request) -> None:
        """Take the machine's date for the right one, though a later one was believed. Always takes two people.

        They say which day it is, by a watch of their own. Consents that had ended by the later date alone hold again.
        """
        clock, day = self._store.clock, request.line("day", LONGEST_DAY)
        if clock.fault is None:
            raise TimeRefused("it is trusted already")
        if clock.too_early:
            raise TimeRefused(f"{clock.fault}. Set it first, with `timedatectl`")
        now, before = clock.date, iso(self._store.now())
        if self._local.day(now).isoformat() != day:
            raise TimeRefused(f"it is {self._local.show(now)} there, and not {day}")
        shown = f"going back to {day}, though it was {self._local.show_text(before)} already"
        approved = self._authorisation.second(request, shown, always=True)
        with clock.accepting(), self._store.transaction():
            self._authorisation.acted(request, detail={**approved, "before": before})
        self._journal.record("clock accepted", detail={"operator": request.operator, "before": before})
        self._reload()
        request.answer({"now": iso(self._store.now()), "before": before})
