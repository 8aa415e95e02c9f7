# SPDX-License-Identifier: Apache-2.0
"""An active challenge: somebody is asked to turn their head or close their eyes, in an order that nobody knows.

Nothing but numbers of sightings is judged: yaw, how far the eyes are open, and whether there is an embedding. A mask
hides none of them. The three acts contradict each other, so a film that happens to show one shows the others wrong.

An act counts where it is shown after it was asked for, and begins and ends with a straight look. A turn has to be seen
with an embedding as well: the eye begins a new track where that is another person's, so nobody turns for a picture. A
blink lasts 0.03 to 0.2 s, in a film as in a person, so eyes have to stay closed.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from edge_gate.rules.liveness import MOST_LOOKS, LivenessPoint, Look, measured
from edge_gate.settings.liveness import ALWAYS, NEVER
from edge_gate.wire.eye import AcquisitionFailure, Sighting


class Act(enum.Enum):
    """What somebody may be asked to do."""

    TURN_LEFT = "turn left"
    TURN_RIGHT = "turn right"
    CLOSE_EYES = "close eyes"


class Doubt(enum.Enum):
    """Why somebody is asked. NONE: nobody is."""

    NONE = "none"
    EVERYBODY = "everybody is asked"
    ALARM = "an attack or a failed challenge a moment ago"
    SCENE = "scene not known"
    SCORE = "score not clear"


class Outcome(enum.Enum):
    """How a challenge stands."""

    RUNNING = "running"
    PASSED = "passed"
    LATE = "not in time"
    OTHER = "another act"
    TOO_SOON = "before it could be known"


# Degrees. Straight, and turned; between them is neither. The quality gate gives embeddings up to 25.
STRAIGHT_DEG: Final = 9.0
TURNED_DEG: Final = 15.0
# Of the openness of the same eyes at rest.
CLOSED: Final = 0.6
CLOSED_NS: Final = 600_000_000
TURNED_LOOKS: Final = 3
# Nobody hears, understands and moves sooner.
REACTION_NS: Final = 400_000_000
STEP_NS: Final = 4_000_000_000
# Between two sightings of closed eyes: after a longer gap something else may have been shown.
GAP_NS: Final = 300_000_000
FEWEST_ACTS: Final = 2
# A mean score below it is not clear, though it may be above the card's threshold.
CLEAR: Final = 0.8
_EYES: Final = 15
_SEEN: Final = (AcquisitionFailure.NONE, AcquisitionFailure.TURNED_AWAY, AcquisitionFailure.EYES_CLOSED)
# By how many thousandths of a second each straight look before an act is longer than it has to be.
_PAUSE_MS: Final = (300, 1300)


def doubt(setting: str, *, alarm: bool, scene_known: bool, looks: Sequence[Look], point: LivenessPoint) -> Doubt:
    """Return why an approach that would open has to pass a challenge first."""
    if setting == NEVER:
        return Doubt.NONE
    if setting == ALWAYS:
        return Doubt.EVERYBODY
    if alarm:
        return Doubt.ALARM
    if not scene_known:
        return Doubt.SCENE
    scores = measured(looks)[-MOST_LOOKS:]
    clear = bool(scores) and sum(scores) / len(scores) >= max(CLEAR, point.threshold)
    return Doubt.NONE if clear else Doubt.SCORE


@dataclass(frozen=True, slots=True)
class Script:
    """What is asked for, one act after the other; ``pauses_ns`` how long somebody looks straight before each act, and
    at the end."""

    acts: tuple[Act, ...]
    pauses_ns: tuple[int, ...]

    @classmethod
    def drawn(cls, below: Callable[[int], int], length: int, without: Sequence[Act] = ()) -> Script:
        """Draw one. ``below(n)`` gives a number from 0 to n - 1; ``without``: what somebody failed at before.

        Acts may come twice: a film then has to guess each of them anew.
        """
        choice = [each for each in Act if each not in without]
        low, high = _PAUSE_MS
        pauses = (low + below(high - low) for _ in range(length + 1))
        return cls(tuple(choice[below(len(choice))] for _ in range(length)), tuple(each * 1_000_000 for each in pauses))


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge as it stands: of whom it is asked, and why. ``began_ns``: when its present step began.

    A step is a straight look, or, where ``asking``, the act number ``done``. ``eyes`` is how far they were open when
    somebody looked straight. Since the act was asked for: how many sightings were ``turned`` to the left and right,
    how many of these were ``known`` by an embedding, and since when the eyes are closed.
    """

    script: Script
    resident_id: str
    doubt: Doubt
    began_ns: int
    outcome: Outcome = Outcome.RUNNING
    done: int = 0
    asking: bool = False
    eyes: tuple[float, ...] = ()
    turned: tuple[int, int] = (0, 0)
    known: tuple[int, int] = (0, 0)
    closed_ns: int | None = None
    last_ns: int = 0

    @property
    def running(self) -> bool:
        """Whether it is neither passed nor failed."""
        return self.outcome is Outcome.RUNNING

    @property
    def asked(self) -> Act | None:
        """What is asked for now; None for a straight look."""
        return self.script.acts[self.done] if self.asking else None

    def excuses(self, sighting: Sighting) -> bool:
        """Tell whether a sighting shows what was asked for, so that its look says nothing of life: a person who turns
        resembles a picture to the network."""
        return self.running and abs(sighting.quality.yaw_deg) > STRAIGHT_DEG

    def lapsed(self, now_ns: int) -> Challenge:
        """Return it as it is by the time alone."""
        limit_ns = STEP_NS + (0 if self.asking else self.script.pauses_ns[self.done])
        late = self.running and now_ns - self.began_ns > limit_ns
        return replace(self, outcome=Outcome.LATE) if late else self

    def seen(self, sighting: Sighting) -> Challenge:
        """Return it after one more sighting of the same approach."""
        standing = self.lapsed(sighting.captured_ns)
        if not standing.running:
            return standing
        return standing._watched(sighting) if self.asking else standing._looked_straight(sighting)

    def _looked_straight(self, sighting: Sighting) -> Challenge:
        """The step ends with a straight look of open eyes, once its pause is over."""
        known = sighting.refusal is AcquisitionFailure.NONE
        if not known or abs(sighting.quality.yaw_deg) > STRAIGHT_DEG:
            return self
        eyes = (*self.eyes, sighting.quality.eyes_open)[-_EYES:]
        now_ns = sighting.captured_ns
        if now_ns - self.began_ns < self.script.pauses_ns[self.done] or sighting.quality.eyes_open <= _shut(eyes):
            return replace(self, eyes=eyes)
        if self.done == len(self.script.acts):
            return replace(self, eyes=eyes, outcome=Outcome.PASSED)
        begun = replace(self, eyes=eyes, asking=True, began_ns=now_ns, last_ns=now_ns)
        return replace(begun, turned=(0, 0), known=(0, 0), closed_ns=None)

    def _watched(self, sighting: Sighting) -> Challenge:
        now = self._counted(sighting)
        shown = now._shown()
        if not shown:
            return now
        if shown != {now.asked}:
            return replace(now, outcome=Outcome.OTHER)
        if sighting.captured_ns - now.began_ns < REACTION_NS:
            return replace(now, outcome=Outcome.TOO_SOON)
        return replace(now, done=now.done + 1, asking=False, began_ns=sighting.captured_ns)

    def _counted(self, sighting: Sighting) -> Challenge:
        if sighting.refusal not in _SEEN:
            return self  # too blurred or dark to say; a gap ends what was held
        yaw, now_ns = sighting.quality.yaw_deg, sighting.captured_ns
        known = sighting.refusal is AcquisitionFailure.NONE
        sides = (yaw >= TURNED_DEG, yaw <= -TURNED_DEG)
        shut = abs(yaw) <= STRAIGHT_DEG and sighting.quality.eyes_open <= _shut(self.eyes)
        held = self.closed_ns is not None and now_ns - self.last_ns <= GAP_NS
        return replace(
            self,
            turned=(self.turned[0] + sides[0], self.turned[1] + sides[1]),
            known=(self.known[0] + (sides[0] and known), self.known[1] + (sides[1] and known)),
            closed_ns=(self.closed_ns if held else now_ns) if shut else None,
            last_ns=now_ns,
        )

    def _shown(self) -> set[Act]:
        """Return the acts that were shown since this one was asked for. One's own turn takes an embedding to count."""
        shown = set()
        for side, act in enumerate((Act.TURN_LEFT, Act.TURN_RIGHT)):
            if self.turned[side] >= TURNED_LOOKS and (self.known[side] or self.asked is not act):
                shown.add(act)
        if self.closed_ns is not None and self.last_ns - self.closed_ns >= CLOSED_NS:
            shown.add(Act.CLOSE_EYES)
        return shown


def _shut(eyes: Sequence[float]) -> float:
    """Return how far closed eyes are open at the most: narrow eyes by their own measure."""
    return CLOSED * median(eyes)
