# SPDX-License-Identifier: Apache-2.0
"""The limiter's rule: however they come, few are judged in any span of time; and it always recovers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.core.errors import CameraLent
from edge_gate.rules.comparison import Gallery
from edge_gate.rules.enrolment import TIMEOUT_S
from edge_gate.rules.fusion import Approach
from edge_gate.rules.lending import AT_ONCE_NS, ENROLMENTS_PER_S, FOR_RESIDENTS, MOST_ENROLMENTS, Lending
from edge_gate.rules.limiter import Limits, State, Tries
from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.rules.policy import Decision, Policy, Verdict
from edge_gate.rules.protection import KEY_BYTES, SiteTransform
from edge_gate.rules.visit import LONGEST_NS, Told, Visit
from edge_gate.settings.decision import DecisionSettings
from edge_gate.settings.limiter import LimiterSettings
from tests.support.peers import direction, embedding, sighting

S = 10**9
START_NS = 10**12
USUAL = Limits.of(DecisionSettings().attempts, LimiterSettings())

limits = st.builds(
    Limits.of,
    st.integers(1, 20),
    st.builds(
        LimiterSettings,
        st.integers(1, 10),
        st.integers(1, 10),
        st.integers(1, 10),
        st.floats(1, 300),
        st.floats(0, 30),
        st.floats(5, 600),
    ),
)
# Who comes: after how long, and whether it is an attack. Long silences too.
comers = st.lists(st.tuples(st.integers(0, 3 * S) | st.integers(0, 900 * S), st.booleans()), max_size=120)


def come(rule: Limits, comers: list[tuple[int, bool]]) -> tuple[Tries, int, list[int]]:
    """Have them come, each judged where the rule allows it and refused; return when that was."""
    tries, now, judged = Tries(rule), START_NS, []
    for after_ns, attack in comers:
        now += after_ns
        if tries.may_judge(now):
            judged.append(now)
            tries = tries.refused(now, attack=attack)
        else:
            tries = tries.turn_away(now)
    return tries, now, judged


@given(limits, comers)
@settings(deadline=None)
def test_in_no_span_of_time_are_more_judged_than_the_bound_says(rule: Limits, comers: list[tuple[int, bool]]) -> None:
    """The rule is not told of tracks, so there is nothing that these could change."""
    _, _, judged = come(rule, comers)
    for first, began in enumerate(judged):
        for last in range(first, len(judged)):
            assert last - first + 1 <= rule.token + (judged[last] - began) / rule.forgiven_ns


@given(limits, comers)
@settings(deadline=None)
def test_left_alone_it_is_open_again_in_a_known_time_and_never_stricter_on_the_way(
    rule: Limits, comers: list[tuple[int, bool]]
) -> None:
    tries, now, _ = come(rule, comers)
    longest = max(rule.token * rule.forgiven_ns, rule.rest_ns)
    assert tries.state(now + longest + 1) is State.OPEN and tries.may_judge(now + longest + 1)
    ranks = [tries.state(now + part * longest // 50).rank for part in range(51)]
    assert all(later <= earlier for earlier, later in pairwise(ranks))


@given(limits, comers)
@settings(deadline=None)
def test_it_is_milder_at_the_moment_that_is_told_and_not_before(rule: Limits, comers: list[tuple[int, bool]]) -> None:
    tries, now, _ = come(rule, comers)
    until = tries.until_ns(now)
    if until is None:
        assert tries.state(now) is State.OPEN
    else:
        assert until > now
        assert tries.state(until - 1) is tries.state(now) and tries.state(until).rank < tries.state(now).rank


def test_refusals_make_it_slower_then_stricter_then_a_token_is_asked_for_and_then_it_rests() -> None:
    tries, now, states = Tries(USUAL), START_NS, [State.OPEN]
    while tries.state(now) is not State.REST:
        now += S // 10
        tries = tries.refused(now) if tries.may_judge(now) else tries.turn_away(now)
        if tries.state(now) is not states[-1]:
            states.append(tries.state(now))
    assert states == list(State)


def test_an_attack_makes_it_stricter_at_once_and_one_refusal_nothing() -> None:
    assert Tries(USUAL).refused(START_NS).state(START_NS) is State.OPEN
    assert Tries(USUAL).refused(START_NS, attack=True).state(START_NS) is State.STRICTER


def test_where_it_is_slower_or_stricter_the_next_waits_from_the_last_refusal() -> None:
    tries = Tries(USUAL).refused(START_NS, attack=True)
    assert not tries.may_judge(START_NS + USUAL.wait_ns - 1) and tries.may_judge(START_NS + USUAL.wait_ns)


def test_the_figures_that_the_threat_model_states() -> None:
    """What a later policy has to reckon with: tries at once, and tries an hour and a day."""
    assert (USUAL.token, USUAL.forgiven_ns, USUAL.wait_ns, USUAL.rest_ns) == (12, 30 * S, 2 * S, 120 * S)
    assert USUAL.token + 3600 * S // USUAL.forgiven_ns == 132
    assert USUAL.token + 24 * 3600 * S // USUAL.forgiven_ns == 2892


# --- nothing to climb on ---------------------------------------------------------------------------------------------

POLICY = Policy(OperatingPoint("fused", 1e-4, 0.5, 10**6, 2e-4), DecisionSettings(min_sightings=3, window_s=2.0))
TRANSFORM = SiteTransform(bytes(KEY_BYTES))
GALLERY = Gallery.of(["ann"], [TRANSFORM.encode(direction(1)).tobytes()], TRANSFORM)


@given(st.lists(st.floats(-1, 0.35), min_size=4, max_size=30), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_when_and_how_somebody_is_refused_depends_on_the_time_alone(nearness: list[float], seed: int) -> None:
    draw = np.random.default_rng([7, seed])  # never what direction(1) is drawn from
    near, far = (Approach(sighting(embedding(9)), START_NS) for _ in range(2))
    told: list[list[Decision]] = [[], []]
    aside = draw.standard_normal(128).astype(np.float32)  # always the same: others would cancel out in what is fused
    aside -= (aside @ direction(1)) * direction(1)
    for number, cosine in enumerate(nearness):
        view = cosine * direction(1) + np.sqrt(1 - cosine**2) * aside / np.linalg.norm(aside)
        views = (np.rint(view * 127 / np.abs(view).max()).astype(np.int8).tobytes(), embedding(9, seed=number))
        for approach, shown, said in zip((near, far), views, told, strict=True):
            approach.add(sighting(shown, at_s=number * 0.1))
            said.append(POLICY.decide(approach, GALLERY, START_NS + number * S // 10))
    assert told[0] == told[1]
    assert {each.verdict for each in told[0]} <= {Verdict.WAIT, Verdict.REFUSE}
    assert all((each.resident_id, each.comparison_score) == (None, None) for each in told[0])


# --- one person, one event -------------------------------------------------------------------------------------------


def test_of_a_visit_the_gravest_is_told_and_nothing_less_after_it() -> None:
    visit = Visit(START_NS, START_NS)
    assert visit.graver(Told.NO_MATCH) and not visit.graver(Told.NO_MATCH) and not visit.graver(Told.SEEN)
    assert visit.graver(Told.ATTACK) and not visit.graver(Told.NO_MATCH)


def test_a_visit_ends_when_nobody_was_seen_for_the_gap_and_is_told_again_where_somebody_is_always_there() -> None:
    visit = Visit(START_NS, START_NS)
    assert not visit.over(START_NS + S, S) and visit.over(START_NS + S + 1, S)
    visit.last_ns = START_NS + LONGEST_NS + 1
    assert visit.over(visit.last_ns, S)


# --- the camera is lent ----------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 200 * S), st.integers(0, 60 * S), st.integers(1, 3)), max_size=80))
@settings(deadline=None)
def test_whatever_operators_ask_for_residents_have_their_share_of_any_time(
    asked: list[tuple[int, int, int]],
) -> None:
    lending, now, lent = Lending(), START_NS, list[tuple[int, int]]()
    for pause_ns, took_ns, uid in asked:
        now += pause_ns
        try:
            lending.check_enrolments(uid, now)
        except CameraLent as refused:
            assert refused.args[0] > 0
            continue
        lending.lend(now, enrolling=uid)
        lending.give_back(now + took_ns)
        lent.append((now, now + took_ns))
        now += took_ns
    most = AT_ONCE_NS + TIMEOUT_S * 1e9
    for first, (began, _) in enumerate(lent):
        for last in range(first, len(lent)):
            shut = sum(end - start for start, end in lent[first : last + 1])
            assert shut <= most + (lent[last][1] - began) / (1 + FOR_RESIDENTS)


def test_who_is_refused_is_told_when_to_come_again_and_then_may() -> None:
    lending, now = Lending(), START_NS
    for _ in range(3):
        lending.check(now)
        lending.lend(now)
        now += 60 * S
        lending.give_back(now)
    with pytest.raises(CameraLent, match="Try again in 120 s") as refused:
        lending.check(now)
    lending.check(now + round(refused.value.args[0] * 1e9))


def test_one_user_begins_so_many_enrolments_and_another_still_may() -> None:
    lending, now = Lending(), START_NS
    for _ in range(MOST_ENROLMENTS):
        lending.check_enrolments(1, now)
        lending.lend(now, enrolling=1)
        lending.give_back(now)
    with pytest.raises(CameraLent, match=f"{1 / ENROLMENTS_PER_S:.0f} s"):
        lending.check_enrolments(1, now)
    lending.check_enrolments(2, now)
    lending.check_enrolments(1, now + round(1e9 / ENROLMENTS_PER_S) + 1)


def test_an_enrolment_that_is_begun_and_left_during_a_field_test_makes_none_of_it_free() -> None:
    lending, second = Lending(), 10**9
    for began in (0, 60 * second, 120 * second):
        lending.lend(began)
        lending.lend(began + second, enrolling=7)
        lending.give_back(began + 2 * second)
        lending.give_back(began + 60 * second)
    with pytest.raises(CameraLent):
        lending.check(181 * second)


def test_a_field_test_of_a_moment_costs_ten_seconds() -> None:
    lending, moment, begun = Lending(), 10**8, 0
    for number in range(600):
        try:
            lending.check(number * moment)
        except CameraLent:
            continue
        lending.lend(number * moment)
        lending.give_back(number * moment + moment // 2)
        begun += 1
    assert begun <= 14
