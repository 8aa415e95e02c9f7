# SPDX-License-Identifier: Apache-2.0
"""Matching, fusion, policy: when an approach counts as recognised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.core.errors import DuplicateResident, EnrolmentFailed
from edge_gate.rules.comparison import Gallery, Vector, unit_vector
from edge_gate.rules.enrolment import SPACING_NS, WANTED, Enrolment, refuse_duplicate
from edge_gate.rules.fusion import ApproachTracker
from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.rules.policy import Policy, Verdict
from edge_gate.rules.protection import KEY_BYTES, SiteTransform
from edge_gate.settings.config import DecisionSettings
from edge_gate.wire.eye import AcquisitionFailure
from tests.support.peers import direction, embedding, sighting

POLICY = Policy(OperatingPoint("fused", 1e-4, 0.5, 10**6, 2e-4), DecisionSettings(min_sightings=3, window_s=2.0))
TRANSFORM = SiteTransform(bytes(KEY_BYTES))


def gallery(people: dict[str, Vector]) -> Gallery:
    return Gallery.of(list(people), [TRANSFORM.encode(vector).tobytes() for vector in people.values()], TRANSFORM)


GALLERY = gallery({"ann": direction(1), "bo": direction(2), "cy": direction(3)})


def judge(sightings: list, at_s: float | None = None):  # type: ignore[no-untyped-def, type-arg]
    tracker = ApproachTracker(1.0)
    for each in sightings:
        approach, _ = tracker.add(each)
    now = sightings[-1].captured_ns if at_s is None else 10**12 + round(at_s * 1e9)
    return POLICY.decide(approach, GALLERY, now)


def test_a_resident_seen_three_times_is_let_in() -> None:
    decision = judge([sighting(embedding(2, seed=i), at_s=i * 0.1) for i in range(3)])
    assert (decision.verdict, decision.resident_id) == (Verdict.OPEN, "bo")
    assert decision.comparison_score is not None and decision.comparison_score > 0.8


def test_two_perfect_sightings_are_not_enough() -> None:
    assert judge([sighting(embedding(2, noise=0), at_s=i * 0.1) for i in range(2)]).verdict is Verdict.WAIT


def test_one_blurred_frame_neither_opens_nor_bars_the_door() -> None:
    views = [embedding(2, seed=0), embedding(99), embedding(2, seed=1), embedding(2, seed=2)]
    assert judge([sighting(view, at_s=i * 0.1) for i, view in enumerate(views)]).resident_id == "bo"
    stranger = [embedding(50, seed=0), embedding(2, noise=0), embedding(50, seed=1), embedding(50, seed=2)]
    assert judge([sighting(view, at_s=i * 0.1) for i, view in enumerate(stranger)]).verdict is not Verdict.OPEN


def test_a_strong_minority_cannot_carry_an_approach() -> None:
    """Two of five sightings of a resident lift the fused probe over the threshold, yet most of them are of another."""
    views = [embedding(2, noise=0), embedding(2, noise=0), *(embedding(3, noise=0) for _ in range(3))]
    weights = [1.0, 1.0, 0.4, 0.4, 0.4]
    decision = judge([sighting(v, at_s=i * 0.1, weight=w) for i, (v, w) in enumerate(zip(views, weights, strict=True))])
    assert decision.verdict is not Verdict.OPEN


def test_a_stranger_is_refused_when_the_window_is_over_and_not_named() -> None:
    views = [sighting(embedding(50, seed=i), at_s=i * 0.1) for i in range(5)]
    assert judge(views).verdict is Verdict.WAIT
    decision = judge(views, at_s=2.1)
    assert (decision.verdict, decision.resident_id) == (Verdict.REFUSE, None)


def test_nobody_enrolled_refuses_everybody() -> None:
    tracker = ApproachTracker(1.0)
    for i in range(5):
        approach, _ = tracker.add(sighting(embedding(1, seed=i), at_s=i * 0.1))
    assert POLICY.decide(approach, gallery({}), 10**12 + 3 * 10**9).verdict is Verdict.REFUSE


def negated(view: bytes) -> bytes:
    return bytes((-np.frombuffer(view, np.int8)).astype(np.int8).tobytes())


def test_views_that_cancel_each_other_are_like_nobody() -> None:
    views = [embedding(2, noise=0), negated(embedding(2, noise=0))] * 2
    decision = judge([sighting(view, at_s=i * 0.1) for i, view in enumerate(views)])
    assert decision.verdict is not Verdict.OPEN
    assert decision.comparison_score is None, "of a refusal nothing is told"


def test_sightings_without_an_embedding_never_decide() -> None:
    assert judge([sighting(at_s=i * 0.1) for i in range(20)], at_s=9).verdict is Verdict.WAIT


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ({"track": 2}, "another track"),
        ({"at_s": 1.5}, "too late"),
        ({"x": 630}, "further than a head moves in a tenth of a second"),
    ],
)
def test_what_cannot_be_the_same_person_begins_a_new_approach(second: dict[str, float], why: str) -> None:
    tracker = ApproachTracker(1.0)
    first, _ = tracker.add(sighting(embedding(1), at_s=0, x=20))
    changed = {"at_s": 0.1, "x": 22, **second}
    other, ended = tracker.add(sighting(embedding(1), **changed))  # type: ignore[arg-type]
    assert other is not first and ended is first, why


def test_an_approach_ends_when_nobody_is_seen_for_the_gap() -> None:
    tracker = ApproachTracker(1.0)
    approach, _ = tracker.add(sighting(embedding(1)))
    assert tracker.expire(10**12 + 900_000_000) is None
    assert tracker.expire(10**12 + 1_100_000_000) is approach
    assert tracker.current is None


def test_a_better_strip_weighs_more_in_the_probe() -> None:
    tracker = ApproachTracker(1.0)
    tracker.add(sighting(embedding(1, noise=0), at_s=0, weight=1.0))
    approach, _ = tracker.add(sighting(embedding(2, noise=0), at_s=0.1, weight=0.1))
    assert approach.probe() @ direction(1) > 0.9 > approach.probe() @ direction(2)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 12), st.integers(1, 10), st.integers(0, 2**32 - 1))
def test_search_finds_what_comparing_bit_by_bit_finds(people: int, count: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((people, 128)).astype(np.float32)
    probe = vectors[0] * np.float32(0.5) + vectors[-1] * np.float32(0.5)
    bits = [np.unpackbits(TRANSFORM.encode(each)) for each in (probe, *vectors)]
    slow = [math.cos(math.pi * sum(map(int.__ne__, bits[0].tolist(), each.tolist())) / 2048) for each in bits[1:]]
    found = gallery({str(i): vector for i, vector in enumerate(vectors)}).search(probe, count)
    assert np.allclose([each.comparison_score for each in found], sorted(slow, reverse=True)[:count], atol=1e-6)
    assert all(np.isclose(slow[int(each.resident_id)], each.comparison_score, atol=1e-6) for each in found)


def enrolled(people: list[int]) -> Enrolment:
    enrolment = Enrolment(10**12, alike=0.5)
    for number, person in enumerate(people):
        enrolment.add(sighting(embedding(person, seed=number), at_s=number * 0.2))
    return enrolment


def test_enrolment_makes_a_template_of_one_person() -> None:
    enrolment = enrolled([1] * WANTED)
    assert enrolment.complete
    assert enrolment.template() @ direction(1) > 0.97


def test_enrolment_of_two_people_who_take_turns_fails() -> None:
    with pytest.raises(EnrolmentFailed, match="one person alone"):
        enrolled([1, 2] * (WANTED // 2))


def test_enrolment_of_views_that_cancel_each_other_fails() -> None:
    """A taken-over eye can send them; their mean has no direction, and dividing by its length gave NaN."""
    enrolment = Enrolment(10**12, 0.5)
    view = embedding(1, noise=0)
    enrolment.add(sighting(view, at_s=1))
    with pytest.raises(EnrolmentFailed, match="differ too much"):
        enrolment.add(sighting(negated(view), at_s=2))


def test_enrolment_notices_that_somebody_else_stepped_in() -> None:
    enrolment = enrolled([1, 1, 1])
    with pytest.raises(EnrolmentFailed, match="differ too much"):
        enrolment.add(sighting(embedding(2), at_s=2, track=2))


def test_enrolment_goes_on_after_the_tracker_blinked() -> None:
    enrolment = enrolled([1, 1, 1])
    assert enrolment.add(sighting(embedding(1, seed=9), at_s=2, track=2)).taken == 4


def test_enrolment_takes_no_two_frames_of_the_same_moment_and_no_bad_ones() -> None:
    enrolment = enrolled([1])
    assert enrolment.add(sighting(embedding(1), at_s=SPACING_NS / 2e9)).taken == 1
    progress = enrolment.add(sighting(at_s=5))
    assert (progress.taken, progress.guidance) == (1, AcquisitionFailure.BLURRED)


def test_enrolment_gives_up_after_a_minute_and_leaves_no_template() -> None:
    enrolment = enrolled([1, 1])
    assert not enrolment.overdue(10**12 + 59 * 10**9)
    assert enrolment.overdue(10**12 + 61 * 10**9)
    with pytest.raises(EnrolmentFailed):
        enrolment.template()


def test_a_person_enrolled_already_is_a_duplicate_and_a_new_one_is_not() -> None:
    refuse_duplicate(direction(9), GALLERY, 0.5, {})
    with pytest.raises(DuplicateResident, match="Bo Li"):
        refuse_duplicate(unit_vector(embedding(2)), GALLERY, 0.5, {"bo": "Bo Li"})
