# SPDX-License-Identifier: Apache-2.0
"""Pictures of a resident that are held up to the gate, as the eye's own models see them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_gate.eye.face.geometry import Picture
from edge_gate.settings.config import Config
from edge_gate.tools.attacks.panel import size_px
from edge_gate.tools.demo.attack import PROPS, Species, stand
from edge_gate.tools.demo.backdrop import HEIGHT, WIDTH
from edge_gate.tools.demo.faces import Faces
from edge_gate.tools.demo.faces import size_px as eyes_px
from edge_gate.tools.demo.scene import LEAVING_S, Scene, SceneKind, Stage, pose
from edge_gate.tools.demo.schedule import standard_schedule

FPS = 15
ATTACKS = tuple(scene for scene in standard_schedule().scenes if scene.attack is not None)
NEAREST_PX = Config().quality.min_interocular_px


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage(ATTACKS)


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Faces()


@pytest.fixture(params=ATTACKS, ids=lambda scene: str(scene.attack.species))
def scene(request: pytest.FixtureRequest) -> Scene:
    found: Scene = request.param
    return found


def moments(scene: Scene) -> list[float]:
    return [k / FPS for k in range(int((scene.duration_s - LEAVING_S) * FPS))]


def shown_px(scene: Scene, t_s: float) -> float:
    """Return the distance between the eyes on the picture, as the geometry has it."""
    holder = pose(scene, t_s)
    assert scene.attack is not None and holder is not None
    return PROPS[scene.attack.species].eyes_m * stand(scene.attack, holder, t_s).px_per_m


def test_there_is_a_print_and_a_phone() -> None:
    assert {scene.attack.species for scene in ATTACKS if scene.attack} == set(Species)
    assert {scene.comes for scene in ATTACKS} == {"print of P001", "phone of P001"}


def test_the_face_on_the_picture_is_found_and_followed_to_where_the_gate_compares(
    stage: Stage, faces: Faces, scene: Scene
) -> None:
    near = [t_s for t_s in moments(scene) if shown_px(scene, t_s) > NEAREST_PX]
    seen = [(t_s, mesh) for t_s in near if (mesh := faces.find(stage.compose(scene, t_s))) is not None]
    assert len(seen) >= 0.9 * len(near) > 9
    for t_s, mesh in seen:
        assert eyes_px(mesh.five) == pytest.approx(shown_px(scene, t_s), rel=0.25)
        holder = pose(scene, t_s)
        assert holder is not None
        assert np.abs(mesh.five[:2].mean(axis=0) - (holder.x, holder.y)).max() < 0.5 * shown_px(scene, t_s)


def test_from_where_the_gate_compares_the_holder_has_no_face(stage: Stage, faces: Faces, scene: Scene) -> None:
    """Else the gate might judge the holder, and the attack would show nothing."""
    alone = replace(scene, kind=SceneKind.APPROACH, attack=None)
    bare, near = Stage([alone]), 0
    for t_s in moments(scene):
        holder = pose(scene, t_s)
        assert holder is not None
        if holder.interocular_px < NEAREST_PX:
            continue
        near += 1
        mesh = faces.find(stage.compose(scene, t_s))
        assert mesh is None or eyes_px(mesh.five) == pytest.approx(shown_px(scene, t_s), rel=0.25)
        if near % 8 == 1:  # the control: without a picture it is the holder's face that is found
            assert faces.find(bare.compose(alone, t_s)) is not None
    assert near > 9


def test_the_picture_is_raised_and_comes_nearer_all_the_time(scene: Scene) -> None:
    assert scene.attack is not None
    sizes, rows = [], []
    for t_s in moments(scene):
        holder = pose(scene, t_s)
        assert holder is not None
        sizes.append(stand(scene.attack, holder, t_s).px_per_m)
        rows.append((stand(scene.attack, holder, t_s).y - holder.y) / holder.interocular_px)
    assert (np.diff(sizes) >= 0).all()
    assert sizes[-1] > 3 * sizes[0]
    assert rows[0] > rows[-1] + 3


def test_both_fill_a_large_part_of_the_view_in_the_end_and_the_street_is_still_seen(stage: Stage) -> None:
    for scene in ATTACKS:
        assert scene.attack is not None
        t_s = moments(scene)[-1]
        holder = pose(scene, t_s)
        assert holder is not None
        prop = PROPS[scene.attack.species]
        width, height = size_px(stand(scene.attack, holder, t_s).corners(prop.width_m, prop.height_m))
        assert 0.15 < width * height / (WIDTH * HEIGHT) < 0.6
        empty = stage.between(scene.light, scene.light, 0.0, t_s)
        unchanged = np.abs(stage.compose(scene, t_s).astype(int) - empty).max(axis=2) < 40
        assert unchanged.mean() > 0.3


def test_a_frame_with_a_picture_is_what_a_camera_gives_and_the_same_each_time(scene: Scene, stage: Stage) -> None:
    frame = stage.compose(scene, 2.0)
    assert frame.shape == (HEIGHT, WIDTH, 3) and frame.dtype == np.uint8
    np.testing.assert_array_equal(frame, Stage([scene]).compose(scene, 2.0))


def test_the_print_shows_a_mask_and_the_phone_a_mouth(stage: Stage, faces: Faces) -> None:
    def mouth(scene: Scene) -> Picture:
        frame = stage.compose(scene, 2.5)
        mesh = faces.find(frame)
        assert mesh is not None
        x, y = mesh.points[13, :2].astype(int)
        return frame[y - 5 : y + 6, x - 5 : x + 6].astype(int)

    printed, phone = (next(each for each in ATTACKS if each.attack and each.attack.species is s) for s in Species)
    assert (mouth(printed)[..., 0] > mouth(printed)[..., 2] + 20).all(), "blue cloth"
    assert (mouth(phone)[..., 2] > mouth(phone)[..., 0]).mean() > 0.8, "red lips"


def test_a_picture_is_gone_when_its_scene_is_over(stage: Stage, faces: Faces, scene: Scene) -> None:
    assert faces.find(stage.compose(scene, scene.duration_s)) is None
