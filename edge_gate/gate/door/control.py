# SPDX-License-Identifier: Apache-2.0
"""The only way to an opened door: the event is committed, then the relay is pulsed, then the outcome is written.

A crash between the first two leaves an event without an outcome and a closed door, never an opening that nobody can
find in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from edge_gate.core.errors import EdgeGateError
from edge_gate.gate.door.door import Door, DoorState
from edge_gate.gate.services import Journal, Outcome
from edge_gate.spec.model import FAILED
from edge_gate.spec.registry import told_as

_log = logging.getLogger(__name__)


def _nothing() -> None:
    return None


class DoorControl:
    """Opens the door for whoever asks, in the one order. ``pulse_ms()`` is the pulse that was agreed to."""

    def __init__(self, door: Door, journal: Journal, pulse_ms: Callable[[], int]) -> None:
        self._door = door
        self._journal = journal
        self._pulse_ms = pulse_ms

    @property
    def released(self) -> bool:
        """Whether the lock is released now, or about to be."""
        return self._door.state is DoorState.RELEASED or self._door.releasing

    @property
    def pulse_ms(self) -> int:
        """How long a pulse is at present."""
        return self._pulse_ms()

    def pulse(
        self,
        kind: str,
        *,
        on_outcome: Callable[[Outcome], None],
        resident_id: str | None = None,
        score: float | None = None,
        detail: dict[str, Any] | None = None,
        together: Callable[[], None] = _nothing,
    ) -> None:
        """Write an event of this kind, release the lock for one pulse, and write how it ended.

        ``together()`` is done in the transaction that writes the event. ``on_outcome`` is called once, when the relay
        has answered or failed, after the outcome was handed to the journal. Raises StoreError where the event could not
        be committed: the door then stays shut, and ``on_outcome`` is not called.
        """
        with self._journal.transaction():
            event = self._journal.begin(kind, resident_id=resident_id, score=score, detail=detail)
            together()

        def note(outcome: Outcome) -> None:
            told = f"{FAILED}: {outcome}" if isinstance(outcome, EdgeGateError) else outcome.value
            self._journal.finish(event, told)
            _log.info("%s, %s", told_as(kind, told), told)
            on_outcome(outcome)

        try:
            self._door.release(self._pulse_ms(), note)
        except EdgeGateError as error:  # it is known at once that there will be no pulse
            note(error)
