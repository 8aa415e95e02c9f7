# SPDX-License-Identifier: Apache-2.0
"""The empty scene is learned while nobody is there, and says how much is hidden; a mask hides nothing that counts."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.eye.liveness.scene import SceneMemory
from edge_gate.eye.liveness.surroundings import cut_covered, cut_surroundings, lower_half
from edge_gate.tools.demo.backdrop import backdrop
from edge_gate.tools.demo.cast import Cast, Kind
from edge_gate.wire.eye import SceneState

SECOND_NS = 10**9
STREET = backdrop()
OTHER = cv2.rotate(backdrop(11), cv2.ROTATE_180).astype(np.uint8)


def noisy(picture: Picture, seed: int, light: float = 1.0) -> Picture:
    noise = np.random.default_rng(seed).normal(0, 2, picture.shape)
    return np.clip(picture * light + noise, 0, 255).astype(np.uint8)


def watched(
    view: Callable[[int], Picture], seconds: float = 4.0, memory: SceneMemory | None = None, from_s: float = 0.0
) -> SceneMemory:
    """Return what is remembered after somebody-less pictures at 15 a second."""
    memory = memory or SceneMemory()
    for number in range(int(seconds * 15)):
        memory.note_empty(view(number), round((from_s + number / 15) * SECOND_NS))
    return memory


def face_at(x: int, y: int, width: int) -> Points:
    """Return a mesh whose box is so wide, in the middle of which is (x, y)."""
    across, down = width / 2, width * 0.6
    return np.array([[x - across, y - down], [x + across, y + down]], np.float32)


FACE = face_at(320, 240, 130)


def test_an_empty_street_is_learned_and_seen_again_beside_a_head() -> None:
    memory = watched(lambda number: noisy(STREET, number))
    assert memory.state is SceneState.KNOWN
    seen = memory.agreement(noisy(STREET, 99), FACE)
    assert seen is not None and seen > 0.9


@pytest.mark.parametrize("light", [0.5, 0.8, 1.2])
def test_daylight_changes_nothing(light: float) -> None:
    memory = watched(lambda number: noisy(STREET, number))
    seen = memory.agreement(noisy(STREET, 99, light), FACE)
    assert seen is not None and seen > 0.8


@pytest.mark.parametrize("drift_hz", [0.07, 0.31])
def test_light_that_drifts_over_the_whole_does_not_keep_it_from_being_learned(drift_hz: float) -> None:
    def view(number: int) -> Picture:
        return noisy(STREET, number, 1 + 0.06 * float(np.sin(2 * np.pi * drift_hz * number / 15)))

    assert watched(view).state is SceneState.KNOWN


def test_a_picture_that_fills_the_view_hides_the_scene() -> None:
    memory = watched(lambda number: noisy(STREET, number))
    seen = memory.agreement(noisy(OTHER, 99), FACE)
    assert seen is not None and seen < 0.25


def test_what_was_never_seen_empty_or_has_no_texture_says_nothing() -> None:
    assert SceneMemory().agreement(STREET, FACE) is None
    grey = np.full_like(STREET, 120)
    memory = watched(lambda number: noisy(grey, number))
    assert memory.agreement(noisy(STREET, 1), FACE) is None


def test_somebody_who_walks_through_is_not_the_empty_scene() -> None:
    def view(number: int) -> Picture:
        picture = noisy(STREET, number)
        cv2.rectangle(picture, (number * 9, 100), (number * 9 + 120, 479), (40, 30, 90), -1)
        return picture

    assert watched(view, 4).state is SceneState.NEVER_EMPTY


def test_a_scene_that_is_covered_for_a_while_is_told_and_is_not_forgotten() -> None:
    memory = watched(lambda number: noisy(STREET, number))
    watched(lambda number: noisy(OTHER, number), 20, memory, 10)
    seen = memory.agreement(noisy(OTHER, 5), FACE)
    assert seen is not None and seen < 0.25, "whoever covered the lens gained nothing"
    states = [memory.state, watched(lambda number: noisy(STREET, number), 4, memory, 40).state]
    assert states == [SceneState.CHANGED, SceneState.KNOWN]


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_a_view_that_is_exchanged_bit_by_bit_is_not_learned(parts: int) -> None:
    memory = watched(lambda number: noisy(STREET, number))
    for part in range(1, parts + 1):
        view = STREET.copy()
        view[:, : 640 * part // parts] = OTHER[:, : 640 * part // parts]
        watched(lambda number, view=view: noisy(view, number), 6, memory, 10.0 * part)  # type: ignore[misc]
    seen = memory.agreement(noisy(OTHER, 5), FACE)
    assert seen is not None and seen < 0.35
    assert (memory.agreement(noisy(STREET, 5), FACE) or 0) > 0.8


def test_a_camera_that_was_moved_knows_its_new_view_after_ten_minutes() -> None:
    memory = watched(lambda number: noisy(STREET, number))
    for number in range(310):
        memory.note_empty(OTHER, (10 + 2 * number) * SECOND_NS)
    seen = memory.agreement(noisy(OTHER, 5), FACE)
    assert memory.state is SceneState.KNOWN and seen is not None and seen > 0.9


def test_what_is_kept_is_a_thumbnail() -> None:
    memory = watched(lambda number: noisy(STREET, number))
    kept = [each for each in vars(memory).values() if isinstance(each, np.ndarray)]
    assert {each.shape for each in kept} == {(60, 80), (12, 16)}, "a thumbnail, and since when each block is another"
    assert not [each for each in kept if each.shape == (12, 16) and each.any()]


def test_a_mask_changes_nothing_in_the_covered_view() -> None:
    portrayal = Cast().portrayal("P001", Kind.PORTRAIT)
    points, bgr = portrayal.mesh.points, portrayal.bgr
    masked = bgr.copy()
    upper, lower = np.split(lower_half(points), 2)
    worn = np.vstack([0.95 * upper + 0.05 * lower[::-1], 0.95 * lower + 0.05 * upper[::-1]])
    cv2.fillPoly(masked, [np.round(worn).astype(np.int32)], (30, 200, 90))
    assert np.abs(cut_surroundings(bgr, points).astype(int) - cut_surroundings(masked, points)).max() > 50
    assert np.abs(cut_covered(bgr, points).astype(int) - cut_covered(masked, points)).max() <= 2
