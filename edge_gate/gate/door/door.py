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

RELEASED begins when the board has taken the pulse, a few ms after `Door.release`: before that nothing is known, and the
door never claims an opening that may not have been. Until then `Door.releasing` says that an outcome is awaited.

SECURE ends when the port goes. Each `tick` looks at it, also for a board that never answers: the descriptor hangs up,
a control call fails on it, or its device node is removed (edge_gate/relays/port.py).
"""

from __future__ import annotations

import enum
import logging
import selectors
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import GuardLost, RelayError
from edge_gate.relays.board import RelayBoard
from edge_gate.relays.machine import SETTLE_S, Wake, settle
from edge_gate.relays.pulses import Confirmation
from edge_gate.settings.config import DoorSettings

RETRY_NS: Final = 2_000_000_000
LOOK_NS: Final = 1_000_000_000
"""How often the port is looked at while the door is at rest. Nothing is sent for that."""
OnOutcome = Callable[[Confirmation | RelayError], None]
_log = logging.getLogger(__name__)


class DoorState(enum.Enum):
    """Where the door is. ``FAULT``: the relay does not answer, so nothing is promised and nothing can be opened."""

    FAULT = "fault"
    SECURE = "secure"
    RELEASED = "released"


class Door:
    """Guards the relay. A machine (edge_gate/relays/machine.py): no method waits but `settle` and `close`."""

    def __init__(self, board: RelayBoard, settings: DoorSettings, clock: Clock) -> None:
        self._board = board
        self._settings = settings
        self._clock = clock
        self._state = DoorState.FAULT
        self._fault = "not yet reached"
        self._released_until_ns = 0
        self._retry_at_ns = 0
        self._look_at_ns = 0
        self._securing = False
        self._awaited = 0
        self._outcomes: deque[tuple[OnOutcome, Confirmation | RelayError]] = deque()
        self.lost: GuardLost | None = None  # the fault that no later attempt can mend
        board.report_to(self._fail)

    @property
    def state(self) -> DoorState:
        """Where the door is now."""
        return self._state

    @property
    def fault(self) -> str | None:
        """Why the door is in FAULT, for the maintainer; None when it is not."""
        return self._fault if self._state is DoorState.FAULT else None

    @property
    def releasing(self) -> bool:
        """Whether the outcome of a release is still awaited."""
        return self._awaited > 0

    @property
    def busy(self) -> bool:
        """Whether an exchange is under way or an outcome has still to be told."""
        return self._board.busy or self.releasing

    @property
    def due_ns(self) -> int | None:
        """When `tick` next has something to do (CLOCK_BOOTTIME), or None."""
        times = [self._board.due_ns]
        if self._outcomes:
            times.append(self._clock.monotonic_ns())
        if self._must_retry:
            times.append(self._retry_at_ns)
        if self._state is DoorState.RELEASED:
            times.append(self._released_until_ns)
        if self._state is not DoorState.FAULT:
            times.append(self._look_at_ns)
        return min((each for each in times if each is not None), default=None)

    def secure(self) -> None:
        """Begin to switch every relay off; called first at every start. A pulse that was not sent yet never will be."""
        self._securing = True
        self._board.all_off(self._note_secured)

    def check_pulse(self) -> None:
        """Raise BadPulse where the board cannot give the configured pulse: at the start, not at the first resident."""
        self._board.check_pulse(self._settings.channel, self._settings.pulse_ms)

    def release(self, pulse_ms: int, on_outcome: OnOutcome) -> None:
        """Begin to release the lock for one pulse. ``on_outcome`` is called once, by a later `tick` or by `close`.

        It is told the Confirmation, or the RelayError with which the relay failed; the door is then in FAULT. Raises
        BadPulse and Busy for what is known at once; then nothing is sent and there is no outcome.

        An error that ``on_outcome`` raises leaves `tick` once. The door stays unharmed, and every other outcome is told
        by the next `tick`. What becomes of an outcome that cannot be recorded is for the caller to say.

        The caller says how long: a longer pulse than was agreed to waits for a second person
        (edge_gate/rules/agreed_policy.py).
        """
        self._board.pulse(self._settings.channel, pulse_ms, partial(self._note_outcome, pulse_ms, on_outcome))
        self._awaited += 1

    def tick(self) -> None:
        """Do what is possible or due: go on with an exchange, end a pulse, try again to reach a relay that failed.

        Raises what a caller's ``on_outcome`` raises, and nothing of its own.
        """
        self._board.tick()
        now = self._clock.monotonic_ns()
        self._look_at_ns = now + LOOK_NS
        if self._state is DoorState.RELEASED and now >= self._released_until_ns:
            self._state = DoorState.SECURE
        elif self._must_retry and now >= self._retry_at_ns:
            self.secure()
        self._tell()

    def attach(self, selector: selectors.BaseSelector, wake: Wake) -> None:
        """Keep the relay's descriptors registered with ``wake`` as their data; it should lead to `tick`."""
        self._board.attach(selector, wake)

    def detach(self) -> None:
        """Take the relay's descriptors back from the selector."""
        self._board.detach()

    def settle(self, timeout_s: float = SETTLE_S) -> bool:
        """Turn the door, where no loop does, until every exchange has ended and every outcome is told.

        Returns whether that came within the timeout. The door leaves the selector that it was attached to.
        """
        return settle(self, self._clock, timeout_s)

    def close(self) -> None:
        """Leave the door secure, as far as the relay still obeys, and tell the outcomes that are still awaited."""
        self.secure()
        try:
            self.settle()
        finally:
            self._board.close()
            self._tell()

    @property
    def _must_retry(self) -> bool:
        """A release that is under way says itself whether the relay is back, and must not be switched off."""
        return self._state is DoorState.FAULT and not self._securing and not self.releasing

    def _note_secured(self, error: RelayError | None) -> None:
        self._securing = False
        if error is not None:
            self._fail(error)
            return
        if self._state is DoorState.FAULT:
            _log.info("the relay on %s is ready, every channel is off", self._settings.port)
        self._state = DoorState.SECURE

    def _note_outcome(self, pulse_ms: int, on_outcome: OnOutcome, outcome: Confirmation | RelayError) -> None:
        if isinstance(outcome, RelayError):
            self._fail(outcome)
        else:
            self._released_until_ns = self._clock.monotonic_ns() + pulse_ms * 1_000_000
            self._state = DoorState.RELEASED
        self._outcomes.append((on_outcome, outcome))

    def _tell(self) -> None:
        """Tell the outcomes when nothing else is half done, so that an error of a caller's harms nothing."""
        while self._outcomes:
            on_outcome, outcome = self._outcomes.popleft()
            self._awaited -= 1
            on_outcome(outcome)

    def _fail(self, error: RelayError) -> None:
        if self._state is not DoorState.FAULT or str(error) != self._fault:
            _log.error("%s", error)
        self._state = DoorState.FAULT
        self._fault = str(error)
        if isinstance(error, GuardLost):
            self.lost = error
        self._retry_at_ns = self._clock.monotonic_ns() + RETRY_NS
