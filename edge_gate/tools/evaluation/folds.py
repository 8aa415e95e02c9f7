# SPDX-License-Identifier: Apache-2.0
"""Accuracy over listed pairs as the LFW benchmark states it (Huang et al. 2007, View 2): the threshold that is best on
all other folds judges each fold, and the mean over the folds is reported."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_gate.tools.evaluation.metrics import Floats, Ints, Scores, curve

Flags = NDArray[np.bool_]

USUAL = (5, 10)
DRAWN = 10


@dataclass(frozen=True, slots=True)
class Folds:
    """The fold of each pair, and whether the file's own order gave them or they were drawn."""

    fold: Ints
    from_file: bool


def folds_of(same: Flags, seed: int) -> Folds:
    """Find the folds of a list of pairs.

    A list made of 5 or 10 equal blocks, each with as many pairs of one person as of two and those of one first, has
    its folds in itself. Any other is dealt into ten, each kind evenly, in an order that ``seed`` fixes.
    """
    n = len(same)
    for count in USUAL:
        block = np.arange(n // count) < n // (2 * count)
        if n % (2 * count) == 0 and np.array_equal(same, np.tile(block, count)):
            return Folds(np.arange(n) // (n // count), True)
    draw = np.random.default_rng(seed)
    fold = np.empty(n, np.int64)
    for kind in (same, ~same):
        fold[draw.permutation(np.flatnonzero(kind))] = np.arange(int(kind.sum())) % DRAWN
    return Folds(fold, False)


def accuracies(scores: Scores, same: Flags, fold: Ints) -> Floats:
    """Return each fold's share of right decisions; a fold whose others lack one kind of pairs is left out."""
    parts: list[float] = []
    for each in np.unique(fold):
        here = fold == each
        genuine, impostor = scores[~here & same], scores[~here & ~same]
        if len(genuine) and len(impostor):
            threshold = curve(genuine, impostor).best_accuracy(len(genuine), len(impostor))
            parts.append(float(np.mean((scores[here] >= threshold) == same[here])))
    return np.array(parts)
