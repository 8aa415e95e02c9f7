# SPDX-License-Identifier: Apache-2.0
"""Control rows take away what they say that they take away, and compare like with like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.tools.pad import controls
from edge_gate.tools.pad.controls import Close, matched
from edge_gate.tools.pad.seeing import Surroundings
from edge_gate.wire.eye import Quality

GREY = 127


def close(interocular_px: float, seed: int = 0) -> Close:
    cut = np.random.default_rng(seed).integers(0, 100, (80, 80, 3)).astype(np.uint8)
    return Close(Quality(interocular_px, 0.6, 0.5, 0, 0, 0.3, 0.9), Surroundings(cut, (25.0, 20.0, 30.0, 40.0), 9))


def test_what_is_grey_and_what_is_left() -> None:
    saw = close(60).saw
    inside = np.zeros((80, 80), bool)
    inside[20:60, 25:55] = True
    face, scene, border = controls._face(saw), controls._without_face(saw), controls._border(saw)
    assert (face[inside] == saw.cut[inside]).all() and (face[~inside] == GREY).all()
    assert (scene[~inside] == saw.cut[~inside]).all() and (scene[inside] == GREY).all()
    middle = np.zeros((80, 80), bool)
    middle[10:70, 10:70] = True
    assert (border[~middle] == saw.cut[~middle]).all() and (border[middle] == GREY).all()


def test_a_swapped_scene_has_the_other_face_in_the_place_of_its_own() -> None:
    one, other = close(60, 1).saw, close(60, 2).saw
    swapped = controls._stretched(one, other)
    inside = np.zeros((80, 80), bool)
    inside[20:60, 25:55] = True
    assert (swapped[inside] == one.cut[inside]).all() and (swapped[~inside] == other.cut[~inside]).all()


@pytest.mark.parametrize("face", [(-30.0, -9.0, 200.0, 300.0), (79.5, 79.5, 0.1, 0.1), (-50.0, -50.0, 10.0, 10.0)])
def test_a_face_at_the_edge_or_beyond_is_cut(face: tuple[float, float, float, float]) -> None:
    saw = Surroundings(close(60).saw.cut, face, None)
    assert controls._face(saw).shape == controls._stretched(saw, close(60).saw).shape == (80, 80, 3)


SIZES = st.lists(st.floats(20, 200), max_size=30)


@given(SIZES, SIZES)
def test_pairs_have_the_same_size_and_nobody_is_in_two(people: list[float], attacks: list[float]) -> None:
    ours, theirs = [close(each) for each in people], [close(each) for each in attacks]
    one, other = matched(ours, theirs)
    assert len(one) == len(other) <= min(len(people), len(attacks))
    assert len({id(each) for each in one}) == len(one) and len({id(each) for each in other}) == len(other)
    for person, attack in zip(one, other, strict=True):
        assert 1 / 1.1001 <= person.quality.interocular_px / attack.quality.interocular_px <= 1.1001
    if not one:
        assert all(max(p, a) / min(p, a) > 1.0999 for p in people for a in attacks)


def test_all_are_paired_with_their_like() -> None:
    ours, theirs = [close(each) for each in (30, 60, 90)], [close(each) for each in (88, 31, 61, 200)]
    one, other = matched(ours, theirs)
    assert [each.quality.interocular_px for each in one] == [90, 60, 30]
    assert [each.quality.interocular_px for each in other] == [88, 61, 31]
