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
    came = [scene.who for scene in scenes if scene.kind is SceneKind.APPROACH and scene.who]
    strangers = [who for who in came if who not in RESIDENTS]
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


def test_a_print_and_a_phone_of_a_resident_come_after_she_was_let_in_and_when_she_would_be_again() -> None:
    """Refused must be what is held up, and not whoever has just gone in."""
    slots = standard_schedule().slots
    attacks = [slot for slot in slots if slot.scene.kind is SceneKind.ATTACK]
    assert [slot.scene.attack is not None for slot in slots] == [slot.scene.kind is SceneKind.ATTACK for slot in slots]
    assert [str(slot.scene.attack.species) for slot in attacks if slot.scene.attack] == ["print", "phone"]
    for attack in attacks:
        assert attack.scene.attack is not None and attack.scene.who not in RESIDENTS
        hers = [
            slot
            for slot in slots
            if slot.end_s < attack.start_s
            and (slot.scene.who == attack.scene.attack.of or (slot in attacks and slot is not attack))
        ]
        assert any(slot.scene.kind is SceneKind.APPROACH for slot in hers)
        assert attack.start_s - hers[-1].end_s > DecisionSettings().hold_off_s


def test_of_the_pictures_that_are_held_up_one_is_of_a_masked_face_and_both_say_that_they_are_simulated() -> None:
    attacks = [scene for scene in standard_schedule().scenes if scene.attack is not None]
    assert sorted(scene.attack.mask is not None for scene in attacks if scene.attack) == [False, True]
    assert all("(simulated)" in scene.name for scene in attacks)
    assert all(Kind.EMOTIONS is not scene.attack.picture for scene in attacks if scene.attack)


def test_somebody_comes_herself_after_a_picture_of_her_did() -> None:
    slots = standard_schedule().slots
    first = next(slot for slot in slots if slot.scene.attack is not None)
    assert first.scene.attack is not None
    later = [slot for slot in slots if slot.start_s > first.end_s and slot.scene.who == first.scene.attack.of]
    assert later and later[0].scene.mask is not None
    assert later[0].start_s - first.end_s > DecisionSettings().hold_off_s


def test_of_the_lookalikes_one_is_enrolled_and_the_other_comes() -> None:
    enrolled, came = lookalike_schedule().scenes
    assert (enrolled.who, enrolled.kind) == (ENROLLED_DOUBLE, SceneKind.ENROLMENT)
    assert (came.who, came.kind) == (COMING_DOUBLE, SceneKind.APPROACH)


def test_a_newcomer_waits_less_than_a_minute_and_a_half() -> None:
    assert standard_schedule().duration_s + lookalike_schedule().duration_s < 90


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
