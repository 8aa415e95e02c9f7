# SPDX-License-Identifier: Apache-2.0
"""A picture on a phone, a tablet or a monitor, as a camera sees it.

Simulated: a grid of lamps, red, green and blue side by side, each with a dark gap below; the display's own tone, white
and black; the glass with a lamp's reflection on it; the backlight's flicker against a rolling shutter; the frame
around it. Then the camera of `optics`. Left out: viewing angle, scratches and fingerprints, compression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.tools.attacks.optics import CAMERA, FINEST, TONE, Camera, Image, Light, develop, project, to_light
from edge_gate.tools.attacks.panel import Panel, size_px

_BEZEL_LIGHT: Final = 0.006


@dataclass(frozen=True, slots=True)
class Display:
    """``columns`` of lamps across; ``lit`` how much of a lamp's height shines, 2/3 to 1; ``tone`` its exponent;
    ``white`` its full blue, green and red as the camera takes them; ``black`` the light of what should be dark;
    ``glare`` the light of a reflection at its middle; ``bands`` how many dark bands the flicker makes over its height,
    ``depth`` how dark they are; ``bezel`` the frame's width at the sides and at top and bottom, and ``round_off`` the
    corners' radius, both in widths of the device."""

    columns: int
    lit: float = 0.85
    tone: float = 2.2
    white: tuple[float, float, float] = (1.0, 0.94, 0.90)
    black: float = 0.004
    glare: float = 0.0
    bands: float = 0.0
    depth: float = 0.0
    bezel: tuple[float, float] = (0.0, 0.0)
    round_off: float = 0.0


PHONE: Final = Display(720, bezel=(0.035, 0.07), round_off=0.10, glare=0.06, bands=2.5, depth=0.05, black=0.006)
TABLET: Final = Display(1200, bezel=(0.06, 0.06), round_off=0.04, glare=0.05, bands=2.0, depth=0.04, black=0.010)


def screen(
    picture: Picture, corners: Points, rng: np.random.Generator, display: Display, camera: Camera = CAMERA
) -> Panel:
    """Return a device with the picture, blue, green, red, stretched over its lamps, its corners at ``corners``.

    ``rng`` draws where the reflection lies, how the bands run, and the noise.
    """
    width, height = size_px(corners)
    side, end = display.bezel
    lit_w, lit_h = width * (1 - 2 * side), max(1.0, height - 2 * end * width)
    light = _shine(picture, display, lit_w, lit_h)
    scale = light.shape[1] / lit_w  # of the light's pixels for each of the camera's
    across, along = round(side * width * scale), round(end * width * scale)
    whole = cv2.copyMakeBorder(
        light, along, along, across, across, cv2.BORDER_CONSTANT, value=(_BEZEL_LIGHT, _BEZEL_LIGHT, _BEZEL_LIGHT)
    )
    glass = whole + _reflection(whole.shape[:2], display.glare, rng)[..., None]
    image = project(glass, _outline(whole.shape[:2], display.round_off), corners, camera)
    return develop(_flicker(image, display, rng), camera, rng)


def _shine(picture: Picture, display: Display, width: float, height: float) -> Light:
    """Return the light of the lamps, three samples for each where the camera could resolve something of them."""
    rows = max(1, round(display.columns * height / width))
    how = cv2.INTER_AREA if display.columns < picture.shape[1] else cv2.INTER_CUBIC
    shown = cv2.resize(picture, (display.columns, rows), interpolation=how)
    light = to_light(np.asarray(shown, np.uint8)) ** np.float32(display.tone / TONE)
    light = display.black + (1 - display.black) * light * np.array(display.white, np.float32)
    if display.columns > FINEST * width:
        few = (max(1, round(FINEST * width)), max(1, round(FINEST * height)))
        return np.asarray(cv2.resize(light, few, interpolation=cv2.INTER_AREA), np.float32)
    return _lamps(light, display.lit)


def _lamps(light: Light, lit: float) -> Light:
    """Return each pixel as three stripes, red, green, blue, with a gap below, as bright on the mean as before."""
    stripes = np.array([(0, 0, 1), (0, 1, 0), (1, 0, 0)], np.float32)  # of blue, green, red, from left to right
    rows = np.clip(3 * lit - np.arange(3), 0, 1).astype(np.float32)
    cell = rows[:, None, None] * stripes[None]
    cell /= cell.mean(axis=(0, 1))
    fine = cv2.resize(light, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    return np.asarray(fine * np.tile(cell, (light.shape[0], light.shape[1], 1)), np.float32)


def _reflection(shape: tuple[int, ...], strength: float, rng: np.random.Generator) -> Light:
    rows, columns = shape
    x, y, radius = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.2, 0.5)
    down = ((np.arange(rows, dtype=np.float32) - y * rows) / (radius * columns)) ** 2
    across = ((np.arange(columns, dtype=np.float32) - x * columns) / (radius * columns)) ** 2
    return np.asarray(strength * np.exp(-down)[:, None] * np.exp(-across)[None], np.float32)


def _outline(shape: tuple[int, ...], round_off: float) -> Light:
    rows, columns = shape
    radius = int(round_off * columns)
    outline = np.zeros((rows, columns), np.float32)
    cv2.rectangle(outline, (radius, 0), (columns - 1 - radius, rows - 1), 1.0, cv2.FILLED)
    cv2.rectangle(outline, (0, radius), (columns - 1, rows - 1 - radius), 1.0, cv2.FILLED)
    for x in (radius, columns - 1 - radius):
        for y in (radius, rows - 1 - radius):
            cv2.circle(outline, (x, y), radius, 1.0, cv2.FILLED)
    return outline


def _flicker(image: Image, display: Display, rng: np.random.Generator) -> Image:
    """Darken rows, which a rolling shutter takes one after the other: the camera's rows, however the device is held."""
    height = size_px(image.corners)[1]
    turns = display.bands * np.arange(image.opacity.shape[0]) / height + rng.uniform(0, 1)
    gain = 1 - display.depth * (0.5 + 0.5 * np.cos(2 * np.pi * turns))
    return Image(np.asarray(image.light * gain[:, None, None], np.float32), image.opacity, image.corners)
