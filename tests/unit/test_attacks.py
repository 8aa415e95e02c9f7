# SPDX-License-Identifier: Apache-2.0
"""Simulated paper and screens: what optics does to them, and how they stand in front of a view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.tools.attacks.hands import Grip, held
from edge_gate.tools.attacks.optics import TONE, Camera
from edge_gate.tools.attacks.panel import Panel, Stand, hold, lay, size_px, upright
from edge_gate.tools.attacks.paper import BENT, FLAT, paper
from edge_gate.tools.attacks.screen import PHONE, TABLET, Display, screen

QUIET = Camera(noise=0.0)
WIDTH, HEIGHT = 240, 320
TILTED = Stand(300.0, 200.0, 800.0, 0.7, 12.0, -8.0, 5.0)
SKIN = (120.0, 160.0, 220.0)

Renderer = Callable[[Picture, Points, int], Panel]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def plain(level: int, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    return np.full((height, width, 3), level, np.uint8)


def pattern() -> Picture:
    """A picture of soft blots in all colours."""
    spots = rng(5).uniform(0, 255, (12, 9, 3)).astype(np.float32)
    return np.asarray(np.clip(cv2.resize(spots, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), 0, 255), np.uint8)


def inner(panel: Panel, share: float = 0.8) -> Picture:
    """Return the middle of a panel that stands upright, blue, green, red."""
    (left, top), (right, bottom) = panel.corners[0], panel.corners[2]
    x, y = (1 - share) / 2 * (right - left), (1 - share) / 2 * (bottom - top)
    return panel.bgra[int(top + y) : int(bottom - y), int(left + x) : int(right - x), :3]


def light(pixels: Picture) -> float:
    return float(((pixels / 255.0) ** TONE).mean())


RENDERERS: dict[str, Renderer] = {
    "phone": lambda picture, corners, seed: screen(picture, corners, rng(seed), PHONE),
    "tablet": lambda picture, corners, seed: screen(picture, corners, rng(seed), TABLET),
    "coarse monitor": lambda picture, corners, seed: screen(picture, corners, rng(seed), Display(300)),
    "flat paper": lambda picture, corners, seed: paper(picture, corners, rng(seed), FLAT),
    "bent paper": lambda picture, corners, seed: paper(picture, corners, rng(seed), BENT),
    "coarse print": lambda picture, corners, seed: paper(picture, corners, rng(seed), replace(FLAT, lines=80)),
}


@pytest.fixture(params=sorted(RENDERERS))
def render(request: pytest.FixtureRequest) -> Renderer:
    return RENDERERS[request.param]


@pytest.mark.parametrize("corners", [upright(WIDTH, HEIGHT), TILTED.corners(0.21, 0.297)], ids=["upright", "tilted"])
def test_a_panel_is_premultiplied_pixels_with_the_corners_that_were_asked_for(
    render: Renderer, corners: Points
) -> None:
    panel = render(pattern(), corners, 1)
    assert panel.bgra.dtype == np.uint8 and panel.bgra.shape[2] == 4
    np.testing.assert_allclose(panel.corners - panel.corners[0], corners - corners[0], atol=1e-3)
    # Half a level each may be rounded up.
    assert (panel.bgra[..., :3].max(axis=2) <= panel.bgra[..., 3].astype(int) + 1).all()
    solid = np.zeros(panel.bgra.shape[:2], np.uint8)
    cv2.fillConvexPoly(solid, np.round(panel.corners).astype(np.int32), 1)
    assert abs(int(solid.sum()) - (panel.bgra[..., 3] > 127).sum()) < 0.06 * solid.sum()


def test_the_same_seed_gives_the_same_panel_and_another_one_another(render: Renderer) -> None:
    first, again, other = (render(pattern(), upright(WIDTH, HEIGHT), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.bgra, again.bgra)
    assert (first.bgra != other.bgra).any()


def test_the_picture_is_still_the_picture(render: Renderer) -> None:
    shown = cv2.resize(inner(render(pattern(), upright(WIDTH, HEIGHT), 1), 0.7), (60, 80), interpolation=cv2.INTER_AREA)
    meant = cv2.resize(pattern()[48:-48, 36:-36], (60, 80), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(shown.ravel(), meant.ravel())[0, 1] > 0.85


@settings(max_examples=60, deadline=None)
@given(
    width=st.floats(3, 160),
    shape=st.floats(0.4, 2.2),
    turns=st.tuples(st.floats(-60, 60), st.floats(-60, 60), st.floats(-180, 180)),
    place=st.tuples(st.floats(-200, 300), st.floats(-200, 300)),
    name=st.sampled_from(sorted(RENDERERS)),
)
def test_whatever_the_size_the_turn_and_the_place_a_view_is_changed_where_the_panel_is_and_nowhere_else(
    width: float, shape: float, turns: tuple[float, float, float], place: tuple[float, float], name: str
) -> None:
    corners = Stand(*place, 400.0, 1.0, *turns).corners(width / 400, width * shape / 400)
    panel = RENDERERS[name](pattern(), corners, 1)
    view = plain(90, 120, 100)
    before = view.copy()
    frame = hold(view, panel, corners)
    np.testing.assert_array_equal(view, before)
    assert frame.shape == view.shape and frame.dtype == np.uint8
    around = 1000  # a polygon that lies partly outside is drawn on a canvas that has it all
    allowed = np.zeros((view.shape[0] + 2 * around, view.shape[1] + 2 * around), np.uint8)
    cv2.fillPoly(allowed, [np.round(corners + around).astype(np.int32)], 1)
    allowed = cv2.dilate(allowed, np.ones((13, 13), np.uint8))[around:-around, around:-around]
    assert not (frame != view).any(axis=2)[allowed == 0].any()


def test_a_panel_twice_as_near_is_twice_as_large() -> None:
    far, near = (size_px(Stand(0, 0, 555 / away, away).corners(0.21, 0.297)) for away in (1.0, 0.5))
    np.testing.assert_allclose(near, np.array(far) * 2, rtol=1e-5)


def test_of_a_turned_panel_the_nearer_side_is_taller() -> None:
    upper_left, upper_right, lower_right, lower_left = Stand(0, 0, 1000, 0.5, yaw_deg=30).corners(0.2, 0.2)
    left, right = lower_left[1] - upper_left[1], lower_right[1] - upper_right[1]
    assert right / left == pytest.approx((0.5 + 0.05) / (0.5 - 0.05), rel=1e-4)
    assert upper_right[0] - upper_left[0] < 0.9 * 200


def test_a_panel_that_leans_forward_is_wider_above_and_one_that_is_rolled_goes_clockwise() -> None:
    leaning = Stand(0, 0, 1000, 0.5, pitch_deg=20).corners(0.2, 0.2)
    assert np.hypot(*(leaning[1] - leaning[0])) > 1.1 * np.hypot(*(leaning[2] - leaning[3]))
    rolled = Stand(0, 0, 1000, 0.5, roll_deg=10).corners(0.2, 0.2)
    assert rolled[1, 1] > rolled[0, 1] and size_px(rolled) == pytest.approx((200, 200), rel=1e-5)


def test_a_panel_at_its_own_place_is_laid_on_pixel_by_pixel() -> None:
    panel = screen(pattern(), upright(80, 100), rng(), PHONE)
    rows, columns = panel.bgra.shape[:2]
    view = plain(200, 300, 300)
    frame = hold(view, panel, panel.corners + np.array([40, 70], np.float32))
    np.testing.assert_array_equal(
        frame[70 : 70 + rows, 40 : 40 + columns], lay(view[70 : 70 + rows, 40 : 40 + columns], panel.bgra)
    )


def test_a_panel_may_fill_the_view() -> None:
    panel = screen(plain(255), upright(400, 400), rng(), Display(400))
    frame = hold(plain(0, 200, 200), panel, upright(400, 400) - 100)
    assert frame.min() > 150


def test_what_moves_is_smeared_and_the_view_behind_it_is_not() -> None:
    view = np.tile(np.arange(200, dtype=np.uint8)[None, :, None] % 2 * 255, (100, 1, 3))
    panel = screen(plain(255), upright(40, 40), rng(), Display(40), QUIET)
    at = upright(40, 40) + np.array([80, 30], np.float32)
    still, moved = hold(view, panel, at), hold(view, panel, at, (12.0, 0.0))
    np.testing.assert_array_equal(moved[:, :60], view[:, :60])
    assert 0 < moved[50, 78, 0] < 255 or 0 < moved[50, 77, 0] < 255
    assert (still != moved).any()


@pytest.mark.parametrize("beats", [9, 14, 20])
def test_lamps_as_fine_as_the_cameras_pixels_make_moire_as_coarse_as_they_differ(beats: int) -> None:
    """With 240 + k lamps before 240 pixels, k stripes are seen that are in no picture."""
    seen = screen(plain(160), upright(WIDTH, HEIGHT), rng(), Display(WIDTH + beats), Camera(0.3, 0.0))
    (left, _), (right, _) = seen.corners[0], seen.corners[1]
    across = seen.bgra[40:-40, int(left) : int(right), 1].mean(axis=0)
    stripes = np.abs(np.fft.rfft((across - across.mean()) * np.hanning(across.size)))[4:60]
    assert 4 + int(stripes.argmax()) == beats
    assert stripes.max() > 8 * np.median(stripes)


def test_moire_grows_with_a_sharper_lens_and_is_gone_where_the_lamps_are_finer_than_it_resolves() -> None:
    def contrast(columns: int, lens_px: float) -> float:
        camera = Camera(lens_px, 0.0)
        return float(inner(screen(plain(160), upright(WIDTH, HEIGHT), rng(), Display(columns), camera))[..., 1].std())

    strengths = [contrast(WIDTH + 14, lens_px) for lens_px in (0.6, 0.45, 0.3)]
    assert strengths[0] < strengths[1] < strengths[2]
    assert contrast(3 * WIDTH, 0.3) < 0.1 * strengths[2]


@pytest.mark.parametrize("columns", [110, 245, 400, 900])
def test_a_grid_of_lamps_is_as_bright_as_the_picture_that_it_shows(columns: int) -> None:
    display = Display(columns, white=(1.0, 1.0, 1.0), black=0.0)
    seen = inner(screen(plain(140), upright(WIDTH, HEIGHT), rng(), display, Camera(0.7, 0.0)))
    assert light(seen) == pytest.approx((140 / 255) ** TONE, rel=0.06)


def test_what_is_dark_on_a_screen_still_shines_and_its_frame_does_not() -> None:
    black = screen(plain(0), upright(WIDTH, HEIGHT), rng(), replace(PHONE, black=0.05, glare=0.0), QUIET)
    assert inner(black, 0.7).mean() > 50
    side = int(black.corners[0, 0]) + 3
    assert black.bgra[HEIGHT // 2, side, :3].max() < 40


def test_a_reflection_is_light_that_is_not_in_the_picture() -> None:
    dull, glossy = (
        screen(plain(60), upright(WIDTH, HEIGHT), rng(), replace(PHONE, glare=glare), QUIET) for glare in (0.0, 0.4)
    )
    assert light(glossy.bgra[..., :3]) > light(dull.bgra[..., :3]) + 0.02


def test_flicker_darkens_rows_of_the_camera() -> None:
    banded = screen(plain(180), upright(WIDTH, HEIGHT), rng(), Display(900, bands=5.0, depth=0.3), QUIET)
    rows = inner(banded, 1.0).astype(float).mean(axis=(1, 2))[4:-4]
    assert int(np.abs(np.fft.rfft(rows - rows.mean())).argmax()) == 5


def test_ink_is_never_blacker_nor_paper_whiter_than_they_are() -> None:
    sheet = replace(FLAT, uneven=0.0)
    dark, bright = (paper(plain(level), upright(WIDTH, HEIGHT), rng(), sheet, QUIET) for level in (0, 255))
    assert light(inner(dark)) == pytest.approx(sheet.black, rel=0.1)
    assert light(inner(bright)) == pytest.approx(float(np.mean(sheet.white)), rel=0.05)


def test_ink_has_less_colour_than_the_picture() -> None:
    red = np.full((HEIGHT, WIDTH, 3), (60, 60, 220), np.uint8)
    pale = inner(paper(red, upright(WIDTH, HEIGHT), rng(), replace(FLAT, colour=0.4), QUIET)).mean(axis=(0, 1))
    vivid = inner(paper(red, upright(WIDTH, HEIGHT), rng(), replace(FLAT, colour=1.0), QUIET)).mean(axis=(0, 1))
    assert pale[2] - pale[0] < 0.75 * (vivid[2] - vivid[0])


@pytest.mark.parametrize("level", [60, 128, 200])
def test_dots_are_as_dark_as_the_tone_that_they_stand_for(level: int) -> None:
    sheet = replace(FLAT, uneven=0.0)
    smooth, dotted = (
        inner(paper(plain(level), upright(WIDTH, HEIGHT), rng(), replace(sheet, lines=lines), QUIET))
        for lines in (2000, 60)
    )
    assert light(dotted) == pytest.approx(light(smooth), rel=0.08)
    assert dotted.std() > 4 * smooth.std()


def test_a_sheet_is_lit_from_one_side() -> None:
    even, uneven = (
        inner(paper(plain(150), upright(WIDTH, HEIGHT), rng(3), replace(FLAT, uneven=share), QUIET), 0.95)
        for share in (0.0, 0.3)
    )
    coarse = [cv2.resize(each, (8, 8), interpolation=cv2.INTER_AREA).astype(float) for each in (even, uneven)]
    assert np.ptp(coarse[1]) > 20 + np.ptp(coarse[0])


def test_a_bent_sheet_is_nearer_in_its_middle_and_darker_at_its_sides() -> None:
    bent = paper(plain(200), upright(WIDTH, HEIGHT), rng(), replace(BENT, uneven=0.0), QUIET)
    opacity = bent.bgra[..., 3] > 127
    tall = opacity.sum(axis=0)
    middle = bent.bgra.shape[1] // 2
    assert tall[middle] > tall[12] + 3 and tall[middle] > tall[-12] + 3
    rows = bent.bgra[HEIGHT // 2 - 20 : HEIGHT // 2 + 20, :, :3].mean(axis=(0, 2))
    assert rows[middle] > min(rows[14], rows[-14]) + 5


def test_through_eyes_that_are_cut_out_one_sees_what_is_behind() -> None:
    hole = np.array([(60, 100), (110, 100), (110, 130), (60, 130)], np.float32)
    sheet = replace(FLAT, border=0.0)
    panel = paper(plain(255), upright(WIDTH, HEIGHT), rng(), sheet, QUIET, holes=(hole,))
    view = np.full((400, 400, 3), (10, 20, 240), np.uint8)
    frame = hold(view, panel, upright(WIDTH, HEIGHT) + 40)
    np.testing.assert_array_equal(frame[40 + 115, 40 + 85], (10, 20, 240))
    assert frame[40 + 200, 40 + 85].min() > 150


def test_what_is_laid_on_a_print_is_not_printed() -> None:
    """A real mask has its own white, which is whiter than paper."""

    def mask(printed: Picture) -> Picture:
        worn = printed.copy()
        worn[200:280, 40:200] = 250
        return worn

    sheet = replace(FLAT, border=0.0, uneven=0.0, lines=60)
    panel = paper(plain(255), upright(WIDTH, HEIGHT), rng(), sheet, QUIET, over=mask)
    (left, top) = panel.corners[0].astype(int)
    cloth, print_ = (panel.bgra[top + y - 8 : top + y + 8, left + 100 : left + 140, :3] for y in (240, 100))
    assert light(cloth) == pytest.approx((250 / 255) ** TONE, rel=0.04)
    assert light(print_) < 0.8


@pytest.mark.parametrize("grip", list(Grip))
def test_hands_hold_a_panel_at_its_rim_and_reach_below_it(grip: Grip) -> None:
    bare = paper(plain(0), upright(WIDTH, HEIGHT), rng(), replace(FLAT, border=0.0))
    panel = held(bare, 0.21 if grip is Grip.BOTH else 0.08, grip, SKIN)
    assert size_px(panel.corners) == pytest.approx((WIDTH, HEIGHT), rel=1e-3)
    skin = (panel.bgra[..., 2] > 100) & (panel.bgra[..., 3] > 200)
    left, top = panel.corners[0].astype(int)
    right, bottom = panel.corners[2].astype(int)
    assert skin[bottom + 10 :].any() and skin[top:bottom, :left].any() and skin[top:bottom, right:].any()
    upper = skin[top : top + HEIGHT // 2, left + WIDTH // 5 : right - WIDTH // 5]
    assert not upper.any(), "the face that is shown stays in sight"
    assert (panel.bgra[..., :3].max(axis=2) <= panel.bgra[..., 3].astype(int) + 1).all()


@pytest.mark.parametrize("gain", [0.5, 1.0, 3.0])
def test_a_panel_in_another_light_is_as_opaque_as_before_and_never_brighter_than_white(gain: float) -> None:
    panel = screen(pattern(), upright(60, 80), rng(), PHONE)
    lit = panel.in_light(gain)
    np.testing.assert_array_equal(lit.bgra[..., 3], panel.bgra[..., 3])
    expected = np.minimum(panel.bgra[..., :3] * gain, panel.bgra[..., 3:])
    assert np.abs(lit.bgra[..., :3] - expected).max() <= 1
