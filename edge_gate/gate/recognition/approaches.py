# SPDX-License-Identifier: Apache-2.0
"""From sightings to decisions: each approach is judged, and the door opened, the refusal or the failure written."""

from __future__ import annotations

import logging

from edge_gate.core.clock import Clock
from edge_gate.core.errors import EdgeGateError, StoreError
from edge_gate.gate.recognition.attacks import AttackWatch
from edge_gate.gate.services import DoorControl, Journal, Mode, Outcome, Recognition
from edge_gate.rules.fusion import Approach, ApproachTracker
from edge_gate.rules.policy import Decision, Verdict
from edge_gate.settings.config import DecisionSettings
from edge_gate.wire.eye import Sighting

_LONG_AGO_NS = -(10**18)
_log = logging.getLogger(__name__)


class Approaches:
    """Judges the one approach that may be under way."""

    def __init__(
        self,
        recognition: Recognition,
        door: DoorControl,
        journal: Journal,
        mode: Mode,
        attacks: AttackWatch,
        settings: DecisionSettings,
        clock: Clock,
    ) -> None:
        self._recognition = recognition
        self._door = door
        self._journal = journal
        self._mode = mode
        self._attacks = attacks
        self._clock = clock
        self.adopt(settings)
        self._opened_ns: dict[str, int] = {}
        self._pending: set[str] = set()

    def adopt(self, settings: DecisionSettings) -> None:
        """Judge by these settings from now on. An approach under way begins anew."""
        self._hold_off_ns = settings.hold_off_s * 1e9
        self._tracker = ApproachTracker(settings.gap_s)

    @property
    def current(self) -> Approach | None:
        """The approach under way, if any: while the gate is paused nobody is looked at."""
        return None if self._mode.paused else self._tracker.current

    def see(self, sighting: Sighting, *, enrolling: bool) -> None:
        """Take one sighting, and judge. Raises StoreError where an opening could not be written; none then happens.

        ``enrolling``: the sighting was used for an enrolment. The person then steps away and comes again.
        """
        approach, ended = self._tracker.add(sighting)
        if ended is not None:
            self._end(ended)
        if enrolling:
            approach.settled = True
        self._consider(approach)

    def tick(self, now_ns: int) -> None:
        """End an approach that nobody continues, and judge the current one by the time. Raises StoreError."""
        ended = self._tracker.expire(now_ns)
        if ended is not None:
            self._end(ended)
        if self._tracker.current is not None:
            self._consider(self._tracker.current)

    def _consider(self, approach: Approach) -> None:
        if self._mode.held or self._mode.paused:
            return
        decision = self._judge(approach)
        if decision.verdict is Verdict.OPEN:
            self._open_to_a_person(approach, decision)
        elif decision.verdict is Verdict.REFUSE:
            self._refuse(approach, decision)

    def _judge(self, approach: Approach) -> Decision:
        return self._recognition.policy.decide(approach, self._recognition.gallery, self._clock.monotonic_ns())

    def _open_to_a_person(self, approach: Approach, decision: Decision) -> None:
        """Open, unless a picture of the resident may be what is seen: then wait, and refuse when the time is over."""
        if self._attacks.may_open(approach):
            self._open(approach, decision)
        elif self._recognition.policy.window_over(approach, self._clock.monotonic_ns()):
            self._refuse_unproven(approach)

    def _refuse_unproven(self, approach: Approach) -> None:
        """Somebody known may stand there, or a picture of them. The event names nobody, as of any attack."""
        if self._attacks.is_attack(approach):
            self._attacks.note_attack(approach)
        elif approach.attempt == 1:
            self._attacks.note_unsure(approach)
        self._next_attempt(approach)

    def _open(self, approach: Approach, decision: Decision) -> None:
        now, resident_id = self._clock.monotonic_ns(), str(decision.resident_id)
        if resident_id in self._pending:  # whether the door obeys is not known yet: this approach waits for it
            return
        approach.settled = True
        if now - self._opened_ns.get(resident_id, _LONG_AGO_NS) < self._hold_off_ns:
            return

        self._opened_ns[resident_id] = now
        self._pending.add(resident_id)

        def note(outcome: Outcome) -> None:
            self._pending.discard(resident_id)
            if isinstance(outcome, EdgeGateError):
                self._opened_ns.pop(resident_id, None)
                self._next_attempt(approach)

        try:
            self._door.pulse(
                "opened",
                resident_id=resident_id,
                score=decision.comparison_score,
                detail={"sightings": len(approach.vectors), "captured_ns": approach.last.captured_ns},
                on_outcome=note,
            )
        except StoreError:  # nothing was begun: the next turn tries again, and nobody has to step away for it
            self._pending.discard(resident_id)
            self._opened_ns.pop(resident_id, None)
            approach.settled = False
            raise

    def _refuse(self, approach: Approach, decision: Decision) -> None:
        if self._attacks.is_attack(approach):
            self._attacks.note_attack(approach)
        elif approach.attempt == 1:  # one person who stands there is one event, however often they are compared
            self._journal.record_seen("no match", score=decision.comparison_score)
            _log.info("no match")
        self._next_attempt(approach)

    def _next_attempt(self, approach: Approach) -> None:
        approach.settled = approach.attempt >= self._recognition.policy.settings.attempts
        approach.next_attempt()

    def _end(self, approach: Approach) -> None:
        """Somebody left. A person who was never seen well enough is worth an event: it may be a bad light.

        Where attacks are only watched, one that opened is told now that all of it was seen."""
        if approach.settled and self._attacks.is_attack(approach):
            self._attacks.note_attack(approach)
        if approach.settled or approach.attempt > 1 or approach.accepted + approach.refusals.total() < 2:
            return
        if len(approach.vectors) >= self._recognition.policy.settings.min_sightings:
            decision = self._judge(approach)
            if decision.verdict is Verdict.OPEN:
                self._refuse_unproven(approach)
            else:
                self._refuse(approach, decision)
            return
        reasons = approach.refusals.most_common(1)
        detail = {"accepted": approach.accepted, "reason": reasons[0][0].name.lower() if reasons else "left too soon"}
        self._journal.record_seen("not acquired", detail=detail)
