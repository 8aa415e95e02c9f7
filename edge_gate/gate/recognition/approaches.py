# SPDX-License-Identifier: Apache-2.0
"""From sightings to decisions: each approach is judged, and the door opened, the refusal or the failure written."""

from __future__ import annotations

import logging
from typing import Any, Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import EdgeGateError, StoreError
from edge_gate.gate.recognition.attacks import AttackWatch
from edge_gate.gate.recognition.challenges import Challenges
from edge_gate.gate.recognition.limiter import Limiter
from edge_gate.gate.services import DoorControl, Journal, Mode, Outcome, Recognition
from edge_gate.rules.fusion import Approach, ApproachTracker
from edge_gate.rules.policy import Decision, Verdict
from edge_gate.rules.visit import Told, Visit
from edge_gate.settings.config import DecisionSettings
from edge_gate.wire.eye import Sighting

_LONG_AGO_NS: Final = -(10**18)
# An opening's score says who is let in only just, and had better be enrolled again: a tenth is enough for that. Whoever
# would learn more of a template from it opens the door, and is in the log, for each look.
SCORE_DIGITS: Final = 1
TOKEN_ASKED: Final = "eyes alone do not open now"  # noqa: S105 - a sentence
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
        limiter: Limiter,
        challenges: Challenges,
        settings: DecisionSettings,
        clock: Clock,
    ) -> None:
        self._recognition = recognition
        self._door = door
        self._journal = journal
        self._mode = mode
        self._attacks = attacks
        self._limiter = limiter
        self._challenges = challenges
        self._clock = clock
        self._visit = _nobody()
        self.adopt(settings)
        self._opened_ns: dict[str, int] = {}
        self._pending: set[str] = set()

    def adopt(self, settings: DecisionSettings) -> None:
        """Judge by these settings from now on. An approach under way begins anew."""
        self._hold_off_ns = settings.hold_off_s * 1e9
        self._gap_ns = int(settings.gap_s * 1e9)
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
        self._visit_goes_on(sighting.captured_ns)
        if enrolling:
            if approach.judged and not approach.settled:  # else whoever begins an enrolment tries for nothing
                self._count_refused(attack=self._attacks.refuses and self._attacks.is_attack(approach))
            approach.settled = True
            self._visit = _nobody()
        self._consider(approach)

    def tick(self, now_ns: int) -> None:
        """End an approach that nobody continues, and judge the current one by the time. Raises StoreError."""
        ended = self._tracker.expire(now_ns)
        if ended is not None:
            self._end(ended)
        if self._visit.over(now_ns, self._gap_ns):
            self._leave()
        if self._tracker.current is not None:
            self._consider(self._tracker.current)

    def _visit_goes_on(self, now_ns: int) -> None:
        if self._visit.over(now_ns, self._gap_ns):
            self._leave()
            self._visit = Visit(now_ns, now_ns)
        self._visit.last_ns = now_ns

    def _consider(self, approach: Approach) -> None:
        policy = self._recognition.policy
        if self._mode.held or self._mode.paused:
            return
        if self._challenges.failed(approach):
            self._count_failed()
            self._next_attempt(approach)
        if self._challenges.running(approach) or not policy.enough(approach, twice=self._limiter.strict):
            return
        over = policy.window_over(approach, self._clock.monotonic_ns())
        if self._limiter.asks_for_token:
            approach.turned_away = True
            if over:
                self._refuse(approach)
        elif approach.judged or self._limiter.may_judge:
            approach.judged, approach.turned_away = True, False
            decision = policy.decide(approach, self._recognition.gallery, self._clock.monotonic_ns())
            if decision.verdict is Verdict.OPEN and self._attacks.may_open(approach):
                self._open_unless_in_doubt(approach, decision)
            elif over:
                self._refuse(approach)

    def _open_unless_in_doubt(self, approach: Approach, decision: Decision) -> None:
        """Open; in doubt, ask them to move first."""
        if self._challenges.let_pass(approach, str(decision.resident_id)):
            self._open(approach, decision)
        elif approach.settled:  # nobody could ask them, or they failed too often: it is written
            self._visit.graver(Told.SEEN)

    def _count_failed(self) -> None:
        """Count a challenge that was failed: it is a refusal, and whoever asked has written it."""
        self._count_refused()
        self._visit.graver(Told.SEEN)

    def _open(self, approach: Approach, decision: Decision) -> None:
        now, resident_id = self._clock.monotonic_ns(), str(decision.resident_id)
        approach.judged = False
        if resident_id in self._pending:  # whether the door obeys is not known yet: this approach waits for it
            return
        approach.settled = True
        self._visit.graver(Told.SEEN)
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
                score=None if decision.comparison_score is None else round(decision.comparison_score, SCORE_DIGITS),
                detail=_seen(approach),
                on_outcome=note,
            )
        except StoreError:  # nothing was begun: the next turn tries again, and nobody has to step away for it
            self._pending.discard(resident_id)
            self._opened_ns.pop(resident_id, None)
            approach.settled = False
            raise

    def _refuse(self, approach: Approach) -> None:
        """Somebody had their time, or left. Whether, or how nearly, they were recognised makes no difference to what is
        told: else one could climb by it."""
        if not approach.judged:
            self._limiter.turn_away()
            self._visit.unproven = TOKEN_ASKED
        else:
            attack = self._attacks.is_attack(approach)
            self._count_refused(attack=attack and self._attacks.refuses)
            if attack:
                self._tell_attack(approach)
            else:
                self._tell_refusal(self._attacks.unproven(approach))
        self._next_attempt(approach)

    def _count_refused(self, *, attack: bool = False) -> None:
        """Count a try. Where nobody is enrolled, or nobody could be let in, there is nothing to try."""
        if self._recognition.gallery.ids and not self._attacks.fault:
            self._limiter.refused(attack=attack)

    def _tell_refusal(self, unproven: str) -> None:
        if unproven:  # a person may be seen yet; if not, it is told when they leave
            self._visit.unproven = unproven
        elif self._visit.graver(Told.NO_MATCH):
            self._journal.record_seen("no match")
            _log.info("no match")

    def _tell_attack(self, approach: Approach) -> None:
        anew = self._visit.graver(Told.ATTACK)
        self._attacks.tell(approach.looks, approach.last.captured_ns, anew=anew)

    def _next_attempt(self, approach: Approach) -> None:
        approach.settled = approach.attempt >= self._recognition.policy.settings.attempts
        approach.next_attempt()

    def _end(self, approach: Approach) -> None:
        """The eye lost somebody. Whoever was compared with residents until then was refused, so that nobody tries again
        and again by coming under other numbers."""
        if approach.attempt > 1 or not approach.settled:  # not who was let in, or enrolled
            self._visit.add(approach)
        if approach.settled:
            if self._attacks.is_attack(approach):  # where attacks are only watched, all of one that opened was now seen
                self._tell_attack(approach)
        elif self._challenges.left(approach):
            self._count_failed()
        elif approach.judged or approach.turned_away:
            self._refuse(approach)

    def _leave(self) -> None:
        """Somebody left. A person who was never seen well enough is worth an event: it may be a bad light."""
        visit = self._visit
        reason = visit.missed
        if reason and visit.graver(Told.SEEN):
            seen = {"captured_ns": visit.last_ns} if visit.unproven else {}
            self._journal.record_seen("not acquired", detail={"accepted": visit.accepted, "reason": reason, **seen})


def _nobody() -> Visit:
    return Visit(_LONG_AGO_NS, _LONG_AGO_NS)


def _seen(approach: Approach) -> dict[str, Any]:
    """Return what an opening rests on."""
    seen = {"sightings": len(approach.vectors), "captured_ns": approach.last.captured_ns}
    return seen if approach.challenge is None else {**seen, "challenge": approach.challenge.doubt.value}
