# SPDX-License-Identifier: Apache-2.0
"""Imitations of attacks: a picture as a camera sees it on a screen, or printed on paper.

A screen is a grid of red, green and blue lamps, seen at a slant through a lens and a Bayer filter. Light is linear
until the camera applies its gamma.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge_gate.eye.face.geometry import Picture
from recipe.liveness.camera import as_picture, jpeg

GAMMA = 2.2

Light = NDArray[np.floating[Any]]


def on_screen(bgr: Picture, rng: Generator) -> Picture:
    """The picture on a phone or monitor, in front of a camera."""
    rows, columns = bgr.shape[:2]
    lamps = _lamps(_displayed(bgr, rng), rng)
    seen = _through_lens(lamps, columns, rows, rng)
    if rng.random() < 0.4:
        seen = seen + _glare(columns, rows, rng)
    if rng.random() < 0.3:
        seen = seen * _bands(rows, rng)
    return _developed(_mosaic(np.clip(seen, 0, 1), rng))


def on_paper(bgr: Picture, rng: Generator) -> Picture:
    """The picture printed: less contrast and colour, a raster, light that falls on it unevenly, no fine detail."""
    rows, columns = bgr.shape[:2]
    y, x = np.mgrid[0:rows, 0:columns]
    ink: Light = bgr.astype(np.float32) / 255
    ink = ink * rng.uniform(0.6, 0.9) + rng.uniform(0.03, 0.14)
    grey = ink.mean(2, keepdims=True)
    ink = grey + (ink - grey) * rng.uniform(0.5, 1.1)
    ink = ink * np.array([rng.uniform(0.85, 1.05), 1, rng.uniform(0.95, 1.1)])
    if rng.random() < 0.6:
        fine, angle = rng.uniform(0.25, 0.9) * np.pi, rng.uniform(0, 3)
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        dots = 0.5 * np.sin(along * fine) * np.sin(across * fine)
        ink = ink * (1 + rng.uniform(0.02, 0.12) * dots)[..., None]
    angle = rng.uniform(0, 6)
    slope = (x * np.cos(angle) + y * np.sin(angle)) / columns * np.pi
    ink = ink * (1 + rng.uniform(0, 0.25) * np.cos(slope + rng.uniform(0, 6)))[..., None]
    soft = np.asarray(cv2.GaussianBlur(ink.astype(np.float32), (0, 0), rng.uniform(0.3, 1.6)), np.float32)
    return as_picture(soft * 255)


def _displayed(bgr: Picture, rng: Generator) -> Light:
    """The light of the display's pixels: its size, the film's compression, its tone, and a black that is not black."""
    rows, columns = bgr.shape[:2]
    wide = int(rng.uniform(160, 560))  # the display's pixels across the region
    size = wide, max(1, round(rows * wide / columns))
    way = cv2.INTER_AREA if wide < columns else cv2.INTER_CUBIC
    shown = np.asarray(cv2.resize(bgr, size, interpolation=way), np.uint8)
    if rng.random() < 0.6:
        shown = jpeg(shown, int(rng.uniform(35, 92)))
    light: Light = (shown.astype(np.float32) / 255) ** GAMMA
    light = light ** rng.uniform(0.85, 1.25) * rng.uniform(0.7, 1.2)
    light = light * np.array([rng.uniform(0.95, 1.25), 1, rng.uniform(0.8, 1.05)])
    return light + rng.uniform(0, 0.03) + (rng.uniform(0, 0.12) if rng.random() < 0.3 else 0)


def _lamps(light: Light, rng: Generator) -> Light:
    """Each pixel as three lamps beside each other with dark lines between, drawn on several samples."""
    rows, columns = light.shape[:2]
    samples = 3 if columns > 260 else 4 if columns > 200 else 6
    fill, third = rng.uniform(0.6, 0.95), samples / 3
    across = np.arange(columns * samples) % samples
    down = np.arange(rows * samples) % samples < max(1, fill * samples)
    stripes = [(across >= place * third) & (across < (place + fill) * third) for place in (2, 1, 0)]  # blue, green, red
    grid = (np.stack(stripes, -1)[None] & down[:, None, None]).astype(np.float32)
    grid /= max(float(grid.mean()), 1e-3)
    strength = rng.uniform(0.2, 1)
    large = cv2.resize(light, (columns * samples, rows * samples), interpolation=cv2.INTER_NEAREST)
    return np.asarray(large * (1 - strength + strength * grid))


def _through_lens(lamps: Light, columns: int, rows: int, rng: Generator) -> Light:
    """Turned and slanted a little, blurred by the lens, on the sensor's pixels."""
    high, wide = lamps.shape[:2]
    turn = np.vstack([cv2.getRotationMatrix2D((wide / 2, high / 2), rng.normal(0, 2.5), 1), [0, 0, 1]])
    near = rng.uniform(1.0, 1.12)
    slant = np.eye(3)
    slant[2, :2] = rng.normal(0, 0.06, 2) / (wide, high)
    blur = rng.uniform(0.25, 0.9) * wide / columns
    place = np.diag([columns * near / wide, rows * near / high, 1.0])
    place[:2, 2] = -(near - 1) / 2 * np.array([columns, rows])
    soft = cv2.GaussianBlur(lamps, (0, 0), max(0.3, blur))
    return np.asarray(
        cv2.warpPerspective(
            soft, place @ slant @ turn, (columns, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    )


def _glare(columns: int, rows: int, rng: Generator) -> Light:
    y, x = np.mgrid[0:rows, 0:columns]
    x0, y0, radius = rng.uniform(0, columns), rng.uniform(0, rows), rng.uniform(0.15, 0.8) * columns
    spot = rng.uniform(0.05, 0.5) * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * radius**2))
    return np.asarray(spot)[..., None]


def _bands(rows: int, rng: Generator) -> Light:
    """What the display's refresh leaves in an exposure that goes down row by row."""
    depth, count, start = rng.uniform(0.03, 0.2), rng.uniform(1, 5), rng.uniform(0, 6)
    return (1 + depth * np.sin(np.arange(rows) / rows * 2 * np.pi * count + start))[:, None, None]


def _mosaic(light: Light, rng: Generator) -> Light:
    """Noise, one colour for each pixel of the sensor, and what a camera makes of it."""
    noisy = light.astype(np.float32) + rng.normal(0, rng.uniform(0.002, 0.012), light.shape)
    raw = noisy[..., 1].copy()
    raw[0::2, 0::2], raw[1::2, 1::2] = noisy[0::2, 0::2, 0], noisy[1::2, 1::2, 2]
    whole = cv2.cvtColor((np.clip(raw, 0, 1) * 65535).astype(np.uint16), cv2.COLOR_BayerBGGR2BGR)
    return whole.astype(np.float32) / 65535


def _developed(light: Light) -> Picture:
    return as_picture(np.clip(light, 0, 1) ** (1 / GAMMA) * 255)
