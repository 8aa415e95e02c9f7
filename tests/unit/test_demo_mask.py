# SPDX-License-Identifier: Apache-2.0
"""Cutting people out and putting masks on them."""

from __future__ import annotations

import numpy as np
import pytest

from edge_gate.eye.face.geometry import Picture
from edge_gate.tools.demo.cast import Cast, Emotion, Kind
from edge_gate.tools.demo.cutout import EYES_AT, EYES_PX, Figure, cut_out
from edge_gate.tools.demo.faces import CHIN, Faces
from edge_gate.tools.demo.mask import STYLES, SURGICAL, MaskStyle, put_on

GREEN = (70, 120, 80)


@pytest.fixture(scope="module")
def cast() -> Cast:
    return Cast()


@pytest.fixture(scope="module")
def body(cast: Cast) -> Figure:
    return cut_out(cast.portrayal("P001", Kind.STUDIO))


@pytest.fixture(scope="module")
def person(cast: Cast, body: Figure) -> Figure:
    return cut_out(cast.portrayal("P001", Kind.PORTRAIT)).upon(body)


def changed(before: Figure, after: Figure) -> Picture:
    return np.asarray(np.abs(before.bgra.astype(int) - after.bgra).max(axis=2) > 24, np.uint8)


def test_a_cut_out_person_has_no_background_and_no_holes(person: Figure) -> None:
    opacity = person.bgra[..., 3]
    x, y = (int(at) for at in EYES_AT)
    assert opacity[:60].max() == 0  # above the hair
    assert opacity[:400, :120].max() == 0  # beside the head
    assert opacity[y - 60 : y + 160, x - 60 : x + 60].min() == 255  # the face
    assert opacity[y + 300 : y + 600, x - 60 : x + 60].min() == 255  # the trunk


def test_the_eyes_are_where_scenes_expect_them(person: Figure) -> None:
    eyes = [person.mesh[list(corners)].mean(axis=0) for corners in ((33, 133), (362, 263))]
    np.testing.assert_allclose(np.mean(eyes, axis=0), EYES_AT, atol=2)
    assert abs(eyes[1][0] - eyes[0][0] - EYES_PX) < 8


def test_a_head_on_its_body_shows_the_heads_own_face(cast: Cast, body: Figure) -> None:
    head = cut_out(cast.cells("P001", (Emotion.HAPPY,))[0])
    both = head.upon(body)
    x, y = (int(at) for at in EYES_AT)
    face = (slice(y - 60, y + 130), slice(x - 80, x + 80))
    np.testing.assert_array_equal(both.bgra[face], head.bgra[face])
    assert both.bgra[1200, x, 3] == 255 and head.bgra[1200, x, 3] == 0


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_a_mask_hides_nose_mouth_and_chin_and_leaves_eyes_and_brows(person: Figure, style: MaskStyle) -> None:
    hidden = changed(person, put_on(person, style))
    for point in (4, 13, 61, 291, CHIN):  # nose tip, lips, corners of the mouth, chin
        x, y = person.mesh[point].astype(int)
        assert hidden[y - 2 : y + 3, x - 2 : x + 3].any(), point
    lowest_lid = int(max(person.mesh[145, 1], person.mesh[374, 1]))
    assert not hidden[: lowest_lid + 3, int(person.mesh[33, 0]) : int(person.mesh[263, 0])].any()


def test_a_mask_is_no_rectangle(person: Figure) -> None:
    hidden = changed(person, put_on(person, SURGICAL))
    rows, columns = np.nonzero(hidden)
    assert hidden.sum() < 0.85 * np.ptp(rows) * np.ptp(columns)
    assert hidden[rows.max() - 8].sum() < 0.6 * hidden.sum(axis=1).max()  # it narrows to the chin


def test_a_mask_tilts_with_the_head(cast: Cast) -> None:
    head = cut_out(cast.cells("P001", (Emotion.CONFUSED,))[0])
    rows, columns = np.nonzero(changed(head, put_on(head, SURGICAL)))
    right, left = head.mesh[33], head.mesh[263]
    across = (left - right) / np.hypot(*(left - right))
    assert abs(across[1]) > 0.15  # the head is tilted
    middle = np.array([columns.mean(), rows.mean()]) - (left + right) / 2
    assert abs(middle @ across) < 0.15 * EYES_PX  # the mask hangs below the nose along the face, not along the picture


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_the_eyes_detector_still_finds_the_masked_face(person: Figure, style: MaskStyle) -> None:
    masked = put_on(person, style).bgra[:800]
    opacity = masked[..., 3:] / 255
    seen = Faces().find((masked[..., :3] + np.array(GREEN) * (1 - opacity)).astype(np.uint8))
    assert seen is not None
    np.testing.assert_allclose(seen.five[:2].mean(axis=0), EYES_AT, atol=0.15 * EYES_PX)


def test_dyed_clothes_leave_the_skin_as_it_is(person: Figure) -> None:
    dyed = person.dyed((110, 66, 48))
    chin = int(person.mesh[CHIN, 1])
    np.testing.assert_array_equal(dyed.bgra[: chin - 20], person.bgra[: chin - 20])
    shirt = dyed.bgra[700:900, 360:440, :3].mean(axis=(0, 1))
    assert shirt[0] > 1.8 * shirt[2]
