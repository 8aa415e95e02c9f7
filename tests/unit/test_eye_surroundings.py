# SPDX-License-Identifier: Apache-2.0
"""A face with its surroundings is cut out of the picture wherever the face is, also partly or wholly outside."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.eye.face.geometry import Picture
from edge_gate.eye.liveness.surroundings import ENLARGED, SIDE_PX, cut_surroundings, face_box, surroundings

PICTURE: Picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)


@given(
    st.floats(-400, 400, width=32),
    st.floats(-400, 400, width=32),
    st.floats(0, 600, width=32),
    st.floats(0, 600, width=32),
)
def test_some_part_of_the_picture_is_always_cut_and_never_too_much(x: float, y: float, w: float, h: float) -> None:
    points = np.array([[x, y], [x + w, y + h]], np.float32)
    part = surroundings(PICTURE, points)
    rows, columns = part.shape[:2]
    assert rows >= 1 and columns >= 1
    _, _, width, height = face_box(points)
    assert rows <= ENLARGED * height + 2 and columns <= ENLARGED * width + 2
    given_to_the_network = cut_surroundings(PICTURE, points)
    assert given_to_the_network.shape == (SIDE_PX, SIDE_PX, 3)
    assert np.array_equal(given_to_the_network, cv2.resize(part, (SIDE_PX, SIDE_PX)))


def test_a_face_in_the_middle_is_in_the_middle_of_what_is_cut() -> None:
    points = np.array([[70, 50], [90, 70]], np.float32)
    part = surroundings(PICTURE, points)
    left, top, width, height = face_box(points)
    x, y = left + width / 2, top + height / 2
    high, wide = part.shape[:2]
    at = np.round([y - high / 2, x - wide / 2]).astype(int)
    assert any(
        np.array_equal(part, PICTURE[row : row + high, column : column + wide])
        for row in range(at[0] - 1, at[0] + 2)
        for column in range(at[1] - 1, at[1] + 2)
    )
