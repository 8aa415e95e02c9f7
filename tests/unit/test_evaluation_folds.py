# SPDX-License-Identifier: Apache-2.0
"""Accuracy over folds: whose threshold judges whom, and where folds come from."""

from __future__ import annotations

import numpy as np
import pytest

from edge_gate.tools.evaluation.folds import accuracies, folds_of


def test_each_fold_is_judged_by_the_threshold_of_the_others() -> None:
    # The first fold's genuine score lies below the threshold of the others (0.7); its own would judge it perfectly.
    scores = np.array([0.65, 0.1, 0.9, 0.5, 0.9, 0.5])
    same = np.array([True, False] * 3)
    accuracy = accuracies(scores, same, np.array([0, 0, 1, 1, 2, 2]))
    assert accuracy.tolist() == [0.5, 1.0, 1.0]


def test_accuracy_of_separated_pairs_is_one_in_every_fold() -> None:
    scores = np.tile([0.9, 0.8, 0.2, 0.1], 5)
    assert accuracies(scores, scores > 0.5, np.repeat(np.arange(5), 4)).tolist() == [1.0] * 5


@pytest.mark.parametrize(("folds", "half"), [(5, 300), (10, 3)])
def test_equal_blocks_in_the_list_are_its_folds(folds: int, half: int) -> None:
    same = np.tile(np.repeat([True, False], half), folds)
    found = folds_of(same, seed=1)
    assert found.from_file
    assert found.fold.tolist() == np.repeat(np.arange(folds), 2 * half).tolist()


def test_any_other_list_is_dealt_evenly_and_always_alike() -> None:
    same = np.random.default_rng(0).random(848) < 0.5
    found = folds_of(same, seed=1)
    assert not found.from_file
    for kind in (same, ~same):
        counts = np.bincount(found.fold[kind], minlength=10)
        assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(found.fold, folds_of(same, seed=1).fold)


def test_folds_without_pairs_of_both_kinds_give_no_accuracy() -> None:
    same = np.ones(20, np.bool_)
    assert len(accuracies(np.linspace(0, 1, 20), same, folds_of(same, seed=1).fold)) == 0
