# SPDX-License-Identifier: Apache-2.0
"""Is it a person, or a picture of one? From what the eye's layers measure to a verdict about an approach.

Two steps. In the eye, `fuse` makes one PAD score of what each layer says of one look; the weights are the card's. In
the gate, `judge` makes one verdict of the scores of an approach: certain early where they are clear, patient where more
looks help. What was not measured counts for nothing, and nothing is no proof of life.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from edge_gate.wire.eye import PadReason, Sighting


class Liveness(enum.Enum):
    """What an approach was found to be."""

    LIVE = "live"
    ATTACK = "attack"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the layers say of one look.

    ``texture``: the network's logit, positive for a person; ``covered``: that of the view in which the lower half of
    the face is covered, None where there is only one. ``scene``: the share of the known background that is where it
    always was, 0 to 1; None where the background is not known.
    """

    texture: float
    scene: float | None = None
    covered: float | None = None


@dataclass(frozen=True, slots=True)
class LivenessPoint:
    """The card's weights and operating point.

    The PAD score is the logistic function of a sum. Its first part is ``texture_weight * (texture - texture_middle)``,
    at most ``texture_limit`` either way, in the mean over the views. Where the scene is known, the second part is
    ``scene_weight * (scene - scene_middle)``, at most ``scene_for`` for a person and ``scene_against`` against. A
    network that is certain is often wrong, so a hidden scene outweighs it. ``threshold`` is on the mean score of an
    approach of at least ``fewest`` looks; the mean has to be away from it by ``margin`` divided by the square root of
    their number.
    """

    texture_weight: float
    texture_middle: float
    texture_limit: float
    scene_weight: float
    scene_middle: float
    scene_for: float
    scene_against: float
    threshold: float
    fewest: int
    margin: float

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> LivenessPoint:
        """Read the card's table. Raises ValueError naming the field that is missing or out of bounds."""
        values: dict[str, float] = {}
        for name in cls.__slots__:
            value = table.get(name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 100:
                raise ValueError(f"{name!r} is no number below 100")
            if value < 0 and name not in ("texture_middle", "scene_middle"):  # what speaks for would speak against
                raise ValueError(f"{name!r} is below 0")
            values[name] = value
        if not 0 < values["threshold"] < 1:
            raise ValueError("'threshold' must lie between 0 and 1")
        fewest = values.pop("fewest")
        if fewest != int(fewest) or not 1 <= fewest <= MOST_LOOKS:
            raise ValueError(f"'fewest' is no whole number from 1 to {MOST_LOOKS}")
        return cls(**values, fewest=int(fewest))


@dataclass(frozen=True, slots=True)
class Look:
    """One measured look: its PAD score, 0 to 1, and what speaks most against a person in it."""

    score: float
    reason: PadReason

    @classmethod
    def of(cls, sighting: Sighting) -> Look | None:
        """Return the look that a sighting tells of, or None where none was measured."""
        if sighting.pad_reason is PadReason.NOT_MEASURED:
            return None
        return cls(sighting.pad_score, sighting.pad_reason)


# Of an approach the newest looks count: three seconds of them at the eye's pace.
MOST_LOOKS: Final = 24
# The score of a look that is no person's, whatever else was measured.
REFUTED: Final = 0.02


def fuse(evidence: Evidence, point: LivenessPoint) -> Look:
    """Return the PAD score of one look. A figure that is no number gives a score of nan: not measured."""
    seen = point.scene_middle if evidence.scene is None else evidence.scene
    views = [evidence.texture] if evidence.covered is None else [evidence.texture, evidence.covered]
    if not all(map(math.isfinite, (*views, seen))):
        return Look(math.nan, PadReason.NOT_MEASURED)
    said = [point.texture_weight * (each - point.texture_middle) for each in views]
    texture = sum(max(-point.texture_limit, min(point.texture_limit, each)) for each in said) / len(said)
    scene = max(-point.scene_against, min(point.scene_for, point.scene_weight * (seen - point.scene_middle)))
    score = 1 / (1 + math.exp(-texture - scene))
    if score >= point.threshold:
        return Look(score, PadReason.NONE)
    return Look(score, PadReason.SCENE if scene < min(texture, 0.0) else PadReason.SURFACE)


def refute(look: Look, reason: PadReason) -> Look:
    """Return a look that something else than the score speaks clearly against; one not measured stays so."""
    return Look(min(look.score, REFUTED), reason) if math.isfinite(look.score) else look


def measured(looks: Sequence[Look]) -> list[float]:
    """Return the scores of the looks that were measured, oldest first."""
    return [each.score for each in looks if math.isfinite(each.score)]


def judge(looks: Sequence[Look], point: LivenessPoint, *, twice: bool = False) -> Liveness:
    """Return what the looks of one approach say together.

    ``twice``: an attack was seen here a moment ago, so twice as many looks are wanted.
    """
    scores = measured(looks)[-MOST_LOOKS:]
    if len(scores) < min(point.fewest * (2 if twice else 1), MOST_LOOKS):
        return Liveness.UNSURE
    mean, sure = sum(scores) / len(scores), point.margin / math.sqrt(len(scores))
    newest = scores[-point.fewest :]
    if mean - sure >= point.threshold and sum(newest) / len(newest) >= point.threshold:
        return Liveness.LIVE  # the newest as well: somebody may have stepped aside for a picture
    return Liveness.ATTACK if mean < point.threshold else Liveness.UNSURE


def suspicion(looks: Sequence[Look]) -> PadReason:
    """Return what spoke most often against a person; NOT_MEASURED where nothing was measured."""
    told = [each.reason for each in looks if each.reason not in (PadReason.NONE, PadReason.NOT_MEASURED)]
    if told:
        return max(sorted(set(told)), key=told.count)
    return PadReason.NONE if measured(looks) else PadReason.NOT_MEASURED
