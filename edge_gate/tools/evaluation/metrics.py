# SPDX-License-Identifier: Apache-2.0
"""Error rates of a verification system, exact on the given scores. Pure numpy.

Conventions (ISO/IEC 19795-1, and stated where the standard leaves a choice):

- A comparison score is a similarity; a comparison is a match where ``score >= threshold``. So at a threshold t the
  FMR is the share of impostor scores >= t and the FNMR the share of genuine scores < t.
- The threshold for an FMR is the smallest float at which the FMR does not exceed it. A score that occurs several
  times lies on one side of any threshold as a whole: ties are never split.
- The EER is (FMR + FNMR) / 2 at the threshold where the two are nearest, the lower where two are equally near; no
  interpolation between observed scores.
- d' is the distance of the two means in units of the root mean of the two variances (Daugman 2000).
- Nothing to compute is NaN, never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scores = NDArray[np.float32] | NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Every operating point that the scores allow, from strict to lax: all arrays have one length.

    ``threshold`` falls: each is the smallest float with its ``fmr`` (rising from 0) and ``fnmr`` (falling from 1);
    the last is -inf, where everybody matches. The points (fmr, fnmr) are the DET curve.
    """

    threshold: Floats
    fmr: Floats
    fnmr: Floats

    def at_fmr(self, fmr: float) -> tuple[float, float]:
        """Return (threshold, FNMR) at the smallest threshold whose FMR does not exceed ``fmr``."""
        if np.isnan(self.fmr).any():
            return math.nan, math.nan
        last = int(np.searchsorted(self.fmr, fmr * (1 + 1e-12), side="right")) - 1
        return float(self.threshold[last]), float(self.fnmr[last])

    def eer(self) -> float:
        """Return the equal error rate, or NaN without genuine or without impostor scores."""
        gap = self.fmr - self.fnmr
        if np.isnan(gap).any():
            return math.nan
        crossed = int(np.searchsorted(gap, 0.0))
        near = [k for k in (crossed - 1, crossed) if 0 <= k < len(gap)]
        best = min(near, key=lambda k: (round(float(abs(gap[k])), 12), self.fmr[k] + self.fnmr[k]))
        return float(self.fmr[best] + self.fnmr[best]) / 2

    def best_accuracy(self, n_genuine: int, n_impostor: int) -> float:
        """Return a threshold with the most correct decisions, half-way into the gap to the next lower score."""
        errors = self.fmr * n_impostor + self.fnmr * n_genuine
        best = np.flatnonzero(errors <= errors.min() + 1e-9)
        middle = int(best[len(best) // 2])
        return float(self.threshold[0] if middle == 0 else (self.threshold[middle] + self.threshold[middle - 1]) / 2)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Genuine and impostor scores in one falling order: sorted once, weighed as often as the bootstrap wants.

    ``order`` indexes the genuine scores followed by the impostor scores; ``end`` holds the position of the last score
    of each group of ties; ``threshold`` the smallest float above each group, and one more for the point behind all.
    """

    n_genuine: int
    order: Ints
    end: Ints
    threshold: Floats

    def curve(self, weight: Floats, genuine: float, impostor: float) -> Curve:
        """Return the curve in which each comparison counts with its weight.

        ``weight`` is in the order of ``order``; ``genuine`` and ``impostor`` are the sums of all weights of each
        kind, those outside a strict part included.
        """
        of_genuine = self.order < self.n_genuine
        matched = np.cumsum(np.where(of_genuine, weight, 0.0))[self.end]
        false = np.cumsum(np.where(of_genuine, 0.0, weight))[self.end]
        with np.errstate(invalid="ignore"):
            fmr = np.concatenate([[0.0], false]) / np.float64(impostor)
            fnmr = 1 - np.concatenate([[0.0], matched]) / np.float64(genuine)
        return Curve(self.threshold, fmr, fnmr)

    def strict_part(self, groups: int) -> Ranking:
        """Return the ranking of the highest groups of ties alone; its curves end early and are else the same."""
        if groups >= len(self.end):
            return self
        kept = int(self.end[groups - 1]) + 1 if groups else 0
        return Ranking(self.n_genuine, self.order[:kept], self.end[:groups], self.threshold[: groups + 1])


def rank(genuine: Scores, impostor: Scores) -> Ranking:
    """Sort the scores of both kinds together, highest first."""
    scores = np.concatenate([genuine, impostor])
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.append(falling[1:] != falling[:-1], True)[: len(falling)]
    end = np.flatnonzero(last)
    # The next float of the scores' own type: a threshold that rounds down to the score would split off nothing.
    above = np.nextafter(falling[end], np.asarray(np.inf, scores.dtype)).astype(np.float64)
    return Ranking(len(genuine), order, end, np.append(above, -np.inf))


def curve(genuine: Scores, impostor: Scores) -> Curve:
    """Return every operating point of these scores."""
    plain = np.ones(len(genuine) + len(impostor))
    return rank(genuine, impostor).curve(plain, len(genuine), len(impostor))


def dprime(genuine: Scores, impostor: Scores) -> float:
    """Return d', NaN where either kind has fewer than two scores or neither varies."""
    if min(len(genuine), len(impostor)) < 2:
        return math.nan
    spread = (np.var(genuine, ddof=1, dtype=np.float64) + np.var(impostor, ddof=1, dtype=np.float64)) / 2
    distance = np.mean(genuine, dtype=np.float64) - np.mean(impostor, dtype=np.float64)
    return float(distance / np.sqrt(spread)) if spread > 0 else math.nan


def det_points(points: Curve, most: int = 400) -> tuple[Floats, Floats]:
    """Return (fmr, fnmr) of a drawable DET curve: at most ``most`` points, evenly spread over both logarithmic axes."""
    if len(points.fmr) <= most:
        return points.fmr, points.fnmr
    floor = 1e-12
    travelled = np.abs(np.diff(np.log10(points.fmr + floor))) + np.abs(np.diff(np.log10(points.fnmr + floor)))
    along = np.concatenate([[0.0], np.cumsum(travelled)])
    keep = np.unique(np.searchsorted(along, np.linspace(0, along[-1], most)).clip(0, len(along) - 1))
    return points.fmr[keep], points.fnmr[keep]


def fuse(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the direction of the mean of unit vectors: (..., n, d) float32 to (..., d) float32 of length 1."""
    mean = vectors.mean(axis=-2, dtype=np.float64)
    length = np.linalg.norm(mean, axis=-1, keepdims=True)
    return np.asarray(mean / np.maximum(length, 1e-12), np.float32)
