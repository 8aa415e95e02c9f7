# SPDX-License-Identifier: Apache-2.0
"""Error rates of attack detection (ISO/IEC 30107-3) from plain numbers. A rate is a fraction, None without trials.

A presentation is taken for a person where its PAD score reaches the threshold. APCER: attacks that are; BPCER: people
who are not. Both are here over all that is given, so a table by species is made of a call for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_gate.tools.evaluation.intervals import upper_bound

Rate = float | None
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FrameRates:
    """Of single pictures that gave a score. ``apcer_at_bpcer_5``: at the highest threshold at which at most 5 % of
    these very people's pictures are refused; it was chosen on them."""

    n_live: int
    n_attack: int
    auc: Rate
    apcer: Rate
    bpcer: Rate
    apcer_at_bpcer_5: Rate


def frame_rates(live: Sequence[float], attack: Sequence[float], threshold: float) -> FrameRates:
    """Return the rates of these scores."""
    people, attacks = np.asarray(live, np.float64), np.asarray(attack, np.float64)
    both = bool(len(people) and len(attacks))
    return FrameRates(
        len(people),
        len(attacks),
        auc(people, attacks),
        share(int((attacks >= threshold).sum()), len(attacks)),
        share(int((people < threshold).sum()), len(people)),
        float((attacks >= _at_bpcer(people, 0.05)).mean()) if both else None,
    )


def auc(higher: Scores, lower: Scores) -> Rate:
    """Return how often one of ``higher`` is above one of ``lower``, ties half (the area under the ROC curve)."""
    if not len(higher) or not len(lower):
        return None
    ordered = np.sort(lower)
    below = np.searchsorted(ordered, higher, "left") + np.searchsorted(ordered, higher, "right")
    return float(below.mean() / 2 / len(lower))


def share(errors: int, trials: int) -> Rate:
    """Return a rate, None without trials."""
    return errors / trials if trials else None


def bound(errors: int, trials: int) -> dict[str, Any]:
    """Return a count with the one-sided 95 % upper bound of its rate (Clopper and Pearson; the rule of three where
    nothing went wrong), None without trials."""
    return {"n": trials, "errors": errors, "upper95": upper_bound(errors, trials) if trials else None}


def _at_bpcer(people: Scores, bpcer: float) -> float:
    """Return the highest of these scores below which no more than this share lies."""
    return float(np.sort(people)[int(bpcer * len(people) + 1e-9)])
