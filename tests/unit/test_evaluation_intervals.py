# SPDX-License-Identifier: Apache-2.0
"""Bounds against exact values, and the bootstrap against the same thing done the slow way."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_gate.tools.evaluation import intervals
from edge_gate.tools.evaluation.metrics import curve, dprime
from edge_gate.tools.evaluation.protocol import Comparisons, Embedded, all_pairs, listed


def people(n_subjects: int, each: int, spread: float, seed: int = 1) -> Embedded:
    draw = np.random.default_rng(seed)
    subject = np.repeat(np.arange(n_subjects, dtype=np.int32), each)
    vectors = draw.normal(size=(n_subjects, 16))[subject] + spread * draw.normal(size=(n_subjects * each, 16))
    return Embedded((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), subject)


@pytest.mark.parametrize(("errors", "trials"), [(0, 43), (1, 20), (7, 100), (30, 3000), (99, 100), (5000, 20_000)])
def test_clopper_pearson_bounds_leave_their_share_in_each_tail(errors: int, trials: int) -> None:
    low, high = intervals.clopper_pearson(errors, trials)

    def at_most(k: int, p: float) -> float:
        def term(j: int) -> float:
            ways = math.lgamma(trials + 1) - math.lgamma(j + 1) - math.lgamma(trials - j + 1)
            return math.exp(ways + j * math.log(p) + (trials - j) * math.log1p(-p))

        return sum(term(j) for j in range(k + 1))

    assert at_most(errors, high) == pytest.approx(0.025, rel=1e-5)
    assert low == pytest.approx(0, abs=1e-12) if errors == 0 else at_most(errors - 1, low) == pytest.approx(0.975)


def test_bounds_without_trials_exclude_nothing() -> None:
    assert intervals.clopper_pearson(0, 0) == (0, 1)
    assert intervals.clopper_pearson(5, 5)[1] == 1
    assert intervals.rule_of_three(0) == 1


def test_the_rule_of_three_is_the_exact_bound_of_no_error() -> None:
    assert intervals.rule_of_three(300) == pytest.approx(intervals.upper_bound(0, 300), abs=1e-9)
    assert intervals.rule_of_three(3000) == pytest.approx(3 / 3000, rel=5e-3)


@pytest.mark.parametrize(("fmr", "least"), [(1e-2, 300), (1e-3, 3000), (1e-4, 30_000)])
def test_an_fmr_is_proven_only_by_three_over_it_impostor_comparisons(fmr: float, least: int) -> None:
    assert intervals.needed(fmr) == least
    assert intervals.proven(fmr, least)
    assert not intervals.proven(fmr, least - 1)


def slow_replicate(comparisons: Comparisons, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write out a resampling: each pair of people as often as it was drawn, one's own comparisons once a draw."""
    repeated = []
    for genuine in (True, False):
        scores, a, b = comparisons.of(genuine)
        times = np.where(a == b, drawn[a], drawn[a] * drawn[b]).astype(int)
        repeated.append(np.repeat(scores, times))
    return repeated[0], repeated[1]


def check_against_writing_out(comparisons: Comparisons) -> None:
    fmrs = (1e-1, 1e-2)
    quick = intervals.bootstrap(comparisons, fmrs, replicates=25, seed=5)
    for k, drawn in enumerate(intervals._draw(comparisons.n_subjects, 25, 5)):
        genuine, impostor = slow_replicate(comparisons, drawn)
        points = curve(genuine, impostor)
        assert quick.eer[k] == pytest.approx(points.eer(), abs=1e-9, nan_ok=True)
        assert quick.dprime[k] == pytest.approx(dprime(genuine, impostor), rel=2e-2, nan_ok=True)
        for fmr in fmrs:
            assert quick.fnmr[fmr][k] == pytest.approx(points.at_fmr(fmr)[1], abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("spread", [0.3, 0.8, 2.0])
def test_weighing_people_equals_writing_the_resampled_comparisons_out(spread: float) -> None:
    check_against_writing_out(all_pairs(people(12, 5, spread), 12))


def test_weighing_people_holds_for_listed_pairs_whose_labels_contradict_the_names() -> None:
    pictures = people(8, 6, 0.7)
    draw = np.random.default_rng(2)
    first = draw.integers(0, 48, 200)
    second = (first + draw.integers(1, 48, 200)) % 48
    same = pictures.subject[first] == pictures.subject[second]
    same[:20] = ~same[:20]
    check_against_writing_out(listed(pictures, first, second, same, 8))


def test_the_interval_covers_the_rate_and_narrows_with_more_people() -> None:
    widths = []
    for n in (10, 80):
        comparisons = all_pairs(people(n, 4, 0.9), n)
        found = intervals.interval(intervals.bootstrap(comparisons, (1e-2,), replicates=200).eer)
        assert found is not None
        assert found[0] <= curve(comparisons.genuine, comparisons.impostor).eer() <= found[1]
        widths.append(found[1] - found[0])
    assert widths[1] < widths[0] / 1.5


def test_the_same_seed_gives_the_same_intervals() -> None:
    comparisons = all_pairs(people(10, 4, 0.9), 10)
    first, again = (intervals.bootstrap(comparisons, (1e-2,), replicates=50) for _ in range(2))
    np.testing.assert_array_equal(first.eer, again.eer)


def test_one_person_alone_has_no_interval() -> None:
    replicates = intervals.bootstrap(all_pairs(people(1, 4, 0.9), 1), (1e-2,), replicates=50)
    assert intervals.interval(replicates.eer) is None
    assert intervals.interval(replicates.dprime) is None
