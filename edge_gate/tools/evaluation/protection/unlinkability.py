# SPDX-License-Identifier: Apache-2.0
"""Whether templates of different keys can be linked: D_sys, its resolution, and an attack that D_sys does not see.

D_sys (Gomez-Barrero, Galbally, Rathgeb and Busch 2018, "General framework to evaluate unlinkability in biometric
template protection systems"): mated scores compare two templates of one person under different keys, non-mated scores
those of two people. With LR(s) = p(s|mated) / p(s|non-mated), the local measure is D(s) = 2 w LR / (1 + w LR) - 1
where w LR > 1, else 0, and D_sys its mean under p(s|mated); w = 1. 0 is fully unlinkable, 1 fully linkable. Densities
are histograms of equal bins over all scores, one for each ten mated scores, 100 at most, as in the authors' own code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_gate.tools.evaluation.protection.transforms import Floats, Method

PAIRS = 24  # of keys
ROLLS = 4  # non-mated comparisons for each mated one
BINS = 100
BINS_OF_A_PAIR = 25  # one pair of keys has few mated scores


def d_sys(
    mated: NDArray[np.floating], non_mated: NDArray[np.floating], omega: float = 1.0, most_bins: int = BINS
) -> float:
    """Return D_sys of two samples of scores; needs 20 mated scores."""
    bins = min(len(mated) // 10, most_bins)
    low, high = float(min(mated.min(), non_mated.min())), float(max(mated.max(), non_mated.max()))
    if low == high:
        return 0.0
    edges = np.linspace(low, high, bins + 1)
    p_mated = np.histogram(mated, edges)[0] / len(mated)
    p_non_mated = np.histogram(non_mated, edges)[0] / len(non_mated)
    weighed = omega * p_mated
    with np.errstate(invalid="ignore"):
        local = 2 * weighed / (weighed + p_non_mated) - 1  # 2 w LR / (1 + w LR) - 1, also where p(s|non-mated) is 0
    return float(np.where(weighed > p_non_mated, local * p_mated, 0.0).sum())


@dataclass(frozen=True, slots=True)
class Unlinkability:
    """D_sys over all pairs of keys, and of single pairs of keys; ``noise`` and ``pair_noise`` are what scores give in
    which nothing can be linked: the highest of 20 draws of as many non-mated scores in the place of the mated ones."""

    pooled: float
    noise: float
    pair_mean: float
    pair_worst: float
    pair_noise: float
    n_mated: int
    n_non_mated: int


def unlinkability(method: Method, vectors: Floats, subject: NDArray[np.int32]) -> Unlinkability:
    """Compare each picture with itself under another key (the hardest case), and with other people's pictures."""
    mated, non_mated = zip(*(_across(method, vectors, subject, pair) for pair in range(PAIRS)), strict=True)
    alone = [d_sys(a, b, most_bins=BINS_OF_A_PAIR) for a, b in zip(mated, non_mated, strict=True)]
    all_mated, all_non_mated = np.concatenate(mated), np.concatenate(non_mated)
    return Unlinkability(
        pooled=d_sys(all_mated, all_non_mated),
        noise=_noise(all_non_mated, len(all_mated), BINS),
        pair_mean=float(np.mean(alone)),
        pair_worst=max(alone),
        pair_noise=_noise(all_non_mated, len(mated[0]), BINS_OF_A_PAIR),
        n_mated=len(all_mated),
        n_non_mated=len(all_non_mated),
    )


def _across(
    method: Method, vectors: Floats, subject: NDArray[np.int32], pair: int
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    dimensions = vectors.shape[1]
    one, other = (method.make(1000 + 2 * pair + side, dimensions) for side in (0, 1))
    a, b = one.features(vectors), other.features(vectors)
    mated = one.score(np.einsum("ij,ij->i", a, b))
    rolls = np.random.default_rng(pair).choice(np.arange(1, len(vectors)), ROLLS, replace=False)
    apart = []
    for roll in rolls:
        rows = np.flatnonzero(subject != np.roll(subject, roll))
        apart.append(one.score(np.einsum("ij,ij->i", a[rows], np.roll(b, roll, axis=0)[rows])))
    return mated, np.concatenate(apart)


def _noise(non_mated: NDArray[np.floating], n_mated: int, bins: int, draws: int = 20) -> float:
    found = []
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(len(non_mated))
        found.append(d_sys(non_mated[order[:n_mated]], non_mated[order[n_mated:]], most_bins=bins))
    return max(found)


def linked_by_neighbours(method: Method, here: Floats, there: Floats, known: int, seed: int = 0) -> tuple[int, int]:
    """Link two stolen stores of different keys without any key, from ``known`` people who were linked by other means.

    One key for a whole site keeps everybody's likeness to everybody else. So each unknown person is described by
    their scores with the known ones, in each store, and is linked to whoever is described most alike (correlation).
    ``here`` and ``there`` (n, d) hold the same n people, other pictures. Returns (rightly linked, unknown people).
    """
    dimensions = here.shape[1]
    order = np.random.default_rng(seed).permutation(len(here))
    first, rest = order[:known], order[known:]
    described = []
    for key, vectors in ((1, here), (2, there)):
        transform = method.make(5000 + 10 * seed + key, dimensions)
        features = transform.features(vectors)
        profile = transform.score(features[rest] @ features[first].T).astype(np.float64)
        profile -= profile.mean(axis=0)  # a person whom everybody resembles tells nothing
        described.append(profile / np.linalg.norm(profile, axis=1, keepdims=True))
    nearest = np.argmax(described[0] @ described[1].T, axis=1)
    return int((nearest == np.arange(len(rest))).sum()), len(rest)
