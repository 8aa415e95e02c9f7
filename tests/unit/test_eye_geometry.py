# SPDX-License-Identifier: Apache-2.0
"""Similarities, and what is cut out of a picture with them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.eye.face.geometry import OUTSIDE_GREY, Similarity, cut, fit

POINTS = np.array([[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.6, 92.4], [70.7, 92.2]], np.float32)
REAL = st.floats(-2000, 2000)


@given(st.floats(0.05, 20), st.floats(-3.1, 3.1), REAL, REAL)
@settings(deadline=None)
def test_a_similarity_is_found_again_from_five_points(scale: float, angle: float, x: float, y: float) -> None:
    truth = Similarity(complex(scale * np.exp(1j * angle)), complex(x, y))
    found = fit(POINTS, truth(POINTS))
    assert abs(found.turn - truth.turn) < 1e-3 * scale
    assert np.allclose(found.then(found.inverse())(POINTS), POINTS, atol=1e-2)
    assert found.scale == pytest.approx(scale, rel=1e-3)


def test_a_mirrored_face_is_never_fitted_by_a_mirroring() -> None:
    mirrored = POINTS * np.array([-1, 1], np.float32)
    assert np.linalg.det(fit(mirrored, POINTS).matrix) > 0


def test_points_that_all_coincide_still_give_a_way_back() -> None:
    found = fit(np.ones((5, 2), np.float32), POINTS)
    assert np.isfinite(found.inverse()(POINTS)).all()


@pytest.mark.parametrize("scale", [2.0, 1.0, 0.8, 0.5, 0.13])
@pytest.mark.parametrize("angle", [0.0, 0.4, -1.3])
def test_a_spot_appears_where_the_similarity_says(scale: float, angle: float) -> None:
    rows, columns = np.mgrid[0:600, 0:800].astype(np.float64)
    spot_at, sigma = (431.0, 263.0), max(2.0, 2.0 / scale)
    spot = 250 * np.exp(-((columns - spot_at[0]) ** 2 + (rows - spot_at[1]) ** 2) / (2 * sigma**2))
    picture = np.repeat(spot.astype(np.uint8)[..., None], 3, axis=2)
    turn = complex(scale * np.exp(1j * angle))
    placing = Similarity(turn, complex(61.3, 40.8) - turn * complex(*spot_at))
    out = cut(picture, placing, 120, 90)[..., 0].astype(np.float64)
    y, x = np.mgrid[0:90, 0:120]
    out[np.hypot(x - 61.3, y - 40.8) > 20] = 0  # the picture's edge, blended with grey, is not the spot
    assert (x * out).sum() / out.sum() == pytest.approx(61.3, abs=0.15)
    assert (y * out).sum() / out.sum() == pytest.approx(40.8, abs=0.15)


def test_texture_too_fine_for_the_output_becomes_even_and_not_a_pattern() -> None:
    checkers = (np.indices((900, 900)).sum(0) % 2 * 255).astype(np.uint8)
    out = cut(cv2.cvtColor(checkers, cv2.COLOR_GRAY2BGR).astype(np.uint8), Similarity(0.12 + 0.03j, 10 + 0j), 64, 64)
    assert out[20:40, 20:40].std() < 6


@pytest.mark.parametrize("scale", [1.0, 0.2])
def test_what_lies_outside_the_picture_is_grey(scale: float) -> None:
    white = np.full((400, 400, 3), 255, np.uint8)
    out = cut(white, Similarity(complex(scale), complex(50, 0)), 100, 60)
    assert (out[:, :45] == OUTSIDE_GREY).all()
    assert (out[2:, 55:] == 255).all()


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_a_rectangle_wholly_outside_the_picture_is_all_grey(scale: float) -> None:
    white = np.full((50, 50, 3), 255, np.uint8)
    assert (cut(white, Similarity(complex(scale), 9e4 + 0j), 20, 20) == OUTSIDE_GREY).all()
