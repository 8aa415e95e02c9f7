# SPDX-License-Identifier: Apache-2.0
"""Marked pictures: a person who does not exist stands still, and a random pattern of several sizes lies over all of it.

The pattern is strong (nobody overlooks it), so that a copy that was reduced to a few dozen pixels still has it, and
random, so that nothing else is like it. Over the face it is weaker, so that the real pipeline goes on embedding it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.tools.bench.frames import portrait

Picture = NDArray[np.uint8]

WIDTH, HEIGHT = 640, 480
CELLS = ((40, 24.0), (16, 14.0), (6, 9.0))  # pixels, grey levels up and down
ON_THE_FACE = 0.35
FACE = ((320, 215), (105, 140))  # middle and half axes of the ellipse in which the pattern is weaker
NOISE = 3.0


@cache
def base() -> NDArray[np.float32]:
    """The marked picture without noise, float32, 480 x 640 x 3."""
    person = portrait()
    fit = HEIGHT / person.shape[0]
    small = cv2.resize(person, None, fx=fit, fy=fit, interpolation=cv2.INTER_AREA)
    place = np.array([[0.9, 0, WIDTH / 2 - 0.45 * small.shape[1]], [0, 0.9, 24.0]])
    seen = cv2.warpAffine(small, place, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    scene = np.asarray(seen, np.float32)
    weight: NDArray[Any] = np.ones((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(weight, FACE[0], FACE[1], 0, 0, 360, ON_THE_FACE, -1)
    weight = cv2.GaussianBlur(weight, (0, 0), 6)
    return np.asarray(scene * 0.8 + 25 + (pattern() * weight)[:, :, None], np.float32)


@cache
def pattern() -> NDArray[np.float32]:
    """The pattern alone, grey levels around 0, 480 x 640."""
    draw = np.random.default_rng(20_260_101)
    found: NDArray[Any] = np.zeros((HEIGHT, WIDTH), np.float32)
    for cell, strength in CELLS:
        signs = draw.choice([-strength, strength], (-(-HEIGHT // cell), -(-WIDTH // cell)))
        found = np.asarray(found + np.kron(signs, np.ones((cell, cell)))[:HEIGHT, :WIDTH], np.float32)
    return np.asarray(found, np.float32)


def frame(seed: int) -> Picture:
    """One marked picture with a sensor's noise, uint8, BGR."""
    return _noisy(base(), seed)


def elsewhere(seed: int) -> Picture:
    """What the camera shows afterwards: an empty street, nothing of the pattern in it."""
    rows = np.linspace(60, 180, HEIGHT, dtype=np.float32)[:, None, None]
    street = np.repeat(np.repeat(rows, WIDTH, axis=1), 3, axis=2)
    street[300:, 80:120] = 40
    street[100:360, 500:620] = (90, 120, 70)
    return _noisy(street, seed)


def _noisy(picture: NDArray[Any], seed: int) -> Picture:
    noise = np.random.default_rng(seed).normal(0, NOISE, picture.shape)
    return np.asarray((picture + noise).clip(0, 255), np.uint8)
