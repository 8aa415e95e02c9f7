# SPDX-License-Identifier: Apache-2.0
"""What the attack network learns from, as models/recipe/liveness makes it, which needs no torch."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_gate.eye.face.geometry import Picture
from edge_gate.tools.demo.cast import Cast, Kind, Portrayal
from edge_gate.tools.demo.mask import STYLES
from tests.support.peers import sighting

MODELS = Path(__file__).resolve().parents[2] / "models"
RECIPE = MODELS / "recipe" / "liveness.toml"


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of the recipe, which is no part of the product and is not installed."""
    monkeypatch.syspath_prepend(str(MODELS))
    return lambda name: import_module(f"recipe.liveness.{name}")


@pytest.fixture(scope="module")
def people() -> dict[str, Portrayal]:
    cast = Cast()
    return {who: cast.portrayal(who, Kind.PORTRAIT) for who in ("P001", "P002")}


@pytest.fixture(scope="module")
def data(people: dict[str, Portrayal], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sources; in each both people live and as an attack, and one picture of nobody."""
    folder = tmp_path_factory.mktemp("sets")
    for source in ("one", "two"):
        rows = [(who, label, each.bgr) for who, each in people.items() for label in ("live", "print")]
        rows.append(("P003", "live", np.full((240, 320, 3), 127, np.uint8)))
        coded = [cv2.imencode(".webp", half(bgr))[1].ravel() for _, _, bgr in rows]
        np.savez(
            folder / f"{source}.npz",
            webp=np.concatenate(coded),
            offset=np.cumsum([0, *map(len, coded)]),
            person=np.array([who for who, _, _ in rows]),
            label=np.array([label for _, label, _ in rows]),
        )
    return folder


def half(bgr: Picture) -> Picture:
    return np.asarray(cv2.resize(bgr, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


def flat(bgr: tuple[int, int, int]) -> Picture:
    return np.full((120, 160, 3), bgr, np.uint8)


def likeness(one: Picture, other: Picture) -> float:
    """The correlation of what is left of both at 24 x 24 pixels."""
    small = [cv2.resize(each, (24, 24), interpolation=cv2.INTER_AREA).ravel().astype(float) for each in (one, other)]
    return float(np.corrcoef(small)[0, 1])


def test_faces_are_found_once_plain_and_with_masks_and_the_same_run_gives_the_same(recipe: Any, data: Path) -> None:
    config = replace(recipe("config").load(RECIPE), sources=("one", "two"), imitations=5, patches=31)
    found = recipe("regions").regions(data, config)
    counts = Counter((each.person, each.live, each.masked) for each in found)
    assert counts == {
        (f"{source}/{who}", live, masked): config.painted if masked else 1
        for source in ("one", "two")
        for who in ("P001", "P002")
        for live in (True, False)
        for masked in (False, True)
    }
    for each in found:
        rows, columns = each.bgr.shape[:2]
        assert max(rows, columns) <= config.largest_px
        assert (each.points > 0).all() and (each.points < (columns, rows)).all()
    patches = recipe("patches")
    runs = []
    for _ in range(2):
        runs.append(patches.patches(patches.Supply(found, patches.imitations(found, config)), config))
    assert runs[0].bgr.shape == (31, 80, 80, 3)
    for name in ("bgr", "live", "person", "masked"):
        assert np.array_equal(getattr(runs[0], name), getattr(runs[1], name))


def test_patches_are_kept_whole_and_a_file_that_would_run_code_is_refused(recipe: Any, tmp_path: Path) -> None:
    made = recipe("patches").Patches(
        np.zeros((2, 80, 80, 3), np.uint8), np.array([True, False]), np.array(["a/x", "a/y"]), np.array([False, True])
    )
    made.write(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["patches.npz"]
    read = recipe("patches").Patches.read(tmp_path)
    assert np.array_equal(read.person, made.person) and np.array_equal(read.live, made.live)
    np.savez(tmp_path / "bad.npz", webp=np.array([print], object), offset=[0, 1], person=["x"], label=["live"])
    with pytest.raises(ValueError, match="allow_pickle"):
        list(recipe("regions").read(tmp_path / "bad.npz"))


def test_a_painted_mask_covers_the_mouth_and_leaves_eyes_and_scene_alone(
    recipe: Any, people: dict[str, Portrayal]
) -> None:
    masks, person = recipe("masks"), people["P001"]
    for seed in range(4):
        style = masks.random_style(np.random.default_rng(seed))
        changed = np.abs(masks.paint(person.bgr, person.mesh, style).astype(int) - person.bgr).max(2)

        def at(points: tuple[int, ...], changed: Any = changed) -> int:
            x, y = person.mesh.points[list(points), :2].mean(0).astype(int)
            return int(changed[y - 3 : y + 4, x - 3 : x + 4].mean())

        assert at((13, 14)) > 8 and at((33, 133)) == at((362, 263)) == 0  # lips; eyes
        assert changed[:20].max() == 0 and changed[:, :20].max() == 0
    assert {masks.random_style(np.random.default_rng(seed)).name for seed in range(20)} == {s.name for s in STYLES}


@pytest.mark.parametrize("way", ["on_screen", "on_paper"])
def test_an_imitation_shows_the_same_picture_in_its_colours(
    recipe: Any, people: dict[str, Portrayal], way: str
) -> None:
    imitate = getattr(recipe("optics"), way)
    face = half(half(people["P001"].bgr))[:, :300]  # not the right shoulder, so that left is not right
    for seed in range(6):
        shown = imitate(face, np.random.default_rng(seed))
        assert shown.shape == face.shape and shown.dtype == np.uint8
        assert likeness(shown, face) > max(0.5, likeness(shown, face[:, ::-1]), likeness(shown, face[::-1]))
        assert np.array_equal(shown, imitate(face, np.random.default_rng(seed)))
    for channel in range(3):
        colour = [40, 40, 40]
        colour[channel] = 220
        mean = imitate(flat((colour[0], colour[1], colour[2])), np.random.default_rng(1)).mean((0, 1))
        assert mean.argmax() == channel and mean[channel] > 1.5 * np.delete(mean, channel).max()


def test_a_screen_s_lamps_leave_a_regular_pattern_where_they_are_coarse_enough(recipe: Any) -> None:
    on_screen, grey = recipe("optics").on_screen, np.full((384, 512, 3), 120, np.uint8)

    def regular(shown: Picture) -> float:
        """How far one frequency of the colours stands out: noise has all of them."""
        colour = shown[..., 0].astype(np.float32) - shown[..., 2]
        spectrum = np.abs(np.fft.rfft2(colour - cv2.GaussianBlur(colour, (0, 0), 4)))
        spectrum[:3, :3] = 0  # light that falls unevenly
        return float(spectrum.max() / np.median(spectrum))

    found = sorted(regular(on_screen(grey, np.random.default_rng(seed))) for seed in range(8))
    assert found[-3] > 80 and found[0] < 40


def test_other_surroundings_leave_the_face_as_it_is(recipe: Any, people: dict[str, Portrayal]) -> None:
    scenes, regions = recipe("scenes"), recipe("regions")
    person, other = people["P001"], people["P002"]
    bgr, points = regions.cut(person.bgr, person.mesh.points, 4.2, 288)
    left, top = points.min(0).astype(int)
    right, bottom = points.max(0).astype(int)
    inner = (slice(top + (bottom - top) // 3, bottom - (bottom - top) // 3), slice(left + 8, right - 8))
    for change in (scenes.exchanged, scenes.held_up):
        for seed in range(5):
            changed = change(bgr, points, other.bgr, np.random.default_rng(seed))
            assert np.array_equal(changed[inner], bgr[inner])
            assert (changed[:8, :8] != bgr[:8, :8]).any()


def test_sources_count_alike_and_shares_are_what_the_recipe_says(recipe: Any) -> None:
    """One source has ten times the pictures of the other, and twice as many have a mask painted on."""
    regions, patches, config = recipe("regions"), recipe("patches"), recipe("config").load(RECIPE)
    points = np.array([[10, 10], [30, 34]], np.float32)

    def region(source: str, live: bool, masked: bool) -> Any:
        return regions.Region(f"{source}/x", live, masked, flat((1, 2, 3))[:48, :40], points)

    found = [
        region(source, live, masked)
        for source, count in (("small", 3), ("large", 30))
        for live in (True, False)
        for masked in (True, False)
        for _ in range(count * (1 + masked))
    ]
    imitations = [region("imitated", False, False)]
    rng, supply = np.random.default_rng(0), patches.Supply(found, imitations)
    drawn = Counter((each.source, each.live, each.masked) for each in (supply.draw(rng, config) for _ in range(4000)))
    for live, share in ((True, config.live_share), (False, config.attack_share)):
        for source in ("small", "large"):
            for masked in (True, False):
                assert drawn[source, live, masked] / 4000 == pytest.approx(share / 4, abs=0.02)
    assert drawn["imitated", False, False] / 4000 == pytest.approx(0.28, abs=0.02)


def test_everybody_is_held_out_once_and_imitations_go_with_the_person_in_them(recipe: Any) -> None:
    patches = recipe("patches")
    person = np.array([f"{source}/{who}" for source in ("a", "b") for who in range(4) for _ in range(3)])
    none = np.zeros(len(person), bool)
    made = patches.Patches(np.zeros((len(person), 80, 80, 3), np.uint8), none, person, none)
    folds = [made.of(fold, 3) for fold in range(3)]
    assert (np.sum(folds, axis=0) == 1).all() and all(each.any() for each in folds)
    for each in folds:
        assert not set(person[each]) & set(person[~each])
    assert not made.of(None, 3).any()
    regions, config = recipe("regions"), recipe("config").load(RECIPE)
    points = np.array([[10, 10], [30, 34]], np.float32)
    living = [regions.Region(f"a/{who}", True, False, flat((90, 90, 90)), points) for who in range(4)]
    imitated = list(patches.imitated(living, 6, np.random.default_rng(0), config))
    assert not any(each.live for each in imitated)
    assert {each.person for each in imitated} <= {each.person for each in living}


def test_tracked_corners_tell_a_plane_from_what_stands_before_it(recipe: Any) -> None:
    """A picture that is moved whole, and one whose surroundings stay where they are."""
    geometry = recipe("geometry")
    scene = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (240, 320), np.uint8), (0, 0), 1.5)
    inside = np.zeros_like(scene)
    cv2.circle(inside, (160, 120), 60, 255, -1)
    shift = np.array([[1, 0, 6], [0, 1, 2]], float)
    whole = cv2.warpAffine(scene, shift, (320, 240))
    moved = cv2.warpAffine(inside, shift, (320, 240)) > 0
    apart = np.where(moved, whole, scene)
    start, end = geometry.tracked(scene, apart, inside, geometry.EYES_PX)
    assert len(start) > geometry.FEWEST
    np.testing.assert_allclose(np.median(end - start, axis=0), (6, 2), atol=0.1)
    around = cv2.bitwise_not(cv2.dilate(inside, np.ones((41, 41), np.uint8)))
    for other, went in ((whole, (6, 2)), (apart, (0, 0))):
        start, end = geometry.tracked(scene, other, around, geometry.EYES_PX)
        np.testing.assert_allclose(np.median(end - start, axis=0), went, atol=0.1)


def test_a_grid_of_lamps_is_a_peak_in_the_spectrum(recipe: Any) -> None:
    peak = recipe("screens").peak
    grey = np.random.default_rng(1).normal(120, 6, (300, 300)).astype(np.float32)
    y, x = np.mgrid[0:300, 0:300]
    lamps = 4 * np.sin(2 * np.pi * 0.31 * x) * np.sin(2 * np.pi * 0.27 * y)
    assert peak(grey + lamps.astype(np.float32)) > peak(grey) + 1


def test_a_dip_of_the_eyes_is_a_blink_and_closed_eyes_are_none(recipe: Any) -> None:
    blinks = recipe("life").blinks
    eyes = [0.3] * 30 + [0.05] * 4 + [0.3] * 30 + [0.05] * 30 + [0.3] * 30
    row = [sighting(b"\1", at_s=number / 30, eyes=each) for number, each in enumerate(eyes)]
    count, seconds = blinks(row)
    assert count == 1 and seconds == pytest.approx(len(eyes) / 30, abs=0.1)
