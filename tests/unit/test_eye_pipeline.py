# SPDX-License-Identifier: Apache-2.0
"""Who is followed from picture to picture, as one person or as another, and that no picture stays behind."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge_gate.eye.face.detect import GLANCE_PIXELS
from edge_gate.eye.face.presence import THUMBNAIL, Presence
from edge_gate.eye.pipeline import Observation, Perception, acquire
from edge_gate.wire.eye import AcquisitionFailure
from tests.support.eye_scenes import FRAME_NS, LIMITS, empty, frame, models, noisy, picture, sitter, sway


@pytest.fixture
def perception() -> Perception:
    return Perception(models(), LIMITS)


def tracks(observations: list[Observation | None]) -> list[int]:
    assert all(observations), "somebody is in each of these pictures"
    return [each.track for each in observations if each]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("who", ["P001", "P005", "P008"])
def test_one_person_who_comes_nearer_and_sways_is_one_track(perception: Perception, who: str, masked: bool) -> None:
    found = [perception.see(*each) for each in sway(sitter(who, masked=masked), 20)]
    assert set(tracks(found)) == {1}
    assert sum(each is not None and each.refusal is AcquisitionFailure.NONE for each in found) >= 18


def test_an_observation_says_when_and_where(perception: Perception) -> None:
    seen = perception.see(frame(sitter("P001"), 60, at=(200, 180)), 123_456_789)
    assert seen is not None
    assert (seen.captured_ns, seen.width, seen.height) == (123_456_789, 640, 480)
    assert abs(seen.x - 200) <= 4 and abs(seen.y - 180) <= 4
    assert len(seen.embedding) == models().embedder.dimensions


def test_a_street_without_people_gives_nothing(perception: Perception) -> None:
    assert [perception.see(empty(k), k * FRAME_NS) for k in range(20)] == [None] * 20
    assert acquire(models(), empty(), LIMITS) is None
    assert acquire(models(), noisy(np.full((480, 640, 3), 90.0), 40, 1), LIMITS) is None


def test_another_person_in_the_same_place_is_another_track(perception: Perception) -> None:
    for k in range(5):
        first = perception.see(frame(sitter("P005"), 60, seed=k), k * FRAME_NS)
    for k in range(5, 10):
        second = perception.see(frame(sitter("P001"), 60, seed=k), k * FRAME_NS)
    assert first is not None and second is not None
    assert second.track > first.track


def test_a_person_who_jumps_across_the_picture_is_another_track(perception: Perception) -> None:
    before = perception.see(frame(sitter("P001"), 60, at=(180, 220)), FRAME_NS)
    after = [perception.see(frame(sitter("P001"), 60, at=(480, 220)), k * FRAME_NS) for k in (2, 3, 4, 5)]
    assert before is not None and after[-1] is not None
    assert after[-1].track > before.track


def test_a_face_that_is_suddenly_much_larger_is_another_track(perception: Perception) -> None:
    before = perception.see(frame(sitter("P001"), 45), FRAME_NS)
    after = [perception.see(frame(sitter("P001"), 75), k * FRAME_NS) for k in (2, 3)]
    assert before is not None and after[-1] is not None
    assert after[-1].track > before.track


def test_who_comes_back_after_a_gap_is_another_track(perception: Perception) -> None:
    before = perception.see(frame(sitter("P001"), 60), FRAME_NS)
    after = perception.see(frame(sitter("P001"), 60, seed=1), FRAME_NS + 700_000_000)
    assert before is not None and after is not None
    assert after.track == before.track + 1


def test_who_leaves_is_no_longer_seen_and_the_next_is_another_track(perception: Perception) -> None:
    assert perception.see(frame(sitter("P001"), 60), FRAME_NS) is not None
    assert perception.see(empty(), 2 * FRAME_NS) is None
    back = perception.see(frame(sitter("P001"), 60), 3 * FRAME_NS)
    assert back is not None and back.track == 2


def test_after_a_pause_nobody_is_taken_for_the_one_before(perception: Perception) -> None:
    assert perception.see(frame(sitter("P001"), 60), FRAME_NS) is not None
    perception.forget()
    back = perception.see(frame(sitter("P001"), 60), 2 * FRAME_NS)
    assert back is not None and back.track == 2


def test_who_steps_in_front_is_followed_within_about_a_second(perception: Perception) -> None:
    for k in range(3):
        alone = perception.see(frame(sitter("P001"), 40, at=(160, 200), seed=k), k * FRAME_NS)
    assert alone is not None
    for k in range(3, 22):
        behind = frame(sitter("P001"), 40, at=(160, 200), seed=k)
        both = behind.copy()
        both[:, 320:] = frame(sitter("P005"), 90, at=(470, 230), seed=k)[:, 320:]
        seen = perception.see(both, k * FRAME_NS)
    assert seen is not None
    assert seen.x == pytest.approx(470, abs=8)
    assert seen.track > alone.track


def test_of_two_people_only_the_nearer_is_spoken_of(perception: Perception) -> None:
    both = frame(sitter("P001"), 40, at=(160, 200))
    both[:, 320:] = frame(sitter("P005"), 90, at=(470, 230))[:, 320:]
    seen = perception.see(both, FRAME_NS)
    assert seen is not None and seen.x == pytest.approx(470, abs=8)


def test_a_larger_face_is_found_at_a_glance() -> None:
    faces = models().detector.find(frame(sitter("P001"), 40), GLANCE_PIXELS)
    assert len(faces) == 1
    assert np.abs(faces[0].five[:2].mean(0) - [320, 220]).max() < 12


def test_no_picture_outlives_the_look_at_it(perception: Perception) -> None:
    for k in range(3):
        bgr = frame(sitter("P001"), 60, seed=k)
        gone = weakref.ref(bgr)
        assert perception.see(bgr, k * FRAME_NS) is not None
        del bgr
        assert gone() is None


def arrays_in(holder: object, known: set[int]) -> Iterator[np.ndarray[Any, Any]]:
    """Every array that an object holds, however deep."""
    if id(holder) in known:
        return
    known.add(id(holder))
    if isinstance(holder, np.ndarray):
        yield holder
    inner = [*getattr(holder, "__dict__", {}).values()]
    inner += [getattr(holder, name) for name in getattr(type(holder), "__slots__", ()) if hasattr(holder, name)]
    inner += [*holder] if isinstance(holder, (list, tuple)) else []
    for each in inner:
        yield from arrays_in(each, known)


def test_all_that_is_kept_between_pictures_is_a_mesh_an_embedding_and_a_thumbnail(perception: Perception) -> None:
    for each in sway(sitter("P001"), 3):
        assert perception.see(*each) is not None
    kept = {each.shape for each in arrays_in(perception, set()) if each.size > 1}
    assert (468, 3) in kept and (128,) in kept and THUMBNAIL[::-1] in kept
    assert kept <= {(468, 3), (128,), THUMBNAIL[::-1], (256,)}, "(256,): the embedder's table of pixel levels"


def test_stricter_limits_can_be_set_between_pictures(perception: Perception) -> None:
    accepted = perception.see(frame(sitter("P001"), 40), FRAME_NS)
    perception.limits = type(LIMITS)(min_interocular_px=60)
    refused = perception.see(frame(sitter("P001"), 40, seed=1), 2 * FRAME_NS)
    assert accepted is not None and accepted.refusal is AcquisitionFailure.NONE
    assert refused is not None and refused.refusal is AcquisitionFailure.TOO_FAR
    assert refused.embedding == b"" and refused.track == accepted.track


@pytest.mark.parametrize("kind", ["studio_portrait", "amateur_selfie", "studio_posture", "amateur_posture"])
def test_a_large_photograph_is_acquired_as_it_is(kind: str) -> None:
    found = acquire(models(), picture("P007", kind), LIMITS)
    assert found is not None and found.refusal is AcquisitionFailure.NONE


def test_a_small_face_in_a_large_picture_is_found_by_looking_closer() -> None:
    large = np.full((1800, 2400, 3), 120, np.uint8)
    large[1000:1480, 1500:2140] = frame(sitter("P008"), 26, noise=0)
    found = acquire(models(), large, LIMITS)
    assert found is not None
    assert found.mesh.five[:2].mean(0) == pytest.approx([1820, 1220], abs=5)


def test_a_face_that_fills_the_picture_is_found() -> None:
    bgr, five = sitter("P001")
    (x, y), reach = five[:3].mean(0).astype(int), 190
    tight = bgr[y - reach + 40 : y + reach, x - 150 : x + 150]
    found = acquire(models(), np.ascontiguousarray(tight), LIMITS)
    assert found is not None
    assert found.mesh.five[2] == pytest.approx(five[2] - [x - 150, y - reach + 40], abs=8)


def test_presence_looks_when_something_changes_and_otherwise_once_a_second() -> None:
    presence = Presence()
    looked = []
    for k in range(45):
        presence.note(empty(seed=k))
        looked.append(presence.worth_looking(k * FRAME_NS))
    assert sum(looked) == 3
    presence.note(frame(sitter("P001"), 30, onto=empty()))
    assert presence.worth_looking(45 * FRAME_NS)
    assert presence.luminance == pytest.approx(empty().mean() / 255, abs=0.03)


def test_slow_changes_add_up_until_somebody_looks() -> None:
    presence = Presence()
    presence.note(np.full((480, 640, 3), 100, np.uint8))
    assert presence.worth_looking(0)
    looked = []
    for step in range(1, 6):
        presence.note(np.full((480, 640, 3), 100 + step, np.uint8))
        looked.append(presence.worth_looking(step * FRAME_NS))
    assert looked == [False, False, False, True, False]


def test_all_that_presence_keeps_of_a_picture_is_a_thumbnail() -> None:
    presence = Presence()
    presence.note(empty())
    presence.worth_looking(0)
    kept = [each for each in vars(presence).values() if isinstance(each, np.ndarray)]
    assert {each.shape for each in kept} == {THUMBNAIL[::-1]}
