# SPDX-License-Identifier: Apache-2.0
"""Errors at a card's thresholds, counted by hand and bounded by what so few people can show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.tools.evaluation.at_card import judge
from edge_gate.tools.evaluation.intervals import rule_of_three
from edge_gate.tools.evaluation.protocol import Comparisons

POINTS = (
    OperatingPoint("single", 1e-3, 0.5, 10, 1e-3),
    OperatingPoint("fused", 1e-4, 0.7, 10, 1e-4),
    OperatingPoint("fused", 1e-2, 0.4, 10, 1e-2),
)


def comparisons(genuine: Any, impostor: Any, *, people: int = 4, fused: bool = True) -> Comparisons:
    """Give the genuine scores to the people in turn, and the impostor scores to the pairs of people."""
    own = np.arange(len(genuine), dtype=np.int32) % people
    first, second = np.triu_indices(people, 1)
    pair = np.arange(len(impostor)) % len(first)
    return Comparisons(
        np.array(genuine, np.float32), own, own,
        np.array(impostor, np.float32), first[pair].astype(np.int32), second[pair].astype(np.int32), people, fused,
    )  # fmt: skip


def test_errors_are_counted_at_each_point_of_the_kind_that_was_compared() -> None:
    lax, strict = judge(comparisons([0.9, 0.6, 0.4, 0.3], [0.1, 0.4, 0.39, 0.71, 0.2, 0.0]), POINTS, 1e-4)
    assert (lax.point.fmr, strict.point.fmr) == (1e-2, 1e-4) and (lax.configured, strict.configured) == (False, True)
    assert (lax.false_non_matches.errors, strict.false_non_matches.errors) == (1, 3)
    # float32 0.4 is a little more than 0.4, so it matches, on both sides
    assert (lax.false_matches.errors, strict.false_matches.errors) == (2, 1)
    assert (lax.false_matches.comparisons, lax.false_non_matches.comparisons) == (6, 4)
    (single,) = judge(comparisons([0.9], [0.1], fused=False), POINTS, 1e-4)
    assert single.point.kind == "single" and not single.configured


def test_no_error_among_few_people_is_not_called_certain() -> None:
    of = next(judge(comparisons([0.9] * 40, [0.1] * 600), POINTS, 1e-4))
    assert of.false_matches.errors == of.false_non_matches.errors == 0
    assert of.false_non_matches.interval == pytest.approx((0, rule_of_three(4)))
    assert of.false_matches.interval == pytest.approx((0, rule_of_three(4))), "four people, not 600 trials"
    none = next(judge(comparisons([0.1] * 40, [0.9] * 600), POINTS, 1e-4))
    assert none.false_non_matches.interval == pytest.approx((1 - rule_of_three(4), 1))


def test_a_card_without_a_point_of_the_kind_gives_none() -> None:
    assert list(judge(comparisons([0.9], [0.1]), POINTS[:1], 1e-4)) == []


scores = st.lists(st.floats(-1, 1, width=32), max_size=30)


@settings(deadline=None)
@given(genuine=scores, impostor=scores)
def test_whatever_was_compared_the_interval_holds_the_rate(genuine: list[float], impostor: list[float]) -> None:
    for of in judge(comparisons(genuine, impostor), POINTS, 1e-4):
        for counted, n in ((of.false_matches, len(impostor)), (of.false_non_matches, len(genuine))):
            assert counted.comparisons == n and counted.errors <= n
            if counted.interval is not None:
                low, high = counted.interval
                assert 0 <= low <= counted.rate + 1e-9 and counted.rate - 1e-9 <= high <= 1
            told = counted.as_dict()
            assert (told["rate"] is None) == (n == 0)
