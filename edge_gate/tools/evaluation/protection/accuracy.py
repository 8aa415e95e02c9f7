# SPDX-License-Identifier: Apache-2.0
"""What a transform costs: error rates before and after, and what the card's thresholds come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_gate.tools.evaluation import protocol
from edge_gate.tools.evaluation.intervals import SEED, Replicates, bootstrap, interval
from edge_gate.tools.evaluation.metrics import curve
from edge_gate.tools.evaluation.protection.people import People
from edge_gate.tools.evaluation.protection.transforms import Method, Transform
from edge_gate.tools.evaluation.protocol import Comparisons, Embedded

FUSED = 4
FMR = 1e-3
KEYS = 3  # the figures are means over so many keys, the intervals the first key's
REPLICATES = 200


@dataclass(frozen=True, slots=True)
class Rates:
    """One protocol under one method; rates are shares. ``cost`` is the EER less the EER without protection, with the
    paired interval of its resamplings; ``worst`` the highest cost among the keys."""

    eer: float
    eer_interval: tuple[float, float] | None
    fnmr: float
    fnmr_interval: tuple[float, float] | None
    cost: float
    cost_interval: tuple[float, float] | None
    worst: float
    n_genuine: int
    n_impostor: int
    n_subjects: int


@dataclass(frozen=True, slots=True)
class Trial:
    """A protocol before any transform: who is compared with whom, as plain embeddings."""

    name: str
    here: Embedded
    there: Embedded | None
    pairs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]] | None
    n_subjects: int
    fused: bool = False

    def compare(self, transform: Transform) -> Comparisons:
        """Transform both sides with one key, and compare: what a 1:N search with a site's key does."""
        here = Embedded(transform.features(self.here.vectors), self.here.subject)
        if self.pairs is not None:
            found = protocol.listed(here, *self.pairs, self.n_subjects)
        elif self.there is None:
            found = protocol.all_pairs(here, self.n_subjects)
        else:
            there = Embedded(transform.features(self.there.vectors), self.there.subject)
            found = protocol.against(here, there, self.n_subjects)
        return replace(
            found, genuine=transform.score(found.genuine), impostor=transform.score(found.impostor), fused=self.fused
        )


def trials(people: list[People]) -> Iterator[Trial]:
    """Return every protocol: single pictures as the sets have them, and templates of four against probes of four."""
    for each in people:
        pairs = None if each.pairs is None else (each.pairs.first, each.pairs.second, each.pairs.same)
        kind = "listed pairs" if pairs else "all pairs"
        yield Trial(f"{each.name}, {kind}", each.pictures, None, pairs, each.n_subjects)
    for each in people:
        if each.pairs is None:
            enrolled, rest = protocol.templates(each.pictures, FUSED)
            size = FUSED if each.name == "gatech" else 1  # MFR2 has five pictures of a person: one is left
            asking = protocol.probes(each.pictures.take(rest), size)
            name = f"{each.name}, {FUSED} fused against {size}"
            yield Trial(name, enrolled, asking, None, each.n_subjects, fused=True)


@dataclass(frozen=True, slots=True)
class Baseline:
    """A protocol without protection, resampled: what every method's cost is taken from."""

    trial: Trial
    comparisons: Comparisons
    replicates: Replicates

    @classmethod
    def of(cls, trial: Trial, plain: Transform) -> Baseline:
        """Compare and resample."""
        comparisons = trial.compare(plain)
        return cls(trial, comparisons, bootstrap(comparisons, (FMR,), REPLICATES, SEED))

    def rates(self, method: Method) -> Rates:
        """Measure one method; the same people are drawn as for the baseline, so the cost is a paired difference."""
        dimensions = self.trial.here.vectors.shape[1]
        found = [self.trial.compare(method.make(key, dimensions)) for key in range(KEYS)]
        eers = [curve(each.genuine, each.impostor).eer() for each in found]
        plain = curve(self.comparisons.genuine, self.comparisons.impostor).eer()
        drawn = bootstrap(found[0], (FMR,), REPLICATES, SEED)
        return Rates(
            eer=float(np.mean(eers)),
            eer_interval=interval(drawn.eer),
            fnmr=float(np.mean([curve(each.genuine, each.impostor).at_fmr(FMR)[1] for each in found])),
            fnmr_interval=interval(drawn.fnmr[FMR]),
            cost=float(np.mean(eers)) - plain,
            cost_interval=interval(drawn.eer - self.replicates.eer),
            worst=max(eers) - plain,
            n_genuine=len(found[0].genuine),
            n_impostor=len(found[0].impostor),
            n_subjects=len(np.unique(np.concatenate([found[0].genuine_a, found[0].impostor_a, found[0].impostor_b]))),
        )


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """How often a fixed threshold errs: counts of false matches and false non-matches."""

    threshold: float
    false_matches: int
    n_impostor: int
    false_non_matches: int
    n_genuine: int


def at_threshold(found: Comparisons, threshold: float) -> AtThreshold:
    """Count the errors of a threshold."""
    return AtThreshold(
        threshold,
        int((found.impostor >= threshold).sum()),
        len(found.impostor),
        int((found.genuine < threshold).sum()),
        len(found.genuine),
    )


def crossed(people: People) -> Trial:
    """Return every picture against every other of a set whose protocol lists pairs: many impostors for rare errors."""
    return Trial(f"{people.name}, every picture with every other", people.pictures, None, None, people.n_subjects)
