# SPDX-License-Identifier: Apache-2.0
"""The light over the demo's street, and what a small camera makes of it: exposure, tint, fall-off and noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from edge_gate.eye.face.geometry import Picture
from edge_gate.tools.demo.backdrop import HEIGHT, WIDTH

ONE: Final = 100  # a field's value where the light leaves a pixel as it is
_NOISE_TILE: Final = (HEIGHT + 96, WIDTH + 96)
_NOISE_MIDDLE: Final = 128
_NOISE_SIGMA: Final = 16.0


@dataclass(frozen=True, slots=True)
class Light:
    """``gain`` of the whole view; ``tint`` of blue, green, red; ``side`` how much brighter the right edge is than the
    middle; ``on_person`` the gain of whoever stands there, less than 1 against the light; ``noise`` standard deviation
    in grey levels; ``exposure_s`` the shutter's time."""

    name: str
    gain: float
    tint: tuple[float, float, float]
    side: float
    on_person: float
    noise: float
    exposure_s: float

    def field(self) -> Picture:
        """Return what each pixel is multiplied by, in hundredths, uint8, 480 x 640 x 3."""
        y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
        fall_off = 1 - 0.10 * (x**2 + y**2)  # of a small lens towards its corners
        level = self.gain * fall_off * (1 + self.side * x)
        return np.asarray(np.clip(level[..., None] * np.array(self.tint) * ONE, 0, 255), np.uint8)


DAY: Final = Light("day", 1.00, (1.0, 1.0, 1.0), 0.08, 1.0, 2.5, 0.010)
MORNING: Final = Light("morning", 0.98, (0.86, 0.98, 1.10), 0.28, 1.0, 3.0, 0.012)
OVERCAST: Final = Light("overcast", 0.84, (1.06, 1.0, 0.95), -0.05, 0.96, 3.5, 0.016)
BACKLIT: Final = Light("backlit", 1.12, (0.96, 1.0, 1.04), -0.16, 0.66, 3.5, 0.010)
DUSK: Final = Light("dusk", 0.56, (1.18, 0.98, 0.86), -0.22, 1.05, 6.0, 0.020)
LAMP: Final = Light("lamp", 0.66, (0.72, 0.95, 1.18), -0.34, 1.12, 5.5, 0.020)


class Sensor:
    """The camera's noise: one tile of it, of which each frame takes another part."""

    def __init__(self, seed: int = 3) -> None:
        draw = np.random.default_rng(seed)
        grey = draw.normal(0, 0.8, (*_NOISE_TILE, 1))
        colour = cv2.GaussianBlur(draw.normal(0, 1.6, (*_NOISE_TILE, 3)).astype(np.float32), (0, 0), 1.0)
        tile = (grey + colour) * _NOISE_SIGMA + _NOISE_MIDDLE
        self._tile = np.clip(tile, 0, 255).astype(np.uint8)

    def add(self, frame: Picture, noise: float, number: int) -> Picture:
        """Return the frame with noise of this standard deviation; ``number`` chooses which."""
        mixed = (number * 2654435761) % (1 << 32)
        top, left = mixed % (_NOISE_TILE[0] - HEIGHT), (mixed >> 12) % (_NOISE_TILE[1] - WIDTH)
        part = self._tile[top : top + HEIGHT, left : left + WIDTH]
        strength = noise / _NOISE_SIGMA
        return np.asarray(cv2.addWeighted(frame, 1.0, part, strength, -strength * _NOISE_MIDDLE), np.uint8)
