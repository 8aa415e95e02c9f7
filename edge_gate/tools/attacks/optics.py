# SPDX-License-Identifier: Apache-2.0
"""From a flat thing's light to the camera's picture of it: perspective, lens, Bayer filter, noise and tone.

Simulated. The lens is a Gaussian blur, which is wider than a pixel's aperture alone; the filter is BGGR, read out
bilinearly as small cameras do; the tone is a power of 2.2. What is finer than the sensor's pixels comes out coarse and
coloured, as moiré, without anybody drawing it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.tools.attacks.panel import Panel, size_px

Light = NDArray[np.float32]

TONE: Final = 2.2
# Finer than so many periods for each of the camera's pixels, a pattern is lost in the lens: under a thousandth of it
# comes through the blur of a CAMERA.
FINEST: Final = 2.0
_MARGIN_PX: Final = 4
_DARK: Final = 0.002  # the noise of reading out, as if it were light


@dataclass(frozen=True, slots=True)
class Camera:
    """``lens_px`` standard deviation of the lens' blur in pixels; ``noise`` that of the sensor in full light, by the
    number of photons; less light has less of it, but more for what it is."""

    lens_px: float = 0.4
    noise: float = 0.006


CAMERA: Final = Camera()


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """What the lens throws on the sensor: ``light`` linear, blue, green, red, full light is 1; ``opacity`` of the
    panel, 0 to 1; its ``corners``."""

    light: Light
    opacity: Light
    corners: Points


def to_light(picture: Picture) -> Light:
    """Return the light that a picture stands for, linear, 0 to 1."""
    table = ((np.arange(256) / 255) ** TONE).astype(np.float32)
    return np.asarray(table[picture], np.float32)


def project(flat: Light, opacity: Light, corners: Points, camera: Camera) -> Image:
    """Return the image of something flat whose corners are to be at ``corners``, on a canvas just around them."""
    width, height = size_px(corners)
    rows, columns = opacity.shape
    finer = max(columns / max(width, 1.0), rows / max(height, 1.0))
    blur = max(camera.lens_px * finer, 0.3)
    edge = int(np.ceil(3 * blur))
    padded = cv2.copyMakeBorder(flat, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    framed = cv2.copyMakeBorder(opacity, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=0)
    origin = np.floor(corners.min(axis=0)) - _MARGIN_PX
    size = np.ceil(corners.max(axis=0)).astype(int) + _MARGIN_PX - origin.astype(int)
    placed = np.asarray(corners - origin, np.float32)
    # Pixels are counted at their middles, corners at the outermost pixels' outer edges.
    ends = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)], np.float32) + edge - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform(ends, placed - np.float32(0.5))
    canvas = (int(size[0]), int(size[1]))
    light = cv2.warpPerspective(
        cv2.GaussianBlur(padded, (0, 0), blur), matrix, canvas, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    shape = cv2.warpPerspective(cv2.GaussianBlur(framed, (0, 0), blur), matrix, canvas, flags=cv2.INTER_LINEAR)
    return Image(np.asarray(light, np.float32), np.asarray(np.clip(shape, 0, 1), np.float32), placed)


def develop(image: Image, camera: Camera, rng: np.random.Generator) -> Panel:
    """Return what the camera makes of an image."""
    rows, columns = image.opacity.shape
    raw = np.empty((rows, columns), np.float32)
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        raw[row::2, column::2] = np.maximum(image.light[row::2, column::2, channel], 0)
    raw += camera.noise * np.sqrt(raw + _DARK) * rng.normal(0, 1, raw.shape).astype(np.float32)
    counts = np.asarray(np.clip(raw, 0, 1) * 65535, np.uint16)
    colour = cv2.cvtColor(counts, cv2.COLOR_BayerBGGR2BGR).astype(np.float32) / 65535
    toned = 255 * colour ** (1 / TONE) * image.opacity[..., None]
    bgra = np.dstack([toned, 255 * image.opacity])
    return Panel(np.asarray(bgra + 0.5, np.uint8), image.corners)
