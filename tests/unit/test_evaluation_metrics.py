# SPDX-License-Identifier: Apache-2.0
"""The metrics against closed forms, against brute force, and at the edges."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.tools.evaluation.metrics import curve, det_points, dprime, fuse

# Few distinct values, so that ties within and between the two kinds are the rule.
tied_scores = st.lists(st.integers(-4, 4).map(lambda k: k / 4), min_size=1, max_size=12).map(
    lambda values: np.array(values, np.float32)
)


def every_threshold(genuine: np.ndarray, impostor: np.ndarray) -> list[float]:
    scores = sorted({float(score) for score in (*genuine, *impostor)})
    above = [float(np.nextafter(np.float32(score), np.float32(np.inf))) for score in scores]
    return sorted([-math.inf, *scores, *above])


@given(tied_scores, tied_scores)
@settings(deadline=None)
def test_the_eer_is_the_mean_of_both_rates_where_they_are_nearest(genuine: np.ndarray, impostor: np.ndarray) -> None:
    rates = [
        (Fraction(int(np.sum(impostor >= t)), len(impostor)), Fraction(int(np.sum(genuine < t)), len(genuine)))
        for t in every_threshold(genuine, impostor)
    ]
    nearest = min((abs(fmr - fnmr), (fmr + fnmr) / 2) for fmr, fnmr in rates)
    assert curve(genuine, impostor).eer() == pytest.approx(float(nearest[1]))


@given(tied_scores, tied_scores, st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.5, 1.0]))
@settings(deadline=None)
def test_the_threshold_is_the_smallest_whose_fmr_is_not_exceeded(
    genuine: np.ndarray, impostor: np.ndarray, fmr: float
) -> None:
    allowed = [t for t in every_threshold(genuine, impostor) if np.sum(impostor >= t) <= fmr * len(impostor) + 1e-9]
    threshold, fnmr = curve(genuine, impostor).at_fmr(fmr)
    assert threshold <= min(allowed)
    assert np.mean(impostor >= np.float32(threshold)) <= fmr + 1e-9
    assert fnmr == pytest.approx(np.mean(genuine < np.float32(threshold)))
    # One float lower is one impostor too many, unless everybody may pass already.
    lower = np.nextafter(np.float32(threshold), np.float32(-np.inf))
    assert threshold == -math.inf or np.mean(impostor >= lower) > fmr or np.mean(genuine < lower) < fnmr


def test_tied_impostors_are_never_split_by_a_threshold() -> None:
    impostor = np.array([0.9] * 10 + [0.1] * 990, np.float32)
    genuine = np.array([0.9, 0.95, 0.5, 0.05], np.float32)
    points = curve(genuine, impostor)
    assert points.at_fmr(0.01)[1] == pytest.approx(0.25)  # all ten may match: just above 0.1
    assert points.at_fmr(0.009)[1] == pytest.approx(0.75)  # none of the ten may: just above 0.9


def test_a_threshold_of_float32_scores_still_splits_them_when_compared_as_float32() -> None:
    impostor = np.array([0.3, 0.3000001, 0.29], np.float32)
    threshold, _ = curve(impostor, impostor).at_fmr(0.0)
    assert not (impostor >= threshold).any()
    assert not (impostor.astype(np.float64) >= threshold).any()


@pytest.mark.parametrize("d", [1.0, 2.0, 3.5])
def test_gaussian_scores_give_the_closed_form_rates(d: float) -> None:
    standard = NormalDist()
    quantiles = np.array([standard.inv_cdf((k + 0.5) / 40_000) for k in range(40_000)])
    points = curve(quantiles + d, quantiles)
    assert points.eer() == pytest.approx(standard.cdf(-d / 2), rel=5e-3, abs=5e-5)
    assert dprime(quantiles + d, quantiles) == pytest.approx(d, rel=2e-3)
    for fmr in (1e-1, 1e-2, 1e-3):
        expected = standard.cdf(standard.inv_cdf(1 - fmr) - d)
        assert points.at_fmr(fmr)[1] == pytest.approx(expected, rel=2e-2, abs=1e-4)


def test_dprime_of_unequal_spreads_uses_the_mean_of_the_variances() -> None:
    genuine, impostor = np.array([1.0, 3.0]), np.array([-1.0, 0.0, 1.0])
    assert dprime(genuine, impostor) == pytest.approx(2 / math.sqrt((2 + 1) / 2))


def test_separated_scores_have_no_error_at_any_fmr() -> None:
    points = curve(np.array([0.8, 0.9]), np.array([0.1, 0.2]))
    assert points.eer() == 0
    assert points.at_fmr(1e-4)[1] == 0


def test_equal_scores_everywhere_are_a_coin_toss() -> None:
    assert curve(np.full(3, 0.5), np.full(7, 0.5)).eer() == pytest.approx(0.5)


@pytest.mark.parametrize(("genuine", "impostor"), [(0, 3), (3, 0), (0, 0)])
def test_where_there_is_nothing_to_compute_the_rates_are_not_numbers(genuine: int, impostor: int) -> None:
    points = curve(np.ones(genuine), np.zeros(impostor))
    assert math.isnan(points.eer())
    assert math.isnan(points.at_fmr(1e-2)[1])
    assert math.isnan(dprime(np.ones(genuine), np.zeros(impostor)))


def test_a_det_curve_is_thinned_but_keeps_both_ends() -> None:
    draw = np.random.default_rng(3)
    points = curve(draw.normal(2, 1, 5000), draw.normal(0, 1, 20_000))
    fmr, fnmr = det_points(points, 200)
    assert 50 < len(fmr) <= 200
    assert [fmr[0], fnmr[0], fmr[-1], fnmr[-1]] == [0, 1, 1, pytest.approx(0)]
    assert (np.diff(fmr) >= 0).all() and (np.diff(fnmr) <= 0).all()


def test_fusion_is_the_direction_of_the_mean() -> None:
    pair = np.array([[[1, 0], [0, 1]], [[1, 0], [1, 0]]], np.float32)
    expected = np.array([[math.sqrt(0.5), math.sqrt(0.5)], [1, 0]])
    np.testing.assert_allclose(fuse(pair), expected, atol=1e-6)
