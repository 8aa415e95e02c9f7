# SPDX-License-Identifier: Apache-2.0
"""The evaluation sets, compared as `edge-gate evaluate` compares them: its data, protocols, rates and intervals.

LFW View 2 folds 6 to 10 (Huang et al. 2007): listed pairs. MFR2 (Anwar and Raychowdhury 2020) and the Georgia Tech face
set: all pairs. ROF (Erakin et al. 2021): each masked picture against each unmasked one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_gate.tools.evaluation import protocol
from edge_gate.tools.evaluation.data import DataSet, Picture, open_data, read_pairs
from edge_gate.tools.evaluation.folds import accuracies, folds_of
from edge_gate.tools.evaluation.intervals import SEED
from edge_gate.tools.evaluation.protocol import Comparisons, Embedded, People, Vectors
from edge_gate.tools.evaluation.report import Rates, rates_of

Embed = Callable[[Picture], np.ndarray]

MFR2, GATECH, LFW, ROF = "mfr2", "gatech", "lfw", "rof"
FILES = ("mfr2", "gatech", "lfw_folds_6_10", "rof_masked", "rof_unmasked")  # the small ones first
PAIRS = "lfw_folds_6_10.pairs.txt"


@dataclass(frozen=True, slots=True)
class Sides:
    """n pictures as they are compared: the score of two is probe row @ reference row. `subject` numbers people."""

    probe: Vectors
    reference: Vectors
    subject: People

    def score(self, probes: np.ndarray, references: np.ndarray) -> Vectors:
        """Scores of some rows with some others, (probes, references)."""
        return self.probe[probes] @ self.reference[references].T


def cosine(vectors: Vectors, subject: People) -> Sides:
    """Unit vectors, compared by their cosine."""
    return Sides(vectors, vectors, subject)


def nearness(vectors: Vectors, subject: People) -> Sides:
    """Vectors of any length, compared by the negative of their squared Euclidean distance, 2ab - aa - bb, which ranks
    pairs as the distance does. The cosine would rank them otherwise."""
    square = (vectors.astype(np.float64) ** 2).sum(axis=1, keepdims=True).astype(np.float32)
    one = np.ones_like(square)
    return Sides(np.hstack([2 * vectors, -square, -one]), np.hstack([vectors, one, square]), subject)


@dataclass(frozen=True, slots=True)
class Trial:
    """One set compared in its own way. `accuracy` is the mean over the folds of listed pairs."""

    name: str
    n_subjects: int
    n_images: int
    comparisons: Comparisons
    rates: Rates
    accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """All sets with one network. `trials` in the report's order; `vectors` are the embeddings of each file."""

    trials: dict[str, Trial]
    lfw: Sides
    gatech: Sides
    vectors: dict[str, Vectors]


def embed_all(folder: Path, name: str, embed: Embed, advance: Callable[[], None]) -> Vectors:
    """The embeddings of one file's strips, (n, d). Raises BadEvaluationData."""
    data = open_data(folder / f"{name}.npz")
    out = []
    for row in range(len(data.names)):
        out.append(embed(_read(data, row)))
        advance()
    return np.stack(out)


def compare(folder: Path, vectors: dict[str, Vectors], sides: Callable[[Vectors, People], Sides]) -> Tried:
    """Compare the embeddings of all files in each set's own way."""
    data = {name: open_data(folder / f"{name}.npz") for name in FILES}
    people = {name: each.subjects for name, each in data.items()}
    both = people["rof_masked"] + people["rof_unmasked"]
    placed = {
        name: sides(vectors[name], _numbers(people[name], both if name.startswith("rof") else people[name]))
        for name in FILES
    }
    masked, unmasked = placed["rof_masked"], placed["rof_unmasked"]
    rof = protocol.against(
        Embedded(masked.probe, masked.subject), Embedded(unmasked.reference, unmasked.subject), len(set(both))
    )
    lfw = placed["lfw_folds_6_10"]
    trials = (
        _listed(folder, data["lfw_folds_6_10"], lfw),
        _all_pairs(MFR2, placed["mfr2"]),
        Trial(ROF, len(set(both)), len(both), rof, rates_of(rof)),
        _all_pairs(GATECH, placed["gatech"]),
    )
    return Tried({each.name: each for each in trials}, lfw, placed["gatech"], vectors)


def _read(data: DataSet, row: int) -> Picture:
    strip = data.read(row)
    if strip is None:
        raise SystemExit(f"{data.names[row]} cannot be read")
    return strip


def _numbers(names: list[str], people: list[str]) -> People:
    number = {name: place for place, name in enumerate(sorted(set(people)))}
    return np.array([number[name] for name in names], np.int32)


def _pairwise(pictures: Sides) -> Embedded:
    """Probes, and below them the references: row a is compared with row n + b."""
    return Embedded(np.concatenate([pictures.probe, pictures.reference]), np.tile(pictures.subject, 2))


def _all_pairs(name: str, pictures: Sides) -> Trial:
    n, people = len(pictures.subject), len(np.unique(pictures.subject))
    first, second = np.triu_indices(n, 1)
    same = pictures.subject[first] == pictures.subject[second]
    compared = protocol.listed(_pairwise(pictures), first, n + second, same, people)
    return Trial(name, people, n, compared, rates_of(compared))


def _listed(folder: Path, data: DataSet, pictures: Sides) -> Trial:
    pairs, both = read_pairs(folder / PAIRS, data), _pairwise(pictures)
    second = len(pictures.subject) + pairs.second
    compared = protocol.listed(both, pairs.first, second, pairs.same, len(np.unique(pictures.subject)))
    scores = protocol.pair_scores(both, pairs.first, second)
    accuracy = float(accuracies(scores, pairs.same, folds_of(pairs.same, SEED).fold).mean())
    shown = np.unique(np.concatenate([pairs.first, pairs.second]))
    people = len(np.unique(pictures.subject[shown]))
    return Trial(LFW, people, len(shown), compared, rates_of(compared), accuracy)
