# SPDX-License-Identifier: Apache-2.0
"""When an approach counts as recognised: the threshold of the model's card, applied to the fused probe."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from edge_gate.rules.comparison import Gallery
from edge_gate.rules.fusion import MOST_SIGHTINGS, Approach
from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.settings.decision import DecisionSettings


class Verdict(enum.Enum):
    """What to do about an approach now."""

    WAIT = "wait"
    OPEN = "open"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict. An opening says for whom, and by which comparison score; a refusal says nothing, so that nobody can
    read off how near it was."""

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

    def enough(self, approach: Approach, *, twice: bool = False) -> bool:
        """Tell whether there is enough to judge an approach by; ``twice``: much was refused here a moment ago."""
        wanted = min(self.settings.min_sightings * (2 if twice else 1), MOST_SIGHTINGS)
        return not approach.settled and approach.window_began_ns is not None and len(approach.vectors) >= wanted

    def decide(self, approach: Approach, gallery: Gallery, now_ns: int) -> Decision:
        """Judge the approach as it stands at ``now_ns`` (CLOCK_BOOTTIME)."""
        if not self.enough(approach):
            return Decision(Verdict.WAIT)
        best = next(iter(gallery.search(approach.probe(), 1)), None)
        if (
            best is not None
            and best.comparison_score >= self.point.threshold
            and self._most_agree(approach, gallery, best.resident_id)
        ):
            return Decision(Verdict.OPEN, best.resident_id, best.comparison_score)
        return Decision(Verdict.REFUSE if self.window_over(approach, now_ns) else Verdict.WAIT)

    def window_over(self, approach: Approach, now_ns: int) -> bool:
        """Tell whether the approach has had its time."""
        began_ns = approach.window_began_ns
        return began_ns is not None and now_ns - began_ns >= self.settings.window_s * 1e9

    @staticmethod
    def _most_agree(approach: Approach, gallery: Gallery, resident_id: str) -> bool:
        nearest = [gallery.search(vector, 1)[0].resident_id for _, vector in approach.vectors]
        return nearest.count(resident_id) > len(nearest) // 2
