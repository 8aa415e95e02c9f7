# SPDX-License-Identifier: Apache-2.0
"""The strip lies where the training data has it, and the network's input is what the recipe trains on."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_gate.eye.face.align import STRIP_EYES, cut_strip, inside, interocular_px, network_input, placing
from edge_gate.eye.face.geometry import Similarity
from edge_gate.eye.face.mesh import TEMPLATE
from edge_gate.eye.pipeline import acquire
from tests.support.eye_scenes import LIMITS, frame, models, sitter

EYES = np.array([[eye.real, eye.imag] for eye in STRIP_EYES])
RECIPE = Path(__file__).parents[2] / "models" / "recipe"


def recipe_namespace(file: str, wanted: set[str], **known: Any) -> dict[str, Any]:
    """Run only the named assignments and functions of a recipe's module, which as a whole needs torch."""
    body: list[ast.stmt] = []
    for node in ast.parse((RECIPE / file).read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        names = {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
        if names & wanted:
            body.append(node)
        elif isinstance(node, ast.FunctionDef) and node.name in wanted:
            node.returns = None
            for argument in node.args.args:
                argument.annotation = None
            body.append(node)
    space: dict[str, Any] = {"cv2": cv2, "np": np, **known}
    exec(compile(ast.Module(body, []), file, "exec"), space)
    return space


def test_the_network_sees_bit_for_bit_what_the_recipe_trains_on() -> None:
    sizes = recipe_namespace("sface.py", {"HEIGHT", "WIDTH"})
    recipe = recipe_namespace(
        "weather.py",
        {"ENLARGED", "FIRST_ROW", "INPUT_TO_STRIP", "cut"},
        HEIGHT=sizes["HEIGHT"],
        WIDTH=sizes["WIDTH"],
    )
    strip = np.random.default_rng(1).integers(0, 256, (72, 160, 3), np.uint8)
    assert np.array_equal(network_input(strip), recipe["cut"](strip))


def test_the_template_lies_in_the_strip_as_the_data_say() -> None:
    k = 48 / 35.2446
    expected = np.column_stack((80 + (TEMPLATE[:, 0] - 56) * k, 46 + (TEMPLATE[:, 1] - 51.6) * k))
    assert np.allclose(placing(TEMPLATE)(TEMPLATE), expected, atol=0.01)
    assert np.allclose(placing(TEMPLATE)(TEMPLATE)[:2], EYES, atol=0.2)


@pytest.mark.parametrize("masked", [False, True])
def test_the_eyes_of_people_lie_at_their_places_in_the_strip(masked: bool) -> None:
    found = []
    for who in ("P001", "P005", "P008", "P002", "P007"):
        seen = acquire(models(), frame(sitter(who, masked=masked), 60, turned=0.1), LIMITS)
        assert seen is not None
        # The frame was made with the middle of the eyes at (320, 220), 60 pixels apart, turned by 0.1.
        middle, half = np.array([320, 220]), 30 * np.array([np.cos(0.1), np.sin(0.1)])
        found.append(placing(seen.mesh.five)(np.stack((middle - half, middle + half))))
    assert np.abs(np.mean(found, axis=0) - EYES).max() < (3 if masked else 2)
    assert np.abs(np.array(found) - EYES).max() < 4


def test_a_painted_mask_moves_the_strip_only_slightly() -> None:
    for who in ("P001", "P005", "P008"):
        plain, masked = (acquire(models(), frame(sitter(who, masked=mask), 60), LIMITS) for mask in (False, True))
        assert plain is not None and masked is not None
        moved = placing(plain.mesh.five).inverse().then(placing(masked.mesh.five))(EYES)
        assert np.linalg.norm(moved - EYES, axis=1).max() < 4
        alike = models().embedder.embed_vector(plain.strip) @ models().embedder.embed_vector(masked.strip)
        assert alike > 0.85


def test_a_strip_keeps_the_camera_s_colours_blue_first() -> None:
    bgr = frame(sitter("P005"), 60, noise=0)
    seen = acquire(models(), bgr, LIMITS)
    assert seen is not None
    blue, green, red = seen.strip[30:62, 45:115].reshape(-1, 3).mean(0)
    assert blue < green < red, "skin is more red than blue"
    x, y = np.rint(placing(seen.mesh.five).inverse()(np.array([[80.0, 20.0]]))[0]).astype(int)
    forehead = bgr[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(0)
    assert np.abs(seen.strip[18:23, 78:83].reshape(-1, 3).mean(0) - forehead).max() < 6


def test_the_strip_s_size_says_how_far_the_eyes_are_apart() -> None:
    assert interocular_px(placing(TEMPLATE * 3)) == pytest.approx(3 * 35.2446, rel=1e-3)


def test_how_much_of_the_strip_lies_inside_is_an_area() -> None:
    middle = Similarity(1 + 0j, -200 - 100j)
    assert inside(middle, 640, 480) == pytest.approx(1)
    assert inside(middle, 280, 480) == pytest.approx(0.5, abs=0.02)
    assert inside(Similarity(1 + 0j, 4000 + 0j), 640, 480) == 0


def test_a_strip_beyond_the_picture_s_edge_is_grey_there() -> None:
    bgr = np.zeros((200, 200, 3), np.uint8)
    strip = cut_strip(bgr, Similarity(1 + 0j, 80 + 0j))
    assert (strip[:, :79] == 127).all() and (strip[:, 81:] == 0).all()
