# SPDX-License-Identifier: Apache-2.0
"""When an approach counts as recognised: the threshold of the model's card, applied to the fused probe."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from edge_gate.rules.comparison import Gallery
from edge_gate.rules.fusion import Approach
from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.settings.decision import DecisionSettings


class Verdict(enum.Enum):
    """What to do about an approach now."""

    WAIT = "wait"
    OPEN = "open"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with what it rests on: the best candidate and its comparison score, None where nobody is enrolled."""

    verdict: Verdict
    resident_id: str | None = None
    comparison_score: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The site's settings and the card's operating point.

    An approach is recognised when the fused probe reaches the threshold, rests on enough sightings, and most of
    these, taken alone, are nearest to the same resident: a strong single frame cannot carry the others.
    """

    point: OperatingPoint
    settings: DecisionSettings

    def decide(self, approach: Approach, gallery: Gallery, now_ns: int) -> Decision:
        """Judge the approach as it stands at ``now_ns`` (CLOCK_BOOTTIME)."""
        if approach.settled or approach.window_began_ns is None or len(approach.vectors) < self.settings.min_sightings:
            return Decision(Verdict.WAIT)
        best = next(iter(gallery.search(approach.probe(), 1)), None)
        if (
            best is not None
            and best.comparison_score >= self.point.threshold
            and self._most_agree(approach, gallery, best.resident_id)
        ):
            return Decision(Verdict.OPEN, best.resident_id, best.comparison_score)
        # The nearest resident of somebody refused is nobody's business: only the score is kept.
        return Decision(
            Verdict.REFUSE if self.window_over(approach, now_ns) else Verdict.WAIT,
            None,
            best.comparison_score if best else None,
        )

    def window_over(self, approach: Approach, now_ns: int) -> bool:
        """Tell whether the approach has had its time."""
        began_ns = approach.window_began_ns
        return began_ns is not None and now_ns - began_ns >= self.settings.window_s * 1e9

    @staticmethod
    def _most_agree(approach: Approach, gallery: Gallery, resident_id: str) -> bool:
        nearest = [gallery.search(vector, 1)[0].resident_id for _, vector in approach.vectors]
        return nearest.count(resident_id) > len(nearest) // 2
