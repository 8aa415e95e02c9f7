# SPDX-License-Identifier: Apache-2.0
"""How far a measured rate can be trusted: exact binomial bounds, the rule of three, and resampled people.

Comparisons that share a person are not independent, so the intervals of the error rates come from drawing **people**
anew, with replacement, on both sides of every comparison (the subset bootstrap of Bolle, Ratha and Pankanti 2004;
ISO/IEC 19795-1 recommends resampling by test subject). A pair of people drawn a and b times counts a*b times, a
person's own comparisons a times.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_gate.tools.evaluation.metrics import Curve, Floats, Ranking, rank
from edge_gate.tools.evaluation.protocol import Comparisons, Flags

SEED = 20260101
REPLICATES = 500
REPLICATES_OF_MANY = 200  # of more comparisons than MANY, where each resampling takes tens of milliseconds
MANY = 2_000_000


def rule_of_three(n: int) -> float:
    """Return the 95 % upper bound of a rate of which none was seen in ``n`` independent trials, about 3/n."""
    return 1.0 if n < 1 else 1 - 0.05 ** (1 / n)


def proven(fmr: float, n_impostor: int) -> bool:
    """Tell whether so many impostor comparisons can support a statement at this FMR.

    By the rule of three (ISO/IEC 19795-1, on the size of tests): n comparisons without one false match bound the FMR
    by 3/n at 95 % confidence, so fewer than 3/FMR of them can never show it, however well the system does. It is
    the least that is needed, not all: comparisons that share people tell less than as many independent ones.
    """
    return n_impostor * fmr >= 3 * (1 - 1e-9)


def needed(fmr: float) -> int:
    """Return the least number of impostor comparisons with which an FMR is proven."""
    return math.ceil(3 / fmr * (1 - 1e-9))


def upper_bound(errors: int, trials: int, confidence: float = 0.95) -> float:
    """Return the exact one-sided upper bound of a rate after Clopper and Pearson (1934); 1 without trials."""
    if errors >= trials:
        return 1.0
    low, high = errors / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(errors, trials, middle) > 1 - confidence else (low, middle)
    return high


def clopper_pearson(errors: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided bounds of a rate; (0, 1) without trials."""
    each_side = (1 + confidence) / 2
    return 1 - upper_bound(trials - errors, trials, each_side), upper_bound(errors, trials, each_side)


def _at_most(k: int, n: int, p: float) -> float:
    """Return P(X <= k) of a binomial for p >= k/n, summed downwards from k until the terms vanish."""
    if p >= 1:
        return 0.0
    top = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)
    j = np.arange(k, max(0, k - 40 * math.isqrt(k + 1) - 200), -1, dtype=np.float64)
    falling = np.cumsum(np.log(j) - np.log(n - j + 1) + math.log1p(-p) - math.log(p))
    return float(math.exp(top) * (1 + np.exp(falling).sum()))


@dataclass(frozen=True, slots=True)
class Replicates:
    """One value per resampling, NaN where a resampling left nothing to compute."""

    eer: Floats
    fnmr: dict[float, Floats]
    dprime: Floats


def interval(values: Floats) -> tuple[float, float] | None:
    """Return the 95 % percentile interval, or None where fewer than half of the resamplings gave a value."""
    finite = values[np.isfinite(values)]
    if len(finite) * 2 < len(values) or not len(finite):
        return None
    low, high = np.quantile(finite, (0.025, 0.975))
    return float(low), float(high)


def bootstrap(comparisons: Comparisons, fmrs: tuple[float, ...], replicates: int = 0, seed: int = SEED) -> Replicates:
    """Resample the people (``replicates`` times, 0 for as often as the size allows); an empty side gives NaN."""
    size = len(comparisons.genuine) + len(comparisons.impostor)
    replicates = replicates or (REPLICATES if size < MANY else REPLICATES_OF_MANY)
    drawn = _draw(comparisons.n_subjects, replicates, seed)
    genuine, impostor = _moments(drawn, comparisons, True), _moments(drawn, comparisons, False)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = (genuine.mean - impostor.mean) / np.sqrt((genuine.variance + impostor.variance) / 2)
    curves = _Curves.of(comparisons, max(fmrs, default=0.0))
    eer = np.full(replicates, np.nan)
    fnmr = {fmr: np.full(replicates, np.nan) for fmr in fmrs}
    for k in range(replicates if len(comparisons.genuine) and len(comparisons.impostor) else 0):
        curve = curves.weighed(drawn[k], float(genuine.total[k]), float(impostor.total[k]), max(fmrs, default=0.0))
        eer[k] = curve.eer()
        for fmr in fmrs:
            fnmr[fmr][k] = curve.at_fmr(fmr)[1]
    return Replicates(eer, fnmr, distance)


