# SPDX-License-Identifier: Apache-2.0
"""The demo's day: who comes when."""

from __future__ import annotations

import itertools

from edge_gate.settings.config import DecisionSettings
from edge_gate.tools.demo.cast import COMING_DOUBLE, ENROLLED_DOUBLE, RESIDENTS, STRANGERS, Kind
from edge_gate.tools.demo.light import DAY, DUSK
from edge_gate.tools.demo.scene import Scene, SceneKind
from edge_gate.tools.demo.schedule import GAP_S, Schedule, lookalike_schedule, standard_schedule


def test_the_residents_are_enrolled_first_and_from_their_sheets() -> None:
    first = standard_schedule().scenes[: len(RESIDENTS)]
    assert tuple(scene.who for scene in first) == RESIDENTS
    assert all(scene.kind is SceneKind.ENROLMENT and scene.picture is Kind.EMOTIONS for scene in first)


def test_each_resident_comes_twice_in_other_pictures_masks_and_light_than_before() -> None:
    approaches = [scene for scene in standard_schedule().scenes if scene.kind is SceneKind.APPROACH]
    for who in RESIDENTS:
        first, second = (scene for scene in approaches if scene.who == who)
        assert len({first.picture, second.picture, Kind.EMOTIONS}) == 3
        assert first.mask and second.mask and first.mask != second.mask
        assert first.light != second.light


def test_each_stranger_comes_once_and_once_nobody() -> None:
    scenes = standard_schedule().scenes
    strangers = [scene.who for scene in scenes if scene.who not in RESIDENTS and scene.who]
    assert sorted(strangers) == sorted(STRANGERS)
    assert [scene.who for scene in scenes if scene.kind is SceneKind.EMPTY] == [None]


def test_the_gate_has_time_to_tell_one_approach_from_the_next() -> None:
    slots = standard_schedule().slots
    assert all(later.start_s - earlier.end_s > DecisionSettings().gap_s for earlier, later in itertools.pairwise(slots))


def test_nobody_comes_again_while_the_door_would_not_open_for_them() -> None:
    slots = [slot for slot in standard_schedule().slots if slot.scene.kind is SceneKind.APPROACH]
    for who in RESIDENTS:
        first, second = (slot for slot in slots if slot.scene.who == who)
        assert second.start_s - first.end_s > DecisionSettings().hold_off_s


def test_of_the_lookalikes_one_is_enrolled_and_the_other_comes() -> None:
    enrolled, came = lookalike_schedule().scenes
    assert (enrolled.who, enrolled.kind) == (ENROLLED_DOUBLE, SceneKind.ENROLMENT)
    assert (came.who, came.kind) == (COMING_DOUBLE, SceneKind.APPROACH)


def test_a_newcomer_waits_a_little_over_a_minute() -> None:
    assert standard_schedule().duration_s + lookalike_schedule().duration_s < 80


def test_a_schedule_knows_which_scene_is_on_and_that_the_street_is_empty_between() -> None:
    one = Scene("one", None, SceneKind.EMPTY, 2.0, light=DAY)
    two = Scene("two", None, SceneKind.EMPTY, 1.0, light=DUSK)
    schedule = Schedule.of((one, two))
    starts = [slot.start_s for slot in schedule.slots]
    assert starts == [GAP_S, GAP_S + 2.0 + GAP_S]
    assert [schedule.now(t) for t in (0.0, starts[0], starts[1] - 0.5, starts[1], 99.0)] == [None, one, None, two, None]
    assert schedule.at(starts[0] + 0.7).t_s == 0.7
    between = schedule.at(starts[1] - GAP_S / 2)
    assert (between.before, between.after) == (DAY, DUSK)
    assert abs(between.part - 0.5) < 1e-9


def test_a_schedule_without_scenes_is_an_empty_street() -> None:
    assert Schedule(()).now(1.0) is None
    assert Schedule(()).duration_s == 0
