# SPDX-License-Identifier: Apache-2.0
"""The evaluation report of models/recipe: its own arithmetic, which needs no data, no torch and no peer network."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_gate.eye.face.align import network_input, placing
from edge_gate.eye.face.mesh import TEMPLATE
from edge_gate.tools.evaluation import protocol
from edge_gate.tools.evaluation.protocol import Embedded

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of the recipe, which is no part of the product and is not installed."""
    monkeypatch.syspath_prepend(str(MODELS))
    return lambda name: import_module(f"recipe.{name}")


def test_dlib_s_points_on_a_strip_come_to_lie_where_its_chip_has_them(recipe: Any) -> None:
    dlib_eyes = recipe("dlib_eyes")
    on_strip = placing(TEMPLATE)(dlib_eyes.TEMPLATE)
    off = np.hypot(*(dlib_eyes.to_chip()(on_strip) - dlib_eyes.CHIP).T)
    assert off.max() < 1.5  # of 150: five points leave a rest, as no two networks put them in quite the same places
    assert off.mean() < 1.0
    # dlib's own face chips, padding 0.25, of a face with a dot at each point have the dots here, to a pixel.
    seen = np.array([[110.7, 45.5], [89.3, 47.3], [37.1, 45.5], [58.5, 47.3], [73.9, 86.8]])
    assert np.hypot(*(dlib_eyes.CHIP - seen).T).max() < 1.2


def test_a_dot_on_the_strip_is_a_dot_in_dlib_s_chip_and_red_stays_red(recipe: Any) -> None:
    dlib_eyes = recipe("dlib_eyes")
    strip = np.zeros((72, 160, 3), np.uint8)
    strip[44:49, 102:107, 2] = 255  # BGR: red, about (104, 46), the eye of an average face
    red = dlib_eyes.chip(strip)[40:60, 80:120, 0].astype(float)
    y, x = np.argwhere(red > 127).mean(0) + np.array([40, 80])
    # Between the corners of that eye, (110.96, 46.35) and (89.61, 47.90) in dlib's chip.
    assert abs(x - 100.28) < 2 and abs(y - 47.12) < 3
    assert not dlib_eyes.chip(strip)[40:60, 80:120, 2].any()


def test_dlib_sees_the_pixels_that_the_shipped_model_sees_and_no_others(recipe: Any) -> None:
    rows, columns = recipe("dlib_eyes").SEEN

    def matters(place: tuple[slice | int, ...]) -> bool:
        strip = np.zeros((72, 160, 3), np.uint8)
        strip[place] = 255
        return bool((network_input(strip) != network_input(np.zeros_like(strip))).any())

    assert [y for y in range(72) if matters((y,))] == list(range(72))[rows]
    assert [x for x in range(160) if matters((slice(None), x))] == list(range(160))[columns]


def test_the_chip_is_grey_where_the_strip_has_no_pixels(recipe: Any) -> None:
    chip = recipe("dlib_eyes").chip(np.full((72, 160, 3), 255, np.uint8))
    assert chip.shape == (150, 150, 3)
    assert (chip[80:] == 127).all()
    assert (chip[46, 20:130] == 255).all()


def test_vectors_of_any_length_are_ranked_by_their_distance(recipe: Any) -> None:
    trials = recipe("trials")
    vectors = np.random.default_rng(1).normal(0, 1, (40, 128)).astype(np.float32)
    vectors *= np.linspace(0.5, 2, 40, dtype=np.float32)[:, None]
    sides = trials.nearness(vectors, np.arange(40, dtype=np.int32))
    every = np.arange(40)
    distance = np.linalg.norm(vectors[:, None].astype(np.float64) - vectors[None], axis=2)
    assert np.allclose(sides.score(every, every), -(distance**2), atol=1e-3)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    once = np.triu_indices(40, 1)
    ranked = [np.argsort(scores[once]) for scores in (sides.score(every, every), -distance, unit @ unit.T)]
    assert np.array_equal(ranked[0], ranked[1])
    assert not np.array_equal(ranked[0], ranked[2])


