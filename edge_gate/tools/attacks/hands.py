# SPDX-License-Identifier: Apache-2.0
"""The hands and forearms that hold a panel, as simple rounded shapes.

Simulated, and only roughly: they are there because a hand is what stands beside a picture that is held up, not to
look like one from near.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import cv2
import numpy as np

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.tools.attacks.panel import Panel, lay, size_px

Colour = tuple[float, float, float]

_ROUNDS: Final = 16  # of light on a limb, from its dark rim to its bright middle
_BESIDE_M: Final = 0.09
_BELOW_M: Final = 0.42
_MOST_BELOW_PX: Final = 520  # more is in no view


class Grip(StrEnum):
    """How a panel is held."""

    BOTH = "both"  # a hand at each side, thumbs in front
    ONE = "one"  # in one hand: fingers round the left side, the thumb along the right


@dataclass(frozen=True, slots=True)
class Limb:
    """A rounded stroke: from ``start`` to ``end``, metres right of and below the middle of the panel's lower side, with
    ``radius`` in metres."""

    start: tuple[float, float]
    end: tuple[float, float]
    radius: float


def held(panel: Panel, width_m: float, grip: Grip, skin: Colour) -> Panel:
    """Return the panel, ``width_m`` wide, with hands and bare forearms of this colour, on a canvas large enough."""
    width, height = size_px(panel.corners)
    px_per_m = width / width_m
    beside, below = round(_BESIDE_M * px_per_m), min(round(_BELOW_M * px_per_m), _MOST_BELOW_PX)
    canvas = cv2.copyMakeBorder(panel.bgra, 0, below, beside, beside, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    corners = panel.corners + np.array([beside, 0], np.float32)
    behind, before = (_both if grip is Grip.BOTH else _one)(width_m / 2, height / px_per_m)
    whole = lay(_drawn(canvas.shape, behind, corners, px_per_m, skin), np.asarray(canvas, np.uint8))
    return Panel(lay(whole, _drawn(canvas.shape, before, corners, px_per_m, skin)), corners)


def _both(half: float, tall: float) -> tuple[list[Limb], list[Limb]]:
    up = -0.24 * tall
    behind, before = [], []
    for side in (-1.0, 1.0):
        edge = side * half
        behind.append(Limb((edge + side * 0.016, up + 0.07), (edge + side * 0.050, 0.37), 0.030))
        behind.append(Limb((edge + side * 0.006, up + 0.045), (edge + side * 0.014, up + 0.085), 0.030))
        behind += [
            Limb((edge - side * 0.03, up + k * 0.018), (edge + side * (0.012 - 0.003 * k), up + k * 0.020), 0.0092)
            for k in range(4)
        ]
        before.append(Limb((edge + side * 0.012, up + 0.060), (edge - side * 0.018, up + 0.024), 0.0098))
    return behind, before


def _one(half: float, tall: float) -> tuple[list[Limb], list[Limb]]:
    up = -0.34 * tall
    behind = [
        Limb((0.02, 0.06), (0.055, 0.37), 0.030),
        Limb((half - 0.010, up + 0.035), (0.016, 0.055), 0.032),
    ]
    before = [
        Limb((-half - 0.005, up + k * 0.0175), (-half + 0.003 - 0.001 * k, up + k * 0.0175 - 0.002), 0.0082)
        for k in range(4)
    ]
    before.append(Limb((half + 0.010, up + 0.050), (half + 0.001, up - 0.006), 0.0098))
    return behind, before


def _drawn(shape: Sequence[int], limbs: Sequence[Limb], corners: Points, px_per_m: float, skin: Colour) -> Picture:
    """Return the limbs alone, premultiplied, blurred as little as a lens does."""
    layer = np.zeros((shape[0], shape[1], 4), np.uint8)
    across = (corners[2] - corners[3]) / np.hypot(*(corners[2] - corners[3])) * px_per_m
    down = np.array([-across[1], across[0]])
    middle = (corners[2] + corners[3]) / 2
    for limb in limbs:
        for k in range(_ROUNDS):
            inward = k / _ROUNDS
            aside = -0.3 * inward * limb.radius * (across + down) / np.sqrt(2)  # the light comes from the upper left
            ends = [middle + aside + right * across + below * down for right, below in (limb.start, limb.end)]
            start, end = ((round(16 * float(x)), round(16 * float(y))) for x, y in ends)
            bright = 0.58 + 0.46 * np.sqrt(1 - (1 - inward) ** 2)
            colour = (*(min(255.0, bright * part) for part in skin), 255.0)
            thick = max(1, round(2 * limb.radius * px_per_m * (1 - 0.85 * inward)))
            cv2.line(layer, start, end, colour, thick, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), 0.7), np.uint8)
