# SPDX-License-Identifier: Apache-2.0
"""Within one enrolment any two views are alike, in whatever order they come: no template is of two people."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.errors import EnrolmentFailed
from edge_gate.eye.pipeline import acquire
from edge_gate.provenance import cards
from edge_gate.rules.comparison import Vector
from edge_gate.rules.enrolment import WANTED, Enrolment, alike_views
from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.settings.config import ModelSettings
from tests.support.eye_scenes import LIMITS, models, sitter, sway
from tests.support.peers import embedding, sighting

PEOPLE = ("P001", "P005", "P008")
PLAIN = OperatingPoint("fused", 1e-4, 0.6, 10**6, 2e-4)


def template(views: list[bytes], alike: float) -> Vector:
    enrolment = Enrolment(10**12, alike)
    for number, view in enumerate(views):
        enrolment.add(sighting(view, at_s=number * 0.2))
    return enrolment.template()


@cache
def film(who: str) -> list[bytes]:
    """Return what the shipped model makes of somebody who sways before the camera."""
    seen = [acquire(models(), picture, LIMITS) for picture, _ in sway(sitter(who), 40)]
    return [each.embedding for each in seen if each is not None and each.embedding][:WANTED]


@cache
def shipped() -> float:
    card = cards.read(ModelSettings(), ModelSettings().eyes)
    return alike_views(card.operating_points, card.threshold("fused", 1e-4))


ORDERS = st.lists(st.sampled_from("AB"), min_size=WANTED, max_size=WANTED).filter(lambda each: len(set(each)) == 2)


@given(ORDERS, st.integers(0, 1000))
def test_views_of_two_people_in_any_order_are_no_enrolment(order: list[str], seed: int) -> None:
    views = [embedding({"A": 1, "B": 2}[who], seed=seed + number) for number, who in enumerate(order)]
    with pytest.raises(EnrolmentFailed, match="differ too much"):
        template(views, 0.4)


@given(st.integers(0, 1000))
def test_views_of_one_person_are_one(seed: int) -> None:
    assert np.linalg.norm(template([embedding(1, seed=seed + number) for number in range(WANTED)], 0.4)) == (
        pytest.approx(1)
    )


@pytest.mark.parametrize("order", ["AABB" * 4, "A" * 15 + "B", "A" * 8 + "B" * 8, "AB" * 8])
@pytest.mark.parametrize("pair", list(combinations(PEOPLE, 2)), ids="-".join)
def test_the_shipped_model_tells_two_people_in_one_enrolment(pair: tuple[str, str], order: str) -> None:
    one, other = (film(who) for who in pair)
    views = [(one if who == "A" else other)[number] for number, who in enumerate(order)]
    with pytest.raises(EnrolmentFailed, match="differ too much"):
        template(views, shipped())


@pytest.mark.parametrize("who", PEOPLE)
def test_the_shipped_model_enrols_somebody_who_sways(who: str) -> None:
    assert template(film(who), shipped()).shape == (models().embedder.dimensions,)


def test_the_limit_is_the_cards_for_single_pictures_and_for_templates_where_there_is_none() -> None:
    single = OperatingPoint("single", 1e-3, 0.43, 10**6, 2e-3)
    assert alike_views((PLAIN, single), PLAIN) == 0.43
    assert alike_views((PLAIN,), PLAIN) == 0.6


def test_every_shipped_model_of_eyes_has_such_a_point() -> None:
    folder = cards.folder(Path())
    for file in folder.glob("eyes-*.toml"):
        card = cards.read(ModelSettings(), file.stem)
        assert alike_views(card.operating_points, PLAIN) != PLAIN.threshold
