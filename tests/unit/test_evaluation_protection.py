# SPDX-License-Identifier: Apache-2.0
"""The measurements of template protection: known answers, and attacks that must succeed where they can."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edge_gate.tools.evaluation.notebook import Notebook
from edge_gate.tools.evaluation.protection import attacks, report
from edge_gate.tools.evaluation.protection.measure import CHOSEN, STORED
from edge_gate.tools.evaluation.protection.transforms import (
    IndexOfMax,
    Method,
    MlpHash,
    Plain,
    PolyProtect,
    Rotation,
    Signs,
    Stored,
    Transform,
    methods,
)
from edge_gate.tools.evaluation.protection.unlinkability import d_sys, linked_by_neighbours, unlinkability

DOCS = Path(__file__).parents[2] / "docs" / "templates"
DRAW = np.random.default_rng(3)


def people(count: int, dimensions: int = 32, seed: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    vectors = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_d_sys_of_two_normal_distributions_is_what_the_integral_says() -> None:
    """Two unit normals three apart: the mean of max(0, (p - q) / (p + q)) under p, integrated finely, against samples.
    The sample's bins blur it, so a little is allowed."""
    x = np.linspace(-10, 13, 100_001)
    p, q = (np.exp(-((x - at) ** 2) / 2) / np.sqrt(2 * np.pi) for at in (3.0, 0.0))
    expected = float(np.where(p > q, (p - q) / (p + q) * p, 0).sum() * (x[1] - x[0]))
    found = d_sys(DRAW.normal(3, 1, 50_000), DRAW.normal(0, 1, 200_000))
    assert 0.5 < expected < 0.99
    assert found == pytest.approx(expected, abs=0.01)


def test_d_sys_is_one_for_scores_apart_and_near_zero_for_the_same_distribution() -> None:
    assert d_sys(DRAW.uniform(2, 3, 5_000), DRAW.uniform(0, 1, 5_000)) == pytest.approx(1)
    assert d_sys(DRAW.normal(size=40_000), DRAW.normal(size=160_000)) < 0.02
    assert d_sys(np.zeros(100), np.zeros(100)) == 0


def test_no_protection_is_wholly_linkable_and_a_rotation_is_not_linkable_by_scores() -> None:
    vectors, subject = people(400), np.arange(400, dtype=np.int32)
    by_name = {each.name: each for each in methods()}
    assert unlinkability(by_name["none (float16)"], vectors, subject).pooled > 0.99
    turned = unlinkability(by_name["rotation"], vectors, subject)
    assert turned.pooled < 0.05
    assert turned.noise < 0.05


def test_what_lies_on_the_device_links_nobody_neither_by_scores_nor_by_neighbours() -> None:
    """The control is the same codes unsealed, which the neighbours link."""
    vectors = people(300)
    subject = np.arange(300, dtype=np.int32)
    stored, opened = Method(STORED, Stored.of(512)), Method("opened", Signs.orthogonal(512))
    assert unlinkability(stored, vectors, subject).pooled < 0.05
    sealed, _ = linked_by_neighbours(stored, vectors, vectors, 100)
    bare, unknown = linked_by_neighbours(opened, vectors, vectors, 100)
    assert sealed <= 0.05 * unknown < 0.5 * unknown < bare


def test_neighbours_link_two_stores_of_different_keys_that_d_sys_calls_unlinkable() -> None:
    rotation = next(each for each in methods() if each.name == "rotation")
    here = people(200)
    right, unknown = linked_by_neighbours(rotation, here, here, known=40)
    assert unknown == 160
    assert right > 150


def test_the_attack_on_the_control_gives_the_whole_embedding_back() -> None:
    vectors = people(20, 128)
    rotation = Rotation.make(5, 128)
    habit = attacks.Habit.of(people(500, 128, seed=2))
    found = attacks.recover(rotation, attacks.stored(rotation, vectors), habit, 10.0)
    np.testing.assert_allclose(attacks.likeness(found, vectors), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("transform", "at_least"),
    [
        (Signs.orthogonal(512)(5, 32), 0.98),
        (IndexOfMax.of(128, 8)(5, 32), 0.95),
        (MlpHash.of(512)(5, 32), 0.6),
        (PolyProtect.of(4)(5, 32), 0.8),
    ],
    ids=["signs", "iom", "mlp", "polyprotect"],
)
def test_with_the_key_every_transform_gives_the_direction_away_and_with_another_none(
    transform: Transform, at_least: float
) -> None:
    vectors, habit = people(20), attacks.Habit.of(people(500, seed=2))
    template = attacks.stored(transform, vectors)
    sharpness = attacks.rehearsed(transform, people(20, seed=4), habit)
    found = attacks.recover(transform, template, habit, sharpness)
    assert np.median(attacks.likeness(found, vectors)) > at_least
    for guess in (Signs.orthogonal(512)(6, 32),) if isinstance(transform, Signs) else ():
        blind = attacks.recover(guess, template, habit, sharpness)
        assert abs(np.median(attacks.likeness(blind, vectors))) < 0.2


def test_a_polynomial_s_values_are_those_of_the_paper_s_formula() -> None:
    transform = PolyProtect(np.array([2, -3, 5], np.float32), np.array([2, 1, 3]), 1, 7)
    v = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]])
    first = 2 * 0.1**2 - 3 * 0.2 + 5 * 0.3**3
    second = 2 * 0.3**2 - 3 * 0.4 + 5 * 0.5**3
    np.testing.assert_allclose(transform.raw(v)[0, :2], [first, second])
    assert transform.size == 6


def test_every_transform_repeats_itself_and_depends_on_its_key() -> None:
    vectors = people(10)
    for method in methods():
        a, again, other = (method.make(key, 32).features(vectors) for key in (1, 1, 2))
        assert (a == again).all(), method.name
        if not isinstance(method.make(1, 32), Plain):
            assert not np.allclose(a, other), method.name


def test_an_interrupted_measurement_goes_on_where_it_stopped(tmp_path: Path) -> None:
    for figure in (1.5, 2.5):
        Notebook(tmp_path / "results.json").note("part", "one", partial(float, figure))
    assert json.loads((tmp_path / "results.json").read_text()) == {"part": {"one": 1.5}}


def test_the_report_is_what_the_results_give_and_the_choice_meets_the_demands() -> None:
    results = json.loads((DOCS / "results.json").read_text())
    assert (DOCS / "README.md").read_text() == report.render(results)
    assert results["unlinkability"][CHOSEN]["pooled"] <= 0.05
    assert results["unlinkability"][STORED]["pooled"] <= results["unlinkability"][STORED]["pair_worst"] <= 0.05
    assert all(v["worst"] <= 0.005 for k, v in results["accuracy"].items() if k.endswith(f"|{CHOSEN}"))
    assert results["speed"]["ms"]["bits 2048"]["p95"] <= 5