def test_the_report_s_pairs_are_those_of_the_product(recipe: Any) -> None:
    trials, rng = recipe("trials"), np.random.default_rng(2)
    vectors = rng.normal(0, 1, (30, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    subject = np.sort(rng.integers(0, 6, 30)).astype(np.int32)
    ours = trials._all_pairs("some", trials.cosine(vectors, subject)).comparisons
    product = protocol.all_pairs(Embedded(vectors, subject), 6)
    assert np.allclose(ours.genuine, product.genuine, atol=1e-6)
    assert np.allclose(ours.impostor, product.impostor, atol=1e-6)
    assert np.array_equal(ours.impostor_a, product.impostor_a)
    assert np.array_equal(ours.impostor_b, product.impostor_b)


def test_nobody_is_searched_for_with_the_picture_that_was_enrolled(recipe: Any) -> None:
    search, subject = recipe("search"), np.repeat(np.arange(12, dtype=np.int32), [3, 1, 2, 1, 4, 1, 1, 1, 2, 1, 1, 1])
    for seed in range(20):
        gallery, mated, others = search.draw(subject, 6, np.random.default_rng(seed))
        enrolled = set(subject[gallery].tolist())
        assert len(gallery) == len(enrolled) == 6
        assert enrolled >= {0, 2, 4, 8}  # all four of whom there are other pictures, and two more
        assert set(subject[mated].tolist()) == {0, 2, 4, 8}
        assert not enrolled & set(subject[others].tolist())
        assert sorted([*gallery, *mated, *others]) == list(range(len(subject)))
    with pytest.raises(ValueError, match="no stranger"):
        search.draw(subject, 12, np.random.default_rng(0))


def test_a_search_fails_where_another_is_found_or_nobody(recipe: Any) -> None:
    search = recipe("search")
    gallery = np.array([7, 8, 9], np.int32)
    mated = np.array([[0.9, 0.1, 0.2], [0.3, 0.5, 0.4], [0.2, 0.95, 0.9], [0.1, 0.2, 0.7]], np.float32)
    others = np.full((30, 3), 0.1, np.float32)
    others[[3, 9, 20, 27], [0, 1, 2, 0]] = [0.8, 0.65, 0.62, 0.6]
    found = search.searched(mated, others, np.array([7, 8, 9, 9], np.int32), gallery)
    (rates,) = [search.summary([(found, 3)])]
    # Three of thirty strangers may be found, so the threshold is above 0.6: that loses the second, at 0.5. The third
    # is taken for another person at any threshold.
    assert rates.fnir[1e-1] == [0.5]
    assert rates.fnir[1e-2] is None and rates.fnir[1e-3] is None  # thirty searches cannot show it
    assert (rates.n_people, rates.n_mated, rates.n_nonmated) == (3, 4, 30)


def test_people_who_are_told_apart_perfectly_are_always_found(recipe: Any) -> None:
    search, trials = recipe("search"), recipe("trials")
    subject = np.repeat(np.arange(60, dtype=np.int32), 3)
    sides = trials.cosine(np.eye(60, dtype=np.float32)[subject], subject)
    single, half = search.single_pictures(sides, 20), search.halves(sides, 20, 1, 2)
    assert single.fnir[1e-1] == half.fnir[1e-1] == [0.0] * search.SPLITS
    assert (single.n_people, single.n_mated, single.n_nonmated) == (20, 40, 120)
    assert (half.n_people, half.n_mated, half.n_nonmated) == (20, 20, 40)


def test_another_network_another_set_or_other_code_is_another_key(recipe: Any) -> None:
    key = recipe("cache").key
    keys = {
        key(parts, data)
        for parts in ((b"network", b"code"), (b"network2", b"code"), (b"network", b"code2"), (b"networkcode",), (b"",))
        for data in (b"set", b"another set")
    }
    assert len(keys) == 10
    assert key((b"ab", b"c"), b"d") != key((b"a", b"bc"), b"d")
    assert key((b"network", b"code"), b"set") == key((b"network", b"code"), b"set")


def test_embeddings_are_made_once_and_an_interrupted_run_keeps_none(recipe: Any, tmp_path: Path) -> None:
    kept = recipe("cache").kept

    def stopped() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path, "k", stopped)
    made = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(kept(tmp_path, "k", lambda: made), made)
    assert np.array_equal(kept(tmp_path, "k", stopped), made)
    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path, "another", stopped)
    with pytest.raises(KeyboardInterrupt):
        kept(None, "k", stopped)


def test_each_way_to_show_the_eyes_has_its_own_key(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = recipe("ways")
    weights, paint = tmp_path / "weights", tmp_path / "paint.tflite"
    weights.write_bytes(b"weights")
    paint.write_bytes(b"paint")
    monkeypatch.setattr(ways.whole, "packaged_sface", lambda: weights)
    monkeypatch.setattr(ways.dlib_eyes, "weights", lambda: weights)
    found = ways.others(paint)
    assert [way.name for way in found] == [ways.WEIGH, ways.EYES_ONLY, ways.PAINT, ways.DLIB]
    assert len({recipe("cache").key(way.parts, b"set") for way in found}) == 4
    assert ways.PAINT not in [way.name for way in ways.others(None)]
