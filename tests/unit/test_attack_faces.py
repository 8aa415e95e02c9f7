# SPDX-License-Identifier: Apache-2.0
"""Simulated presentations of a face are what an attack needs to be: the eye's own models find the face in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.tools.attacks.panel import Panel, Stand, hold
from edge_gate.tools.attacks.paper import BENT, FLAT, eye_holes, paper
from edge_gate.tools.attacks.screen import PHONE, TABLET, Display, screen
from edge_gate.tools.demo.backdrop import backdrop
from edge_gate.tools.demo.cast import Cast, Kind
from edge_gate.tools.demo.cutout import EYES_AT, EYES_PX, Figure, uncut
from edge_gate.tools.demo.faces import Faces, size_px
from edge_gate.tools.demo.mask import WHITE, put_on

# The picture that is shown: its size in pixels, and where the eyes are in it.
SHOWN = (320, 440)
EYES = (160.0, 190.0)
EYES_M = 0.062
UPRIGHT = Stand(320.0, 240.0, 800.0, 0.7)
TILTED = Stand(320.0, 240.0, 800.0, 0.7, 18.0, -10.0, 6.0)
CORNER = (round(EYES_AT[0] - EYES[0]), round(EYES_AT[1] - EYES[1]))


@pytest.fixture(scope="module")
def figure() -> Figure:
    return uncut(Cast().portrayal("P001", Kind.PORTRAIT))


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Faces()


def shown(figure: Figure) -> Picture:
    (left, top), (width, height) = CORNER, SHOWN
    return figure.bgra[top : top + height, left : left + width, :3].copy()


def corners(stand: Stand) -> Points:
    metres = EYES_M / EYES_PX
    return stand.corners(SHOWN[0] * metres, SHOWN[1] * metres)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def with_a_mask(figure: Figure) -> Callable[[Picture], Picture]:
    """Return what puts a mask on a print of the figure."""

    def over(printed: Picture) -> Picture:
        bgra = cv2.cvtColor(printed, cv2.COLOR_BGR2BGRA)
        mesh = (figure.mesh - np.array(CORNER, np.float32)).astype(np.float32)
        return put_on(Figure(np.asarray(bgra, np.uint8), mesh, figure.reach), WHITE).bgra[..., :3]

    return over


Shows = Callable[[Figure, Points], Panel]
SHOWS: dict[str, tuple[Stand, Shows]] = {
    "phone": (UPRIGHT, lambda figure, at: screen(shown(figure), at, rng(), PHONE)),
    "tablet, tilted": (TILTED, lambda figure, at: screen(shown(figure), at, rng(), TABLET)),
    "monitor with moiré": (UPRIGHT, lambda figure, at: screen(shown(figure), at, rng(), Display(210))),
    "print": (UPRIGHT, lambda figure, at: paper(shown(figure), at, rng(), FLAT)),
    "print, tilted": (TILTED, lambda figure, at: paper(shown(figure), at, rng(), FLAT)),
    "print, bent": (UPRIGHT, lambda figure, at: paper(shown(figure), at, rng(), BENT)),
    "print, coarse dots": (UPRIGHT, lambda figure, at: paper(shown(figure), at, rng(), replace(FLAT, lines=120))),
    "print under a real mask": (
        UPRIGHT,
        lambda figure, at: paper(shown(figure), at, rng(), FLAT, over=with_a_mask(figure)),
    ),
}


@pytest.mark.parametrize("name", sorted(SHOWS))
def test_the_face_is_found_at_its_place_and_size(name: str, figure: Figure, faces: Faces) -> None:
    stand, show = SHOWS[name]
    at = corners(stand)
    mesh = faces.find(hold(backdrop(), show(figure, at), at))
    assert mesh is not None
    expected_px = EYES_M * stand.px_per_m
    assert size_px(mesh.five) == pytest.approx(expected_px, rel=0.2)
    flat = np.array([(0, 0), (SHOWN[0], 0), SHOWN, (0, SHOWN[1])], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, at)
    eyes = cv2.perspectiveTransform(np.array([[EYES]], np.float32), matrix)[0, 0]
    assert np.abs(mesh.five[:2].mean(axis=0) - eyes).max() < 0.35 * expected_px


def test_through_the_eyes_of_a_print_somebody_else_looks(figure: Figure, faces: Faces) -> None:
    """A print with its eyes cut out, held before another face whose eyes are where the holes are."""
    other = uncut(Cast().portrayal("P005", Kind.PORTRAIT))
    at = corners(UPRIGHT)
    behind = hold(backdrop(), screen(shown(other), at, rng(), Display(900)), at)
    eyes = np.array([figure.mesh[list(pair)].mean(axis=0) for pair in ((33, 133), (362, 263))]) - np.array(CORNER)
    holes = eye_holes(eyes.astype(np.float32))
    whole, cut = (paper(shown(figure), at, rng(), replace(FLAT, border=0.0), holes=each) for each in ((), holes))
    closed, open_ = (hold(behind, each, at) for each in (whole, cut))
    flat = np.array([(0, 0), (SHOWN[0], 0), SHOWN, (0, SHOWN[1])], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, at)
    for eye in cv2.perspectiveTransform(eyes[None].astype(np.float32), matrix)[0].astype(int):
        seen = (slice(eye[1] - 2, eye[1] + 3), slice(eye[0] - 3, eye[0] + 4))
        np.testing.assert_array_equal(open_[seen], behind[seen])
        assert (closed[seen] != behind[seen]).any()
    mouth = (slice(int(eye[1] + 50), int(eye[1] + 60)), slice(300, 340))
    np.testing.assert_array_equal(open_[mouth], closed[mouth])
    assert faces.find(open_) is not None
