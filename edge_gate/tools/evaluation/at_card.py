# SPDX-License-Identifier: Apache-2.0
"""What the thresholds that a model's card states do on these pictures: how often strangers match, and residents do not.

A card states an FMR that was measured on other people. Here nothing is chosen: its thresholds are taken as they are,
and false matches and false non-matches are counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.tools.evaluation import intervals
from edge_gate.tools.evaluation.metrics import Floats
from edge_gate.tools.evaluation.protocol import Comparisons, Flags

Interval = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Counted:
    """Errors among comparisons of one kind, and the 95 % interval of their rate."""

    errors: int
    comparisons: int
    interval: Interval

    @property
    def rate(self) -> float:
        """The share of errors."""
        return self.errors / self.comparisons if self.comparisons else math.nan

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "errors": self.errors,
            "comparisons": self.comparisons,
            "rate": None if math.isnan(self.rate) else self.rate,
            "interval": None if self.interval is None else list(self.interval),
        }


@dataclass(frozen=True, slots=True)
class AtCard:
    """One operating point of the card, and what it does here. ``configured``: it is that of the site's settings."""

    point: OperatingPoint
    configured: bool
    false_matches: Counted
    false_non_matches: Counted

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "kind": self.point.kind,
            "card_fmr": self.point.fmr,
            "threshold": self.point.threshold,
            "configured": self.configured,
            "fmr": self.false_matches.as_dict(),
            "fnmr": self.false_non_matches.as_dict(),
        }


def judge(comparisons: Comparisons, points: Iterable[OperatingPoint], configured_fmr: float) -> Iterator[AtCard]:
    """Yield the card's points for this kind of comparison, by falling FMR, with the errors that each makes here."""
    kind = "fused" if comparisons.fused else "single"
    # As the gate does: in float32 a threshold would be rounded, to a score perhaps.
    genuine, impostor = comparisons.genuine.astype(np.float64), comparisons.impostor.astype(np.float64)
    for point in sorted((each for each in points if each.kind == kind), key=lambda each: -each.fmr):
        match, miss = impostor >= point.threshold, genuine < point.threshold
        resampled = intervals.resampled_rates(comparisons, genuine=miss, impostor=match)
        yield AtCard(
            point,
            abs(point.fmr - configured_fmr) <= 1e-9,
            _counted(match, resampled.impostor, comparisons.people_impostor),
            _counted(miss, resampled.genuine, comparisons.people_genuine),
        )


def _counted(wrong: Flags, resampled: Floats, trials: int) -> Counted:
    errors, n = int(wrong.sum()), len(wrong)
    span = intervals.interval(resampled)
    return Counted(errors, n, intervals.never_certain(span, errors / n, trials) if n and span else None)
