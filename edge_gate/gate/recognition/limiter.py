# SPDX-License-Identifier: Apache-2.0
"""Counts what is refused at this gate's camera, tells what that makes of the gate, and has it in the audit log."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from edge_gate.core.clock import Clock
from edge_gate.gate.recognition.keyring_watch import NoteWriter
from edge_gate.gate.services import Journal
from edge_gate.rules.limiter import Limits, State, Tries

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Burst:
    """Refusals that follow each other before all of them are forgiven."""

    refused: int = 0
    attacks: int = 0
    strictest: State = State.OPEN


class Limiter:
    """One for each run of the gate. ``note`` writes a row of the audit log."""

    def __init__(self, limits: Limits, journal: Journal, note: NoteWriter, clock: Clock) -> None:
        self.refusals = 0
        """How many judgements ended in a refusal since the start."""
        self._journal = journal
        self._note = note
        self._clock = clock
        self._tries = Tries(limits)
        self._burst = Burst()

    def adopt(self, limits: Limits) -> None:
        """Take the limits that were agreed to."""
        self._tries = replace(self._tries, limits=limits)

    @property
    def state(self) -> State:
        """What refusals have made of the gate."""
        return self._tries.state(self._clock.monotonic_ns())

    @property
    def milder_in_s(self) -> float | None:
        """In how many seconds it becomes milder, if nobody else is refused; None where it is open."""
        now_ns = self._clock.monotonic_ns()
        until_ns = self._tries.until_ns(now_ns)
        return None if until_ns is None else (until_ns - now_ns) / 1e9

    @property
    def strict(self) -> bool:
        """Whether twice as much is wanted to go by."""
        return self.state.rank >= State.STRICTER.rank

    @property
    def asks_for_token(self) -> bool:
        """Whether eyes alone do not open, whoever comes."""
        return self.state.rank >= State.TOKEN.rank

    @property
    def may_judge(self) -> bool:
        """Whether somebody may be compared with residents now."""
        return self._tries.may_judge(self._clock.monotonic_ns())

    def refused(self, *, attack: bool = False) -> None:
        """Count somebody who was judged and not let in."""
        self.refusals += 1
        self._burst.refused += 1
        self._burst.attacks += attack
        self._become(self._tries.refused(self._clock.monotonic_ns(), attack=attack))

    def turn_away(self) -> None:
        """Count somebody who came without a token although one was asked for."""
        self._become(self._tries.turn_away(self._clock.monotonic_ns()))

    def tick(self, now_ns: int) -> None:
        """Tell that a burst is over, once all of it is forgiven."""
        if self._burst.refused and not self._tries.counted(now_ns) and self._tries.state(now_ns) is State.OPEN:
            if self._burst.strictest is not State.OPEN:
                self._tell(State.OPEN)
            self._burst = Burst()

    def _become(self, tries: Tries) -> None:
        self._tries, before = tries, self._burst.strictest
        state = self.state
        if state.rank <= before.rank:
            return
        self._burst.strictest = state
        self._tell(state)
        if before.rank < State.STRICTER.rank <= state.rank:  # one row for a burst, and none for who waits at a door
            self._note("many refusals", detail={"refused": self._burst.refused, "attacks": self._burst.attacks})

    def _tell(self, state: State) -> None:
        burst = self._burst
        counts = {"refused": burst.refused, "attacks": burst.attacks}
        self._journal.record_seen(
            "limiter", detail={"state": state.value, "strictest": burst.strictest.value, **counts}
        )
        _log.warning("the limiter: %s, after %s refusals", state.value, burst.refused)
