# SPDX-License-Identifier: Apache-2.0
"""Who is asked to turn their head or close their eyes before the door opens, and what became of it.

The rule is edge_gate.rules.challenge. It only ever asks for more: who is not recognised, or not found live, is not let
in by a challenge. A failed one is a refusal and no attack: somebody may not have understood, or cannot move so.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.gate.recognition.attacks import AttackWatch
from edge_gate.gate.services import Journal
from edge_gate.rules.challenge import FEWEST_ACTS, Challenge, Doubt, Outcome, Script, doubt
from edge_gate.rules.fusion import Approach
from edge_gate.settings.liveness import NEVER, REQUIRE

# For so long after an attack or a failed challenge everybody is asked, where anybody is.
ALARM_NS: Final = 300_000_000_000
# How often one who stands there is asked: once more with other acts, then there is the other way in.
MOST_TRIES: Final = 2
UNHEARD: Final = (
    "people are asked to move (liveness.challenge), and no display shows it: whoever is asked is not let in"
)
_log = logging.getLogger(__name__)


class Challenges:
    """One for each run of the gate. ``setting()``: never, in-doubt or always, as it was agreed to; ``scene_known()``
    tells whether the eye knows the scene; ``heard()`` whether a display shows people what they are asked."""

    def __init__(
        self,
        attacks: AttackWatch,
        journal: Journal,
        clock: Clock,
        setting: Callable[[], str],
        scene_known: Callable[[], bool],
        heard: Callable[[], bool],
    ) -> None:
        self._attacks = attacks
        self._journal = journal
        self._clock = clock
        self._setting = setting
        self._scene_known = scene_known
        self._heard = heard
        self._failed_ns: int | None = None

    @property
    def setting(self) -> str:
        """When somebody is asked: never, in-doubt or always. Where pictures are let pass, nobody is."""
        return self._setting() if self._attacks.mode == REQUIRE else NEVER

    @property
    def fault(self) -> str | None:
        """Why people cannot do what they are asked, or None."""
        return UNHEARD if self.setting != NEVER and not self._heard() else None

    @staticmethod
    def running(approach: Approach) -> bool:
        """Tell whether somebody was asked, and has neither done it nor failed. Whoever is let in or enrolled is not."""
        return not approach.settled and approach.challenge is not None and approach.challenge.running

    def let_pass(self, approach: Approach, resident_id: str) -> bool:
        """Tell whether an approach that would open may. Where there is a doubt, ask first."""
        asked = approach.challenge
        if asked is not None and asked.outcome is Outcome.PASSED and asked.resident_id == resident_id:
            return True
        why = self._doubt_about(approach)
        if why is Doubt.NONE:
            return True
        if not self._heard():
            self._write(approach, "asked to move, and no display shows it")
            approach.failed_at.append(None)
            approach.settled = True
        elif len(approach.failed_at) >= MOST_TRIES:
            approach.settled = True
        else:
            length = FEWEST_ACTS + self._alarmed + bool(approach.failed_at)
            script = Script.drawn(secrets.randbelow, length, [each for each in approach.failed_at if each is not None])
            approach.challenge = Challenge(script, resident_id, why, self._clock.monotonic_ns())
            _log.info("a challenge of %d acts: %s", length, why.value)
        return False

    def failed(self, approach: Approach) -> bool:
        """Tell whether somebody did not do what was asked, and write it. The caller begins the next attempt."""
        if approach.settled or approach.challenge is None:
            return False
        approach.challenge = asked = approach.challenge.lapsed(self._clock.monotonic_ns())
        if asked.outcome in (Outcome.RUNNING, Outcome.PASSED):
            return False
        self._note_failed(approach, asked, asked.outcome.value)
        return True

    def left(self, approach: Approach) -> bool:
        """Tell whether somebody went away before they had done what was asked, and write it."""
        if approach.challenge is None or not self.running(approach):
            return False
        self._note_failed(approach, approach.challenge, "left")
        return True

    def _note_failed(self, approach: Approach, asked: Challenge, how: str) -> None:
        self._failed_ns = self._clock.monotonic_ns()
        approach.failed_at.append(asked.asked)
        self._write(approach, "did not do what was asked", asked=_named(asked), how=how, doubt=asked.doubt.value)

    def _write(self, approach: Approach, reason: str, **more: str) -> None:
        """Write that a known person was not let in. It names nobody: a picture of them may have been held up."""
        detail = {"accepted": approach.accepted, "reason": reason, **more, "captured_ns": approach.last.captured_ns}
        self._journal.record_seen("not acquired", detail=detail)
        _log.info("not acquired: %s", reason)

    def _doubt_about(self, approach: Approach) -> Doubt:
        return doubt(
            self.setting,
            alarm=self._alarmed,
            scene_known=self._scene_known(),
            looks=approach.looks,
            point=self._attacks.point,
        )

    @property
    def _alarmed(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        moments = (self._failed_ns, self._attacks.attacked_ns)
        return any(moment is not None and now_ns - moment < ALARM_NS for moment in moments)


def _named(asked: Challenge) -> str:
    return "look straight" if asked.asked is None else asked.asked.value
