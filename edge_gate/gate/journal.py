# SPDX-License-Identifier: Apache-2.0
"""The gate's journal: events are written here, and a store that fails is noticed here."""

from __future__ import annotations

import logging
from collections import deque
from contextlib import AbstractContextManager
from typing import Any, Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import OutcomeNotAwaited, StoreError
from edge_gate.core.token_bucket import TokenBucket
from edge_gate.spec.model import INTERRUPTED
from edge_gate.spec.registry import EVENTS
from edge_gate.store import events
from edge_gate.store.database import Store
from edge_gate.store.events import Event

# Events that the eye alone can cause, at once and then each second: one that was taken over fills no disk.
MOST_SEEN: Final = 600
SEEN_PER_S: Final = 0.5
# An outcome that the store did not take is tried again this often.
RETRY_NS: Final = 10**9
# So many wait to be written; of older ones the next start says that they were interrupted.
MOST_OUTCOMES: Final = 64
_log = logging.getLogger(__name__)


class Journal:
    """Writes events. One object for each run of the gate; only the gate's own thread calls it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.fault: str | None = None
        """What the store's last failure said; None while it works."""
        self._store = store
        self._clock = clock
        self.seen_bucket = TokenBucket(MOST_SEEN, SEEN_PER_S, clock.monotonic_ns())
        """Bounds the events that the eye alone can cause."""
        self._unseen = 0
        self._outcomes: deque[tuple[str, str]] = deque(maxlen=MOST_OUTCOMES)
        self._retry_ns = 0

    def start(self) -> None:
        """Give an outcome to what a crash cut off. What was known to have one has lost it: that stays to be found."""
        known = self._store.anchor.known.events
        for event in events.unfinished(self._store):
            if event.seq > known.head.seq or event.seq <= known.base.seq:  # those of before the chain have no code
                events.finish(self._store, event.id, INTERRUPTED)

    def transaction(self) -> AbstractContextManager[None]:
        """Return a block that is written wholly or not at all."""
        return self._store.transaction()

    def begin(
        self,
        kind: str,
        *,
        resident_id: str | None = None,
        score: float | None = None,
        detail: dict[str, Any] | None = None,
    ) -> Event:
        """Write an event whose outcome follows. Raises StoreError; then what it announces must not be done."""
        return events.append(self._store, kind, awaited=True, resident_id=resident_id, score=score, detail=detail)

    def finish(self, event: Event, outcome: str) -> None:
        """Write how an event ended. A store that does not take it now is asked again by `tick`."""
        self._outcomes.append((event.id, outcome))
        self._write_outcomes()

    def record(self, kind: str, *, resident_id: str | None = None, detail: dict[str, Any] | None = None) -> None:
        """Write an event that nothing waits for. A store that is full or read-only is told, and the gate goes on."""
        try:
            events.append(self._store, kind, resident_id=resident_id, detail=detail)
            self.fault = None
        except StoreError as error:
            self.note_fault(error)

    def record_seen(self, kind: str, *, detail: dict[str, Any] | None = None) -> None:
        """Write an event that the eye alone can cause. Those beyond the bound are counted; the next one tells them."""
        if not EVENTS[kind].by_eye:
            raise ValueError(f"the eye alone does not cause an event named {kind!r} (edge_gate/spec)")
        if not self.seen_bucket.spend(self._clock.monotonic_ns()):
            self._unseen += 1
            return
        if self._unseen:
            detail = {**(detail or {}), "not_written_down": self._unseen}
            self._unseen = 0
        self.record(kind, detail=detail)

    def note_fault(self, error: StoreError) -> None:
        """Remember that the store failed; a failure that is told already is not told again."""
        if self.fault != str(error):
            _log.error("%s", error)
        self.fault = str(error)

    def tick(self, now_ns: int) -> None:
        """Try again to write the outcomes that the store did not take."""
        if self._outcomes and now_ns >= self._retry_ns:
            self._write_outcomes()

    def stop(self) -> None:
        """Write each outcome that waits, if the store takes it now; of the others the next start says interrupted."""
        for _ in range(len(self._outcomes)):
            self._write_outcomes()

    def _write_outcomes(self) -> None:
        while self._outcomes:
            event_id, outcome = self._outcomes[0]
            try:
                events.finish(self._store, event_id, outcome)
            except OutcomeNotAwaited as error:  # it was written although the store said that it was not
                _log.error("%s", error)
            except StoreError as error:
                self._retry_ns = self._clock.monotonic_ns() + RETRY_NS
                self._outcomes.rotate(-1)  # one that is never taken must not keep the others
                self.note_fault(error)
                return
            self._outcomes.popleft()
            self.fault = None
