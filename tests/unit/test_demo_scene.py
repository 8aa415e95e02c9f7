# SPDX-License-Identifier: Apache-2.0
"""Scenes: someone walks up to the gate, and the eye's own models see them do it."""

from __future__ import annotations

import numpy as np
import pytest

from edge_gate.eye.face.geometry import Picture
from edge_gate.tools.demo.backdrop import HEIGHT, WIDTH
from edge_gate.tools.demo.cast import Cast, Kind
from edge_gate.tools.demo.faces import Faces, size_px
from edge_gate.tools.demo.light import DAY, DUSK, LAMP
from edge_gate.tools.demo.mask import BLACK, SURGICAL, WHITE
from edge_gate.tools.demo.scene import LEAVING_S, Scene, SceneKind, Stage, pose

FPS = 15

WALKS = (
    Scene("day", "P001", SceneKind.APPROACH, 3.1, Kind.PORTRAIT, SURGICAL, light=DAY, seed=1),
    Scene("dusk", "P008", SceneKind.APPROACH, 3.1, Kind.STUDIO, BLACK, light=DUSK, seed=2),
    Scene("lamp", "P006", SceneKind.APPROACH, 3.1, Kind.OUTDOORS, WHITE, light=LAMP, seed=3),
)
ENROLS = Scene("enrols", "P005", SceneKind.ENROLMENT, 4.2, Kind.EMOTIONS, WHITE, seed=4)
NOBODY = Scene("nobody", None, SceneKind.EMPTY, 1.0, light=DUSK, seed=5)


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage((*WALKS, ENROLS, NOBODY))


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Faces()


def moments(scene: Scene) -> list[float]:
    """The times of the frames while the person comes and stands, before they step aside."""
    return [k / FPS for k in range(int((scene.duration_s - LEAVING_S) * FPS))]


def measured_px(faces: Faces, frame: Picture) -> float:
    mesh = faces.find(frame)
    return 0.0 if mesh is None else size_px(mesh.five)


def test_a_frame_is_what_a_camera_gives(stage: Stage) -> None:
    frame = stage.compose(WALKS[0], 1.0)
    assert frame.shape == (HEIGHT, WIDTH, 3) == (480, 640, 3)
    assert frame.dtype == np.uint8


def test_the_same_moment_is_the_same_frame_even_on_another_stage(stage: Stage) -> None:
    again = Stage(WALKS[2:], Cast())
    for t_s in (0.3, 2.2):
        np.testing.assert_array_equal(stage.compose(WALKS[2], t_s), again.compose(WALKS[2], t_s))


def test_no_two_moments_are_alike_because_a_sensor_has_noise(stage: Stage) -> None:
    for scene in (WALKS[0], NOBODY):
        difference = stage.compose(scene, 0.5).astype(int) - stage.compose(scene, 0.5 + 1 / FPS)
        assert 1 < np.abs(difference).mean() < 40


def test_dusk_is_darker_and_bluer_than_day(stage: Stage) -> None:
    day, dusk = (stage.between(light, light, 0.0, 0.0).mean(axis=(0, 1)) for light in (DAY, DUSK))
    assert dusk.mean() < 0.7 * day.mean()
    assert dusk[0] / dusk[2] > 1.2 * day[0] / day[2]


def test_the_light_goes_over_from_one_scene_to_the_next_without_a_jump(stage: Stage) -> None:
    levels = [stage.between(DAY, DUSK, part, 0.0).mean() for part in np.linspace(0, 1, 6)]
    steps = -np.diff(levels)
    assert (steps > 0).all()
    assert steps.max() < 2 * steps.min()


def test_whoever_walks_up_gets_larger_from_14_to_70_pixels_between_the_eyes() -> None:
    for scene in WALKS:
        sizes = [found.interocular_px for t_s in moments(scene) if (found := pose(scene, t_s))]
        assert abs(sizes[0] - 14) < 0.5
        assert abs(sizes[-1] - 70) < 1
        assert (np.diff(sizes) >= 0).all()


def test_the_eye_measures_the_walkers_approach(stage: Stage, faces: Faces) -> None:
    for scene in WALKS:
        sizes = [measured_px(faces, stage.compose(scene, t_s)) for t_s in (0.9, 1.4, 1.9, 2.6)]
        assert sizes == sorted(sizes)
        wanted = pose(scene, 2.6)
        assert wanted is not None
        assert sizes[-1] == pytest.approx(wanted.interocular_px, rel=0.2)


@pytest.mark.parametrize("scene", WALKS, ids=lambda scene: scene.name)
def test_the_masked_face_is_found_as_soon_as_it_is_near_enough(stage: Stage, faces: Faces, scene: Scene) -> None:
    near = [t_s for t_s in moments(scene) if (found := pose(scene, t_s)) and found.interocular_px > 20]
    seen = [t_s for t_s in near if measured_px(faces, stage.compose(scene, t_s)) > 0]
    assert len(seen) >= 0.8 * len(near) > 8


def test_nobody_is_seen_in_an_empty_street(stage: Stage, faces: Faces) -> None:
    for t_s in (0.0, 0.5, 0.9):
        assert faces.find(stage.compose(NOBODY, t_s)) is None
        assert faces.find(stage.between(DAY, LAMP, t_s, t_s)) is None


def test_a_person_is_gone_when_the_scene_is_over(stage: Stage, faces: Faces) -> None:
    assert pose(WALKS[0], WALKS[0].duration_s) is None
    assert pose(WALKS[0], -0.1) is None
    assert faces.find(stage.compose(WALKS[0], WALKS[0].duration_s)) is None


def test_whoever_is_enrolled_stands_near_unmasked_first_and_masked_then(stage: Stage, faces: Faces) -> None:
    bare: list[float] = []
    masked: list[float] = []
    for t_s in (1.0, 1.6, 2.4, 3.4):
        frame = stage.compose(ENROLS, t_s)
        mesh = faces.find(frame)
        assert mesh is not None
        assert 55 < size_px(mesh.five) < 85
        x, y = mesh.points[13, :2].astype(int)
        (bare if t_s < 2 else masked).append(float(frame[y - 4 : y + 4, x - 4 : x + 4].mean()))
    assert max(bare) + 60 < min(masked)  # a dark beard, then a white mask


def test_whoever_moves_fast_is_smeared_along_the_way(stage: Stage, faces: Faces) -> None:
    def upright_detail(t_s: float) -> float:
        at = pose(WALKS[1], t_s)
        assert at is not None
        x, y = int(at.x), int(at.y)
        face = stage.compose(WALKS[1], t_s)[y - 20 : y + 20, max(0, x - 60) : x + 60].mean(axis=2)
        return float(np.abs(np.diff(face, axis=1)).mean())

    still, leaving = WALKS[1].duration_s - LEAVING_S - 0.05, WALKS[1].duration_s - 0.12
    assert upright_detail(leaving) < 0.9 * upright_detail(still)
