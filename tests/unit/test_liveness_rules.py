# SPDX-License-Identifier: Apache-2.0
"""What the layers say becomes a score, and scores a verdict: never from nothing, never from what is no number."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.provenance import cards
from edge_gate.rules.liveness import (
    MOST_LOOKS,
    Evidence,
    Liveness,
    LivenessPoint,
    Look,
    fuse,
    judge,
    suspicion,
)
from edge_gate.settings.config import ModelSettings
from edge_gate.wire.eye import PadReason

POINT = LivenessPoint(1.0, 0.0, 4.0, 20.0, 0.5, 1.0, 8.0, 0.5, 3, 0.5)
UNMEASURED = Look(math.nan, PadReason.NOT_MEASURED)
scores = st.floats(0, 1)
shares = st.none() | st.floats(0, 1)
anything = st.floats(allow_nan=True, allow_infinity=True)


def looks(*given_scores: float) -> list[Look]:
    return [Look(each, PadReason.NONE if each >= 0.5 else PadReason.SURFACE) for each in given_scores]


@given(anything, st.none() | anything)
def test_a_score_is_from_0_to_1_or_said_not_to_be_measured(texture: float, scene: float | None) -> None:
    look = fuse(Evidence(texture, scene), POINT)
    assert math.isnan(look.score) == (look.reason is PadReason.NOT_MEASURED)
    assert math.isnan(look.score) or 0 <= look.score <= 1
    if math.isnan(texture) or (scene is not None and math.isnan(scene)):
        assert look.reason is PadReason.NOT_MEASURED


@given(st.floats(-20, 20), shares)
def test_below_the_threshold_there_is_a_reason_and_above_it_none(texture: float, scene: float | None) -> None:
    look = fuse(Evidence(texture, scene), POINT)
    assert (look.reason is PadReason.NONE) == (look.score >= POINT.threshold)


@given(st.floats(-20, 20), shares, st.floats(0, 5))
def test_more_for_a_person_is_never_a_lower_score(texture: float, scene: float | None, more: float) -> None:
    assert fuse(Evidence(texture + more, scene), POINT).score >= fuse(Evidence(texture, scene), POINT).score


def test_a_hidden_scene_speaks_against_a_person_and_a_seen_one_cannot_carry_an_attack() -> None:
    assert fuse(Evidence(2.0, 0.0), POINT).reason is PadReason.SCENE
    assert fuse(Evidence(-2.0, 1.0), POINT).reason is PadReason.SURFACE
    assert fuse(Evidence(2.0, 1.0), POINT).reason is PadReason.NONE


@given(st.floats(-50, 50), st.floats(0, 0.25))
def test_however_certain_the_network_is_a_hidden_scene_is_an_attack(texture: float, scene: float) -> None:
    assert fuse(Evidence(texture, scene), POINT).reason in (PadReason.SCENE, PadReason.SURFACE)


@given(st.lists(scores, max_size=40), st.booleans())
def test_too_few_looks_are_never_a_person(values: list[float], twice: bool) -> None:
    wanted = POINT.fewest * (2 if twice else 1)
    if len(values) < wanted:
        assert judge(looks(*values), POINT, twice=twice) is Liveness.UNSURE


@given(st.lists(scores, min_size=1, max_size=40))
def test_nothing_below_the_threshold_on_the_whole_is_a_person(values: list[float]) -> None:
    newest = values[-MOST_LOOKS:]
    if sum(newest) / len(newest) < POINT.threshold:
        assert judge(looks(*values), POINT) is not Liveness.LIVE


@given(st.lists(scores, max_size=20), st.lists(st.just(UNMEASURED), max_size=20))
def test_what_was_not_measured_counts_for_nothing(values: list[float], unmeasured: list[Look]) -> None:
    assert judge([*unmeasured, *looks(*values), *unmeasured], POINT) is judge(looks(*values), POINT)


def test_nothing_measured_is_no_person() -> None:
    assert judge([UNMEASURED] * 30, POINT) is Liveness.UNSURE
    assert suspicion([UNMEASURED] * 30) is PadReason.NOT_MEASURED


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.99] * 3, Liveness.LIVE),  # certain early
        ([0.7] * 3, Liveness.UNSURE),  # more looks help
        ([0.7] * 8, Liveness.LIVE),
        ([0.01] * 3, Liveness.ATTACK),
        ([0.99] * 2 + [0.01] * 22, Liveness.ATTACK),
        ([0.01] * 40 + [0.99] * 24, Liveness.LIVE),  # a picture that was put away long ago
    ],
)
def test_certain_early_and_patient_where_it_helps(values: list[float], verdict: Liveness) -> None:
    assert judge(looks(*values), POINT) is verdict


def test_after_an_attack_twice_as_many_looks_are_wanted() -> None:
    assert judge(looks(*[0.99] * 5), POINT, twice=True) is Liveness.UNSURE
    assert judge(looks(*[0.99] * 6), POINT, twice=True) is Liveness.LIVE


def test_the_reason_told_is_the_commonest() -> None:
    told = [Look(0.1, PadReason.SCENE), Look(0.1, PadReason.SURFACE), Look(0.2, PadReason.SCENE), *looks(0.9, 0.9, 0.9)]
    assert suspicion(told) is PadReason.SCENE


@pytest.mark.parametrize("field", LivenessPoint.__slots__)
@pytest.mark.parametrize("value", [None, "0.5", True, math.nan, math.inf, -math.inf, 10**9])
def test_a_card_without_a_number_for_each_weight_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        LivenessPoint.of(asdict(POINT) | {field: value})


@pytest.mark.parametrize(
    "changes", [{"threshold": 0}, {"threshold": 1}, {"margin": -1}, {"fewest": 0}, {"fewest": 2.5}]
)
def test_a_card_whose_threshold_lets_everything_pass_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        LivenessPoint.of(asdict(POINT) | changes)


def test_the_shipped_card_has_a_point() -> None:
    point = cards.read(ModelSettings(), ModelSettings().liveness).liveness_point
    assert LivenessPoint.of(asdict(point)) == point and replace(point, fewest=point.fewest) == point
