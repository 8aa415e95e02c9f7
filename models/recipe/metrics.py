# SPDX-License-Identifier: Apache-2.0
"""Error rates from comparison scores, in the terms of ISO/IEC 19795-1. Rates are fractions, 0 to 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from recipe.strips import Flags, Floats

Scores = NDArray[np.floating]


def eer(genuine: Scores, impostor: Scores) -> float:
    """Where the false match rate and the false non-match rate meet."""
    scores = np.concatenate([genuine, impostor])
    order = np.argsort(scores, kind="stable")
    is_genuine = np.concatenate([np.ones(len(genuine), bool), np.zeros(len(impostor), bool)])[order]
    fnmr = np.cumsum(is_genuine) / len(genuine)
    fmr = 1 - np.cumsum(~is_genuine) / len(impostor)
    i = int(np.argmin(np.abs(fnmr - fmr)))
    return float((fnmr[i] + fmr[i]) / 2)


def threshold_at(impostor: Scores, fmr: float) -> float:
    """The lowest threshold t at which at most a share `fmr` of the impostor scores is >= t."""
    allowed = int(np.floor(fmr * len(impostor)))
    descending = np.partition(impostor, len(impostor) - allowed - 1)
    return float(np.nextafter(np.float32(descending[len(impostor) - allowed - 1]), np.float32(np.inf)))


def fnmr_at(genuine: Scores, impostor: Scores, fmr: float) -> float:
    return float((genuine < threshold_at(impostor, fmr)).mean())


def upper95(errors: int, trials: int) -> float:
    """Clopper-Pearson, one-sided 95 %. Takes the comparisons as independent, which those sharing a person are not."""
    return 1.0 if errors >= trials else float(beta.ppf(0.95, errors + 1, trials - errors))


@dataclass(frozen=True, slots=True)
class Compared:
    """Scores of all pairs asked for, and which people each belongs to (row and column subject numbers)."""

    score: Floats
    same: Flags
    a: NDArray[np.int64]
    b: NDArray[np.int64]

    def split(self) -> tuple[Floats, Floats]:
        return self.score[self.same], self.score[~self.same]


def all_pairs(embedding: Floats, subject: NDArray[np.str_]) -> Compared:
    _, label = np.unique(subject, return_inverse=True)
    i, j = np.triu_indices(len(label), 1)
    return Compared((embedding @ embedding.T)[i, j], label[i] == label[j], label[i], label[j])


def against(
    probe: Floats, probe_subject: NDArray[np.str_], reference: Floats, reference_subject: NDArray[np.str_]
) -> Compared:
    names = np.unique(np.concatenate([probe_subject, reference_subject]))
    a, b = np.searchsorted(names, probe_subject), np.searchsorted(names, reference_subject)
    i, j = (x.ravel() for x in np.meshgrid(np.arange(len(a)), np.arange(len(b)), indexing="ij"))
    return Compared((probe @ reference.T).ravel(), a[i] == b[j], a[i], b[j])


def people_interval(
    compared: Compared, figure: Callable[[Floats, Floats], float], rounds: int = 200, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap over people: a person drawn k times brings their comparisons k times (a comparison of two people,
    the product of their counts; the two-sample bootstrap of Poh et al.)."""
    rng, people = np.random.default_rng(seed), int(max(compared.a.max(), compared.b.max())) + 1
    present = np.unique(np.concatenate([compared.a, compared.b]))
    values = []
    for _ in range(rounds):
        times = np.zeros(people, np.int64)
        np.add.at(times, rng.choice(present, len(present)), 1)
        weight = np.where(compared.same, times[compared.a], times[compared.a] * times[compared.b])
        chosen = np.repeat(np.arange(len(weight)), weight)
        score, same = compared.score[chosen], compared.same[chosen]
        if same.any() and not same.all():
            values.append(figure(score[same], score[~same]))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
