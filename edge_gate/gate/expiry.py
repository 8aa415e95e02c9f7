# SPDX-License-Identifier: Apache-2.0
"""Erases template and key of residents whose last consent ended so many days ago (consent.erase_after_days).

What is erased does not come back, and the date may be wrong. So it is done by a time that is trusted, and not before
a date that was set forward has stood for a while (edge_gate/rules/timekeeping.py), nor under an older keyring.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, Protocol

from edge_gate.core.errors import EdgeGateError
from edge_gate.gate.jobs import Jobs, Slices
from edge_gate.gate.services import Journal, Recognition
from edge_gate.gate.verbs import cleaning
from edge_gate.store.audit.generation import EXPIRED
from edge_gate.store.database import Store
from edge_gate.store.people import consent, vouching

LOOK_NS: Final = 600 * 10**9
# So many in one job, with one cleaning after them; the others follow at the next look.
MOST_AT_ONCE: Final = 50
_log = logging.getLogger(__name__)


class RowWriter(Protocol):
    """Writes the audit row of what the gate itself does to a resident, in the transaction that does it."""

    def __call__(self, verb: str, resident_id: str, detail: Mapping[str, Any]) -> None:
        """Write it. Raises StoreError; then it is not done."""


class ExpiredTemplates:
    """Looks for them now and then. ``days()`` after the end of a consent; ``write`` writes the audit row; ``doubt()``
    tells why the log is in doubt: then nothing is erased."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        recognition: Recognition,
        jobs: Jobs,
        days: Callable[[], int],
        write: RowWriter,
        doubt: Callable[[], str],
    ) -> None:
        self._store = store
        self._journal = journal
        self._recognition = recognition
        self._jobs = jobs
        self._days = days
        self._write = write
        self._doubt = doubt
        self._look_ns = 0
        self._under_way = False

    def tick(self, now_ns: int) -> None:
        """Begin a job where there is something to erase. Raises StoreError."""
        if now_ns < self._look_ns or self._under_way:
            return
        self._look_ns = now_ns + LOOK_NS
        if found := self._due():
            self._under_way = True
            self._jobs.write(_Itself(self._note_end), self._erase(found))

    def _due(self) -> list[str]:
        """Return some of those who are to be erased. Of whoever is in doubt the consent may have been taken away."""
        due: list[str] = []
        ended = self._ended()
        for first in range(0, len(ended), MOST_AT_ONCE):
            some = ended[first : first + MOST_AT_ONCE]
            doubtful = vouching.doubtful(self._store, some)
            due += [each for each in some if each not in doubtful]
            if len(due) >= MOST_AT_ONCE:
                break
        return due[:MOST_AT_ONCE]

    def _ended(self) -> list[str]:
        if not self._store.clock.look().settled or self._store.keyring.suspect or self._doubt():
            return []
        return consent.expired(self._store, self._store.now() - timedelta(days=self._days()))

    def _erase(self, found: list[str]) -> Slices:
        """One resident in each step, then what is left of them in old pages."""
        for resident_id in found:
            if self._is_due(resident_id):  # what was true when the job was begun may not be any more
                self._erase_one(resident_id)
            yield None
        yield from cleaning.slices(self._store)
        self._note_end()

    def _is_due(self, resident_id: str) -> bool:
        return resident_id in self._ended() and not vouching.doubtful(self._store, [resident_id])

    def _erase_one(self, resident_id: str) -> None:
        detail = {"days": self._days()}
        try:
            consent.erase_expired(self._store, resident_id, record=lambda: self._write(EXPIRED, resident_id, detail))
        finally:
            self._recognition.refresh(resident_id)
        self._journal.record("template expired", resident_id=resident_id, detail=detail)

    def _note_end(self) -> None:
        self._under_way = False


class _Itself:
    """Waits for a job that nobody asked for."""

    def __init__(self, note_end: Callable[[], None]) -> None:
        self._note_end = note_end

    def progress(self, _: Any) -> None:
        """Hear that it goes on."""

    def fail(self, error: EdgeGateError) -> None:
        """Say why it was not done; the next look tries again."""
        _log.error("expired templates were not erased: %s", error)
        self._note_end()
