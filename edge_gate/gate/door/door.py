# SPDX-License-Identifier: Apache-2.0
"""The door: one state machine, the only caller of a relay.

::

            all relays off                    pulse
    FAULT ────────────────▶ SECURE ─────────────────────▶ RELEASED
      ▲                      ▲  │                            │
      │   the relay fails    │  └── the relay fails ──┐      │ the pulse is over
      └──────────────────────┼───────────────────────-┴──────┤
                             └───────────────────────────────┘

Nothing is read from disk here and nothing here is written: after any start the door is in FAULT until every relay has
been switched off, so no earlier life of the process can be continued. How the lock behaves without power is a matter
of its wiring (docs/installer.md).
"""

from __future__ import annotations

import enum
import logging
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import GuardLost, RelayError
from edge_gate.relays.board import Confirmation, RelayBoard
from edge_gate.settings.config import DoorSettings

RETRY_NS: Final = 2_000_000_000
_log = logging.getLogger(__name__)


class DoorState(enum.Enum):
    """Where the door is. ``FAULT``: the relay does not answer, so nothing is promised and nothing can be opened."""

    FAULT = "fault"
    SECURE = "secure"
    RELEASED = "released"


class Door:
    """Guards the relay. Every method returns quickly: a serial exchange at most."""

    def __init__(self, board: RelayBoard, settings: DoorSettings, clock: Clock) -> None:
        self._board = board
        self._settings = settings
        self._clock = clock
        self._state = DoorState.FAULT
        self._fault = "not yet reached"
        self._released_until_ns = 0
        self._retry_at_ns = 0
        self.lost: GuardLost | None = None  # the fault that no later attempt can mend

    @property
    def state(self) -> DoorState:
        """Where the door is now."""
        return self._state

    @property
    def fault(self) -> str | None:
        """Why the door is in FAULT, for the maintainer; None when it is not."""
        return self._fault if self._state is DoorState.FAULT else None

    @property
    def due_ns(self) -> int | None:
        """When `tick` next has something to do (CLOCK_MONOTONIC), or None."""
        times = [self._board.due_ns]
        if self._state is DoorState.FAULT:
            times.append(self._retry_at_ns)
        if self._state is DoorState.RELEASED:
            times.append(self._released_until_ns)
        return min((each for each in times if each is not None), default=None)

    def secure(self) -> bool:
        """Switch every relay off; called first at every start. Returns whether the door is now known to be secure."""
        try:
            self._board.all_off()
        except RelayError as error:
            self._fail(error)
            return False
        if self._state is DoorState.FAULT:
            _log.info("the relay on %s is ready, every channel is off", self._settings.port)
        self._state = DoorState.SECURE
        return True

    def release(self, pulse_ms: int) -> Confirmation:
        """Release the lock for one pulse. Raises RelayError where the relay failed; the door is then in FAULT.

        How long is for the caller to say: a longer pulse than was agreed to waits for a second person
        (edge_gate/rules/agreed_policy.py).
        """
        try:
            confirmation = self._board.pulse(self._settings.channel, pulse_ms)
        except RelayError as error:
            self._fail(error)
            raise
        self._released_until_ns = self._clock.monotonic_ns() + pulse_ms * 1_000_000
        self._state = DoorState.RELEASED
        return confirmation

    def tick(self) -> None:
        """Do what is due: end a pulse, or try again to reach a relay that failed."""
        now = self._clock.monotonic_ns()
        try:
            self._board.tick()
        except RelayError as error:
            self._fail(error)
        if self._state is DoorState.RELEASED and now >= self._released_until_ns:
            self._state = DoorState.SECURE
        elif self._state is DoorState.FAULT and now >= self._retry_at_ns:
            self.secure()

    def close(self) -> None:
        """Leave the door secure, as far as the relay still obeys."""
        self.secure()
        self._board.close()

    def _fail(self, error: RelayError) -> None:
        if self._state is not DoorState.FAULT or str(error) != self._fault:
            _log.error("%s", error)
        self._state = DoorState.FAULT
        self._fault = str(error)
        if isinstance(error, GuardLost):
            self.lost = error
        self._retry_at_ns = self._clock.monotonic_ns() + RETRY_NS