def _draw(n_subjects: int, replicates: int, seed: int) -> Floats:
    """Return how often each person was drawn, (replicates, n_subjects)."""
    chances = np.full(n_subjects, 1 / max(n_subjects, 1))
    return np.random.default_rng(seed).multinomial(n_subjects, chances, size=replicates).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Moments:
    total: Floats
    mean: Floats
    variance: Floats


def _moments(drawn: Floats, comparisons: Comparisons, genuine: bool) -> _Moments:
    """Return the weighted count, mean and variance of one kind of scores in every resampling at once."""
    total = _summing(drawn, comparisons, genuine)
    score = comparisons.of(genuine)[0].astype(np.float64)
    count = total(np.ones(len(score)))
    with np.errstate(invalid="ignore"):
        mean = total(score) / count
        return _Moments(count, mean, total(score**2) / count - mean**2)


def _summing(drawn: Floats, comparisons: Comparisons, genuine: bool) -> Callable[[Floats], Floats]:
    """Return what sums a value of each comparison of one kind, weighted, in every resampling at once."""
    _, a, b = comparisons.of(genuine)
    n = comparisons.n_subjects
    apart = a != b
    pair, own = a[apart].astype(np.int64) * n + b[apart], a[~apart]

    def total(value: Floats) -> Floats:
        within = drawn @ np.bincount(own, value[~apart], n)
        if not len(pair):
            return np.asarray(within)
        table = np.bincount(pair, value[apart], n * n).reshape(n, n)
        return np.asarray(((drawn @ table) * drawn).sum(axis=1) + within)

    return total


@dataclass(frozen=True, slots=True)
class Resampled:
    """The rate of some errors in each resampling, for comparisons of each kind; NaN where it left none of them."""

    genuine: Floats
    impostor: Floats


def resampled_rates(
    comparisons: Comparisons, *, genuine: Flags, impostor: Flags, replicates: int = REPLICATES, seed: int = SEED
) -> Resampled:
    """Return the rates of errors, one flag a comparison, when the people are drawn anew."""
    drawn = _draw(comparisons.n_subjects, replicates, seed)

    def rate(of_genuine: bool, wrong: Flags) -> Floats:
        total = _summing(drawn, comparisons, of_genuine)
        with np.errstate(invalid="ignore", divide="ignore"):
            return total(wrong.astype(np.float64)) / total(np.ones(len(wrong)))

    return Resampled(rate(True, genuine), rate(False, impostor))


def never_certain(span: tuple[float, float], rate: float, trials: int) -> tuple[float, float]:
    """Return the interval of a rate; resampling shows no error that nobody made, nor a success that nobody had.

    Then the rule of three over so many independent trials bounds the rate.
    """
    if rate == 0:
        return 0.0, max(span[1], rule_of_three(trials))
    if rate == 1:
        return min(span[0], 1 - rule_of_three(trials)), 1.0
    return min(span[0], rate), max(span[1], rate)


@dataclass(frozen=True, slots=True)
class _Curves:
    """Weighs the part of the ranking that matters, and all of it where that did not reach far enough.

    ``first`` and ``second`` are the people of each comparison in falling order of score; a comparison within one
    person has the index behind the last person as second, whose weight is always 1.
    """

    strict: Ranking
    whole: Ranking
    first: NDArray[np.int32]
    second: NDArray[np.int32]

    @classmethod
    def of(cls, comparisons: Comparisons, highest_fmr: float) -> _Curves:
        whole = rank(comparisons.genuine, comparisons.impostor)
        first = np.concatenate([comparisons.genuine_a, comparisons.impostor_a])[whole.order]
        second = np.concatenate([comparisons.genuine_b, comparisons.impostor_b])[whole.order]
        second = np.where(first == second, comparisons.n_subjects, second).astype(np.int32)
        plain = whole.curve(np.ones(len(whole.order)), len(comparisons.genuine), len(comparisons.impostor))
        eer = plain.eer()
        reach = max(3 * highest_fmr, 0.01, 1.0 if math.isnan(eer) else 1.4 * eer)
        return cls(whole.strict_part(int(np.searchsorted(plain.fmr, reach))), whole, first, second)

    def weighed(self, drawn: Floats, genuine: float, impostor: float, highest_fmr: float) -> Curve:
        weights = np.append(drawn, 1.0)

        def curve(part: Ranking) -> Curve:
            n = len(part.order)
            return part.curve(weights[self.first[:n]] * weights[self.second[:n]], genuine, impostor)

        strict = curve(self.strict)
        far_enough = strict.fmr[-1] > highest_fmr and strict.fmr[-1] >= strict.fnmr[-1]
        return strict if far_enough else curve(self.whole)
