# SPDX-License-Identifier: Apache-2.0
"""Tells when the machine's date was set, and when it is not trusted; writes down now and then how far time is.

The time itself is the store's (edge_gate/store/trusted_clock.py). While the date is not trusted the door opens to those
whose consent holds at the time that is counted on; no consent is recorded, and nothing is erased by its age.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from edge_gate.core.clock import iso
from edge_gate.core.token_bucket import TokenBucket
from edge_gate.gate.recognition.keyring_watch import NoteWriter
from edge_gate.gate.services import Journal
from edge_gate.rules.timekeeping import LONGEST_DOUBT_US, SLACK_US
from edge_gate.store.database import Store

# A power cut loses so much of the time that was counted, at most.
KEEP_NS: Final = 600 * 10**9
KEEP_UNTRUSTED_NS: Final = 60 * 10**9
# However often the date is set, so much is told at once and then each second; what is not told is part of the next.
MOST_TOLD: Final = 20
TOLD_PER_S: Final = 1 / 300
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_log = logging.getLogger(__name__)


class ClockWatch:
    """Compares the time with what was told of it. ``note`` writes a row of the audit log."""

    def __init__(self, store: Store, journal: Journal, note: NoteWriter) -> None:
        self._store = store
        self._journal = journal
        self._note = note
        self._stepped = 0
        self._trusted = True
        now_ns = store.clock.monotonic_ns()
        self._told = TokenBucket(MOST_TOLD, TOLD_PER_S, now_ns)
        self._keep_ns = now_ns + KEEP_UNTRUSTED_NS

    def start(self) -> None:
        """Tell how the date went on while the gate was off; that it was off for some hours is no news."""
        known = self._store.clock.look()
        if 0 <= known.stepped < LONGEST_DOUBT_US:
            self._stepped = known.stepped
        self.tick(self._store.clock.monotonic_ns())

    def tick(self, now_ns: int) -> None:
        """Tell what has changed since it was told last. Raises StoreError where the time could not be kept."""
        known = self._store.clock.look()
        step = known.stepped - self._stepped
        if abs(step) > SLACK_US and self._told.spend(now_ns):
            self._stepped = known.stepped
            detail = {"from": _shown(known.wall - step), "to": _shown(known.wall)}
            self._warn("clock set", detail)
            self._journal.record("clock set", detail=detail)
        if known.trusted != self._trusted and self._told.spend(now_ns):
            self._trusted = known.trusted
            self._tell_trust(self._store.clock.fault)
        if now_ns >= self._keep_ns:
            self._keep_ns = now_ns + (KEEP_NS if known.trusted else KEEP_UNTRUSTED_NS)
            self._store.keep_time()

    def _tell_trust(self, fault: str | None) -> None:
        if fault is None:
            self._warn("time trusted", {})
            self._journal.record("time trusted")
        else:
            self._warn("time not trusted", {"why": fault})
            self._journal.record("time not trusted", detail={"why": fault})

    def _warn(self, what: str, detail: dict[str, Any]) -> None:
        _log.warning("%s %s", what, detail)
        self._note(what, detail=detail)


def _shown(us: int) -> str:
    """Return a date of the machine's; one that is in no calendar by its number."""
    try:
        return iso(_EPOCH + timedelta(microseconds=us))
    except OverflowError:
        return f"{us // 10**6} s after 1970"
