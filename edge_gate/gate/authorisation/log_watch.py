# SPDX-License-Identifier: Apache-2.0
"""Sees whether log and events are those that this device knows (store/keys/anchor.py), and keeps what it knows up to
date.

Where the log is not, nothing is opened by eyes and nobody is enrolled until two people have taken it as it stands, and
the settings that were known to hold do so. Somebody may have emptied it to be rid of what two people had agreed to. Or
the site has restored an older backup: that looks the same, and only people can tell. Where events are not, it is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from edge_gate.core.errors import StoreError
from edge_gate.rules.agreed_policy import POLICY
from edge_gate.store import event_chain
from edge_gate.store.audit import continuity, log_end
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.keys.anchor import Known, Point, Span
from edge_gate.store.people import vouching

LOG_DOUBTED: Final = "log doubted"
EVENTS_DOUBTED: Final = "events doubted"
# The row that has the code of everybody who was there when vouching for the log began.
VOUCHED: Final = "residents vouched for"
# What came is added to what is known so often: each time is a file that is written and synced.
KEEP_LOG_NS: Final = 10**9
KEEP_EVENTS_NS: Final = 10 * 10**9


class LogWatch:
    """One for each run of the gate. ``on_fault`` is told where the disk does not take what is to be kept."""

    def __init__(self, store: Store, log: AuditLog, on_fault: Callable[[StoreError], None]) -> None:
        self._store = store
        self._log = log
        self._anchor = store.anchor
        self._on_fault = on_fault
        self._log_due_ns = self._events_due_ns = 0
        self.doubt = continuity.doubt(store)
        """Why the log is not the one that this device knows, or nothing."""
        self.events_doubt = event_chain.doubt(store, self._anchor.known.events)
        """Why the events are not, or nothing."""
        self.agreed = self._agreed()
        """The settings that were last agreed to, as an audit row has them; None where none were."""

    def start(self) -> None:
        """Write down what is in doubt, and who is vouched for from here on."""
        try:
            for verb, why in self.doubts().items():
                self._log.append(verb, actor="gate", role="gate", detail={"why": why})
            base, row = self._anchor.known.log.base.seq, audit_log.latest(self._store, VOUCHED)
            if base and not self.doubt and (row is None or row.seq < base):
                self._vouch_for_everybody()
        except StoreError as error:
            self._on_fault(error)
        self.keep()

    def doubts(self) -> dict[str, str]:
        """Return why what is in doubt is so, by the name under which it is told."""
        found = {LOG_DOUBTED: self.doubt, EVENTS_DOUBTED: self.events_doubt}
        return {name: why for name, why in found.items() if why}

    def tick(self, now_ns: int) -> None:
        """Keep what was written since, if it is time."""
        if now_ns >= self._log_due_ns:
            self._log_due_ns = now_ns + KEEP_LOG_NS
            self.keep(events=now_ns >= self._events_due_ns)
        if now_ns >= self._events_due_ns:
            self._events_due_ns = now_ns + KEEP_EVENTS_NS

    def keep(self, *, events: bool = True) -> None:
        """Note how far the log and the ``events`` reach and which settings hold. Of what is in doubt nothing is."""
        if self.doubt:
            return
        try:
            known = self._anchor.known
            log = replace(known.log, head=self._last())
            if log == known.log and not events:
                return
            settled = None if self.events_doubt else event_chain.last_settled(self._store, known.events.head)
            if settled and settled.seq > known.events.head.seq:
                known = replace(known, events=replace(known.events, head=settled))
            self._anchor.put(replace(known, log=log, policy=self._agreed()))
        except StoreError as error:
            self._on_fault(error)

    def accept(self, record: Callable[[], object], agreed: dict[str, Any]) -> None:
        """Vouch for log and events from here on, whatever came before. ``record()`` writes down who has it so, and the
        settings ``agreed`` to hold from then on. Raises StoreError; then they are in doubt still.
        """
        with self._store.transaction():
            record()
            self._log.append(POLICY, actor="gate", role="gate", detail=agreed)
            log, events = Span.from_here(self._last()), Span.from_here(event_chain.last(self._store))
            self._vouch_for_everybody()
        self._anchor.put(Known(log, events, agreed))
        self.doubt = self.events_doubt = ""

    def _vouch_for_everybody(self) -> None:
        for codes in vouching.everyones_codes(self._store):
            self._log.append(VOUCHED, actor="gate", role="gate", detail={vouching.FIELD: codes})

    def _last(self) -> Point:
        last = log_end.last_row(self._store)
        return Point(last["seq"], last["hash"]) if last else Point()

    def _agreed(self) -> dict[str, Any] | None:
        known = self._anchor.known
        if self.doubt and not (self._anchor.fault and continuity.is_whole(self._store)):
            return known.policy
        row = audit_log.latest(self._store, POLICY)
        return row.said if row and row.seq > known.log.base.seq else known.policy
