# SPDX-License-Identifier: Apache-2.0
"""The evaluation sets, compared as `edge-gate evaluate` compares them: its data, protocols, rates and intervals.

LFW View 2 folds 6 to 10 (Huang et al. 2007): listed pairs. MFR2 (Anwar and Raychowdhury 2020) and the Georgia Tech face
set: all pairs. ROF (Erakin et al. 2021): each masked picture against each unmasked one. One to many (ISO/IEC 19795-1):
half of the Georgia Tech people are enrolled, the other half come as strangers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_gate.evaluation import protocol
from edge_gate.evaluation.data import DataSet, Pairs, Picture, open_data, read_pairs
from edge_gate.evaluation.folds import accuracies, folds_of
from edge_gate.evaluation.intervals import SEED, proven
from edge_gate.evaluation.metrics import curve
from edge_gate.evaluation.protocol import Comparisons, Embedded, Vectors

Embed = Callable[[Picture], np.ndarray]

LFW, MFR2, ROF, GATECH = "lfw", "mfr2", "rof", "gatech"
SIZES = (1, 3, 5)  # pictures in a template, and in a probe
FPIRS = (1e-1, 1e-2)
ENROLLED, SPLITS = 25, 20


@dataclass(frozen=True, slots=True)
class Trial:
    """One set compared in its own way. `accuracy` is the mean over the folds of listed pairs."""

    name: str
    n_subjects: int
    n_images: int
    comparisons: Comparisons
    accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """All sets with one network: LFW, MFR2, ROF, Georgia Tech. `vectors` are all embeddings, in a fixed order."""

    trials: tuple[Trial, ...]
    gatech: Embedded
    vectors: Vectors


def run(folder: Path, embed: Embed) -> Tried:
    """Embed every strip of the four sets and compare. Raises BadEvaluationData."""
    files = ("lfw_folds_6_10", "mfr2", "rof_masked", "rof_unmasked", "gatech")
    data = [open_data(folder / f"{name}.npz") for name in files]
    vectors = [np.stack([embed(_read(each, row)) for row in range(len(each.names))]) for each in data]
    lfw, mfr2, masked, unmasked, gatech = zip(data, vectors, strict=True)
    single = _embedded(*gatech, gatech[0].subjects)
    people = [*masked[0].subjects, *unmasked[0].subjects]
    rof = protocol.against(_embedded(*masked, people), _embedded(*unmasked, people), len(set(people)))
    trials = (
        _listed(*lfw, read_pairs(folder / "lfw_folds_6_10.pairs.txt", lfw[0])),
        _all_pairs(MFR2, *mfr2),
        Trial(ROF, len(set(people)), len(people), rof),
        _all_pairs(GATECH, *gatech),
    )
    return Tried(trials, single, np.concatenate(vectors))


def _read(data: DataSet, row: int) -> Picture:
    strip = data.read(row)
    if strip is None:
        raise SystemExit(f"{data.names[row]} cannot be read")
    return strip


def _embedded(data: DataSet, vectors: Vectors, people: list[str]) -> Embedded:
    number = {name: place for place, name in enumerate(sorted(set(people)))}
    return Embedded(vectors, np.array([number[name] for name in data.subjects], np.int32))


def _all_pairs(name: str, data: DataSet, vectors: Vectors) -> Trial:
    people = len(set(data.subjects))
    return Trial(name, people, len(vectors), protocol.all_pairs(_embedded(data, vectors, data.subjects), people))


def _listed(data: DataSet, vectors: Vectors, pairs: Pairs) -> Trial:
    pictures = _embedded(data, vectors, data.subjects)
    comparisons = protocol.listed(pictures, pairs.first, pairs.second, pairs.same, len(set(data.subjects)))
    scores = protocol.pair_scores(pictures, pairs.first, pairs.second)
    accuracy = float(accuracies(scores, pairs.same, folds_of(pairs.same, SEED).fold).mean())
    shown = np.unique(np.concatenate([pairs.first, pairs.second]))
    return Trial(LFW, len(np.unique(pictures.subject[shown])), len(shown), comparisons, accuracy)


@dataclass(frozen=True, slots=True)
class Identification:
    """One to many: how many searches in each split, and the FNIR of each split at each FPIR, None if not proven."""

    n_mated: int
    n_nonmated: int
    fnir: dict[float, list[float] | None]


def identify(pictures: Embedded, template: int, probe: int) -> Identification:
    """Search ENROLLED people's templates for their own probes and for those of everybody else, in SPLITS draws.

    A mated search fails where its own template is not the best or the best is below the threshold (rank 1).
    """
    people, rng = np.unique(pictures.subject), np.random.default_rng(SEED)
    found: dict[float, list[float]] = {fpir: [] for fpir in FPIRS}
    own = others = np.empty(0)
    for _ in range(SPLITS):
        known = np.isin(pictures.subject, rng.permutation(people)[:ENROLLED])
        own, others = _searches(pictures, known, template, probe)
        for fpir, values in found.items():
            values.append(curve(own, others).at_fmr(fpir)[1])
    fnir = {fpir: values if proven(fpir, len(others)) else None for fpir, values in found.items()}
    return Identification(len(own), len(others), fnir)


def _searches(pictures: Embedded, known: np.ndarray, template: int, probe: int) -> tuple[np.ndarray, np.ndarray]:
    """Best scores of mated searches (-2, below any cosine, where another's template is best) and of the others."""
    mine, strangers = pictures.take(np.flatnonzero(known)), pictures.take(np.flatnonzero(~known))
    gallery, rest = protocol.templates(mine, template)
    mated, nonmated = protocol.probes(mine.take(rest), probe), protocol.probes(strangers, probe)
    scores = mated.vectors @ gallery.vectors.T
    right = gallery.subject[scores.argmax(axis=1)] == mated.subject
    return np.where(right, scores.max(axis=1), np.float32(-2)), (nonmated.vectors @ gallery.vectors.T).max(axis=1)
