# SPDX-License-Identifier: Apache-2.0
"""Sees whether the audit log is the one that this device knows (store/keys/anchor.py), and keeps what it knows up to
date.

Where it is not, nothing is opened by eyes and nobody is enrolled until two people have taken the log as it stands, and
the settings that were known to hold do so. Somebody may have emptied it to be rid of what two people had agreed to. Or
the site has restored an older backup: that looks the same, and only people can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from edge_gate.core.errors import StoreError
from edge_gate.rules.agreed_policy import POLICY
from edge_gate.store.audit import continuity, log_end
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.keys.anchor import Known, Point, Span

DOUBTED: Final = "log doubted"
# Rows that came are added to what is known this often: each time is a file that is written and synced.
KEEP_NS: Final = 10**9


class LogWatch:
    """One for each run of the gate. ``on_fault`` is told where the disk does not take what is to be kept."""

    def __init__(self, store: Store, log: AuditLog, on_fault: Callable[[StoreError], None]) -> None:
        self._store = store
        self._log = log
        self._anchor = store.anchor
        self._on_fault = on_fault
        self._due_ns = 0
        self.doubt = continuity.doubt(store)
        """Why the log is not the one that this device knows, or nothing."""
        self.agreed = self._agreed()
        """The settings that were last agreed to, as an audit row has them; None where none were."""

    def tick(self, now_ns: int) -> None:
        """Keep what was written since, if it is time."""
        if now_ns >= self._due_ns:
            self._due_ns = now_ns + KEEP_NS
            self.keep()

    def keep(self) -> None:
        """Note how far the log reaches now and which settings hold. In doubt what was known before is kept."""
        if self.doubt:
            return
        try:
            log = replace(self._anchor.known.log, head=self._last())
            if log != self._anchor.known.log:
                self._anchor.put(replace(self._anchor.known, log=log, policy=self._agreed()))
        except StoreError as error:
            self._on_fault(error)

    def accept(self, record: Callable[[], object], agreed: dict[str, Any]) -> None:
        """Vouch for the log from here on, whatever came before. ``record()`` writes down who has it so, and the
        settings ``agreed`` to hold from then on. Raises StoreError; then it is in doubt still.
        """
        with self._store.transaction():
            record()
            self._log.append(POLICY, actor="gate", role="gate", detail=agreed)
        self._anchor.put(Known(Span.from_here(self._last()), self._anchor.known.events, agreed))
        self.doubt = ""

    def _last(self) -> Point:
        last = log_end.last_row(self._store)
        return Point(last["seq"], last["hash"]) if last else Point()

    def _agreed(self) -> dict[str, Any] | None:
        known = self._anchor.known
        if self.doubt and not (self._anchor.fault and continuity.is_whole(self._store)):
            return known.policy
        row = audit_log.latest(self._store, POLICY)
        return row.said if row and row.seq > known.log.base.seq else known.policy
