# SPDX-License-Identifier: Apache-2.0
"""A challenge: who does what is asked passes; a print, a film, somebody else's head and a lucky movement do not."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge_gate.rules.challenge import (
    CLEAR,
    CLOSED_NS,
    FEWEST_ACTS,
    REACTION_NS,
    STEP_NS,
    STRAIGHT_DEG,
    TURNED_DEG,
    Act,
    Challenge,
    Doubt,
    Outcome,
    Script,
    doubt,
)
from edge_gate.rules.fusion import Approach
from edge_gate.rules.liveness import LivenessPoint, Look
from edge_gate.settings.conflicts import LEAST_YAW_DEG
from edge_gate.settings.liveness import ALWAYS, CHALLENGES, IN_DOUBT, NEVER
from edge_gate.settings.quality import QualityLimits
from edge_gate.wire.eye import AcquisitionFailure, PadReason, Sighting
from tests.support.peers import LIVE, PICTURE, embedding, sighting

BEGAN_NS = 10**12
POINT = LivenessPoint(1.0, 0.0, 4.0, 20.0, 0.5, 1.0, 8.0, 0.5, 3, 0.5)
LEFT, RIGHT, CLOSE = Act.TURN_LEFT, Act.TURN_RIGHT, Act.CLOSE_EYES
LIMITS = QualityLimits()


def seen(at_s: float, yaw: float = 0.0, eyes: float = 0.3, *, stranger: bool = False, pad: float = LIVE) -> Sighting:
    """Return what the eye says of a head: no embedding where it is turned too far, or the eyes are closed."""
    if abs(yaw) > LIMITS.max_yaw_deg:
        return sighting(at_s=at_s, yaw=yaw, eyes=eyes, pad=pad, refused=AcquisitionFailure.TURNED_AWAY)
    if eyes < LIMITS.min_eyes_open:
        return sighting(at_s=at_s, yaw=yaw, eyes=eyes, pad=pad, refused=AcquisitionFailure.EYES_CLOSED)
    if stranger:
        return sighting(at_s=at_s, yaw=yaw, eyes=eyes, pad=pad)
    return sighting(embedding(1), at_s=at_s, yaw=yaw, eyes=eyes, pad=pad)


def begun(*acts: Act, pause_s: float = 0.5) -> Challenge:
    script = Script(acts, (round(pause_s * 1e9),) * (len(acts) + 1))
    return Challenge(script, "ann", Doubt.ALARM, BEGAN_NS)


@dataclass
class Head:
    """Somebody who does what they are asked, after a moment, at their own speed, and comes back from it."""

    bias_deg: float = 0.0
    eyes: float = 0.3
    fps: float = 15.0
    reaction_s: float = 0.6
    speed_deg_s: float = 60.0
    turns_deg: float = 40.0

    def answer(self, challenge: Challenge) -> Challenge:
        yaw, at_s, since_s, last = self.bias_deg, 0.0, 0.0, challenge.asked
        while challenge.running and at_s < 60:
            asked = challenge.asked
            since_s = since_s + 1 / self.fps if asked is last else 0.0
            last = asked
            ready = asked is not None and since_s > self.reaction_s
            wanted = {LEFT: self.turns_deg, RIGHT: -self.turns_deg}.get(asked, 0.0) if ready and asked else 0.0
            step = self.speed_deg_s / self.fps
            yaw += max(-step, min(step, wanted + self.bias_deg - yaw))
            eyes = 0.3 * self.eyes if ready and asked is CLOSE else self.eyes
            challenge = challenge.seen(seen(at_s, yaw, eyes))
            at_s += 1 / self.fps
        return challenge


def show(challenge: Challenge, moments: Iterable[Sighting]) -> Challenge:
    for each in moments:
        challenge = challenge.seen(each)
    return challenge


def film(*scenes: tuple[float, float, float], fps: float = 15.0) -> Iterator[Sighting]:
    """Yield a recording, scene by scene: seconds, yaw, eyes."""
    frame = itertools.count()
    for seconds, yaw, eyes in scenes:
        for _ in range(round(seconds * fps)):
            yield seen(next(frame) / fps, yaw, eyes)


STRAIGHT = (1.5, 0.0, 0.3)
SCENES = {LEFT: (1.0, 20.0, 0.3), RIGHT: (1.0, -20.0, 0.3), CLOSE: (1.0, 0.0, 0.05)}


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(Act), min_size=1, max_size=4),
    st.floats(-6, 6),
    st.floats(0.16, 0.4),
    st.floats(8, 30),
    st.floats(30, 90),
)
def test_whoever_does_what_is_asked_passes(
    acts: list[Act], bias_deg: float, eyes: float, fps: float, speed_deg_s: float
) -> None:
    assume(speed_deg_s / fps < 0.9 * (LIMITS.max_yaw_deg - TURNED_DEG))  # else a turn may not be seen with an embedding
    head = Head(bias_deg, eyes, fps, speed_deg_s=speed_deg_s)
    assert head.answer(begun(*acts)).outcome is Outcome.PASSED


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.floats(0, 10), st.floats(0.14, 0.4))
def test_what_is_still_or_tilted_does_not_pass(seed: int, shakes_deg: float, eyes: float) -> None:
    """Of real prints in hands the mesh says 10 degrees at the most."""
    rng = random.Random(seed)
    challenge = begun(*Script.drawn(rng.randrange, FEWEST_ACTS).acts)
    moments = (seen(number / 15, rng.uniform(-shakes_deg, shakes_deg), eyes) for number in range(300))
    assert show(challenge, moments).outcome is Outcome.LATE


@pytest.mark.parametrize("made_for", list(itertools.product(Act, repeat=2)))
def test_a_film_that_was_made_for_it_passes_one_script_in_nine(made_for: tuple[Act, Act]) -> None:
    scenes = [STRAIGHT, SCENES[made_for[0]], STRAIGHT, SCENES[made_for[1]], STRAIGHT, STRAIGHT]
    passed = [
        acts
        for acts in itertools.product(Act, repeat=2)
        if show(begun(*acts, pause_s=0.9), film(*scenes)).outcome is Outcome.PASSED
    ]
    assert passed == [made_for]


@pytest.mark.parametrize("asked", list(Act))
@pytest.mark.parametrize("shown", list(Act))
def test_another_act_than_the_one_asked_for_fails_at_once(asked: Act, shown: Act) -> None:
    after = show(begun(asked, LEFT), film(STRAIGHT, SCENES[shown]))
    assert after.outcome is (Outcome.RUNNING if shown is asked else Outcome.OTHER)
    assert after.done == (shown is asked)


def test_nobody_does_it_before_they_can_know() -> None:
    asking = show(begun(LEFT), film((0.6, 0.0, 0.3)))
    asked_s = (asking.began_ns - BEGAN_NS) / 1e9
    soon_s, later_s = (asked_s + share * REACTION_NS / 1e9 for share in (0.1, 1.1))
    assert asking.asked is LEFT
    assert show(asking, [seen(soon_s + n / 30, 20.0) for n in range(3)]).outcome is Outcome.TOO_SOON
    assert show(asking, [seen(later_s + n / 30, 20.0) for n in range(3)]).done == 1


def test_a_blink_is_not_closing_one_s_eyes() -> None:
    blinks = [(0.2, 0.0, 0.05), (0.5, 0.0, 0.3)] * 5
    assert show(begun(CLOSE), film(STRAIGHT, *blinks)).outcome is not Outcome.PASSED
    assert show(begun(CLOSE), film(STRAIGHT, *blinks)).done == 0


def test_closed_eyes_that_were_not_seen_in_between_do_not_count() -> None:
    gap_s = CLOSED_NS / 1e9
    moments = [*film(STRAIGHT, (0.3, 0, 0.05)), seen(1.8 + gap_s, 0.0, 0.05)]
    assert show(begun(CLOSE), moments).done == 0


def test_another_s_head_does_not_turn_for_a_picture() -> None:
    """It has no embedding of the resident: what is not seen well enough, or begins another track, does not count."""
    turned = [seen(1.5 + number / 15, 35.0) for number in range(30)]
    assert show(begun(LEFT), [*film(STRAIGHT), *turned]).done == 0
    hidden = [seen(1.5 + number / 15, 20.0, stranger=True) for number in range(30)]
    assert show(begun(LEFT), [*film(STRAIGHT), *hidden]).done == 0


@pytest.mark.parametrize("asked", list(Act))
def test_it_ends_in_time_whatever_is_seen_or_not(asked: Act) -> None:
    asking = show(begun(asked), film(STRAIGHT))
    assert asking.asked is asked
    assert asking.lapsed(asking.began_ns + STEP_NS).running
    assert asking.lapsed(asking.began_ns + STEP_NS + 1).outcome is Outcome.LATE
    never_straight = show(begun(asked), film((6.0, 12.0, 0.3)))
    assert never_straight.outcome is Outcome.LATE
    assert asking.lapsed(10**15).seen(seen(5.0)).outcome is Outcome.LATE, "what has failed stays so"


def test_turned_is_where_the_eye_still_gives_embeddings_and_more_than_straight() -> None:
    assert STRAIGHT_DEG < TURNED_DEG < LEAST_YAW_DEG <= LIMITS.max_yaw_deg


def test_a_script_is_any_of_them_but_what_somebody_failed_at() -> None:
    rng = random.Random(1)
    drawn = [Script.drawn(rng.randrange, 3) for _ in range(1000)]
    assert len({each.acts for each in drawn}) == 27 and len({each.pauses_ns for each in drawn}) > 900
    assert all(len(each.pauses_ns) == 4 and min(each.pauses_ns) >= 300_000_000 for each in drawn)
    assert all(LEFT not in Script.drawn(rng.randrange, 3, [LEFT]).acts for _ in range(100))


@pytest.mark.parametrize(
    ("alarm", "scene_known", "score", "why"),
    [
        (False, True, CLEAR, Doubt.NONE),
        (True, True, 0.99, Doubt.ALARM),
        (False, False, 0.99, Doubt.SCENE),
        (False, True, CLEAR - 0.01, Doubt.SCORE),
        (False, True, None, Doubt.SCORE),
    ],
)
def test_in_doubt_is_after_an_attack_without_a_scene_or_with_an_unclear_score(
    alarm: bool, scene_known: bool, score: float | None, why: Doubt
) -> None:
    looks = [] if score is None else [Look(score, PadReason.NONE)] * 5

    def said(setting: str) -> Doubt:
        return doubt(setting, alarm=alarm, scene_known=scene_known, looks=looks, point=POINT)

    assert [said(each) for each in CHALLENGES] == [Doubt.NONE, why, Doubt.EVERYBODY]
    assert CHALLENGES == (NEVER, IN_DOUBT, ALWAYS)


def test_a_look_at_a_head_that_turns_as_asked_says_nothing_of_life_and_any_other_does() -> None:
    first = seen(0.0)
    approach = Approach(first, first.captured_ns)
    approach.add(first)
    approach.challenge = begun(LEFT)
    for each in (seen(0.1, 20.0, pad=PICTURE), seen(0.2, -20.0, pad=PICTURE), seen(0.3, 4.0, pad=PICTURE)):
        approach.add(each)
    assert [look.score for look in approach.looks] == [LIVE, PICTURE]
    approach.challenge = None
    approach.add(seen(0.4, 20.0, pad=PICTURE))
    assert len(approach.looks) == 3
