# SPDX-License-Identifier: Apache-2.0
"""What the demo's camera sees when nobody is there: a paved path, a hedge, a house wall and a piece of sky.

Made of noise, out of focus as whatever is metres behind a face is; nobody is in it. One terminal has one view, so all
scenes share it.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.geometry import Picture

Layer = NDArray[np.float32]

WIDTH: Final = 640
HEIGHT: Final = 480
_HORIZON: Final = 236
_FOCAL_PX: Final = 550.0
_CAMERA_HEIGHT_M: Final = 1.5
_SLAB_M: Final = 0.6
_WALL_M: Final = 2.0  # how far left of the camera the wall runs
_WALL_END_PX: Final = 226
_DEFOCUS_PX: Final = 1.7


def backdrop(seed: int = 7) -> Picture:
    """Return the empty view, BGR uint8, 480 x 640 x 3."""
    draw = np.random.default_rng(seed)
    view = _sky()
    view = _over(view, _foliage(draw, 0.55, (70, 105, 92)), _hedge_line(draw, 120, 36))
    view = _over(view, _foliage(draw, 1.0, (38, 74, 56)), _hedge_line(draw, 176, 26))
    view = _over(view, _ground(draw), _ground_shape())
    view = _over(view, _wall(draw), _wall_shape())
    view *= 1 + 0.03 * _clouds(draw, 5)[..., None]
    return np.clip(cv2.GaussianBlur(view, (0, 0), _DEFOCUS_PX), 0, 255).astype(np.uint8)


def _over(below: Layer, above: Layer, shape: Layer) -> Layer:
    return np.asarray(below * (1 - shape[..., None]) + above * shape[..., None], np.float32)


def _grid() -> tuple[Layer, Layer]:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return x, y


def _clouds(draw: np.random.Generator, octaves: int, first: int = 3) -> Layer:
    """Return fractal noise, about -1 to 1: each octave twice as fine and 0.6 as strong as the one before."""
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for octave in range(octaves):
        cells = draw.normal(0, 1, (first * 2**octave, 4 * first * 2**octave // 3)).astype(np.float32)
        total += 0.66**octave * cv2.resize(cells, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(total / 2, np.float32)


def _sky() -> Layer:
    y = _grid()[1][..., None] / HEIGHT
    return np.asarray(np.array((236, 226, 214)) - y * np.array((26, 16, 4)), np.float32)


def _foliage(draw: np.random.Generator, contrast: float, bgr: tuple[int, int, int]) -> Layer:
    leaves = _clouds(draw, 7, 6)
    clumps = _clouds(draw, 3, 4)
    light = 1 + contrast * (0.42 * leaves + 0.24 * clumps)
    warm = np.stack([0.9 - 0.12 * clumps, np.ones_like(clumps), 1 + 0.14 * leaves], axis=2)
    return np.asarray(np.clip(light, 0.15, 2.4)[..., None] * warm * np.array(bgr), np.float32)


def _hedge_line(draw: np.random.Generator, top: int, rough: int) -> Layer:
    x, y = _grid()
    coarse = cv2.resize(draw.normal(0, 1, (1, 9)).astype(np.float32), (WIDTH, 1), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(draw.normal(0, 1, (1, 60)).astype(np.float32), (WIDTH, 1), interpolation=cv2.INTER_CUBIC)
    edge = top + rough * coarse + 0.22 * rough * fine + 8 * _clouds(draw, 6, 8)
    return np.asarray(np.clip((y - edge) / 2.5 + 0 * x, 0, 1), np.float32)


def _wall(draw: np.random.Generator) -> Layer:
    """A plastered wall along the left side, receding to the middle, with a plinth and the shade of a downpipe."""
    x, y = _grid()
    depth = _wall_depth(x)
    height = (_HORIZON - y) * depth / _FOCAL_PX + _CAMERA_HEIGHT_M
    light = 1 - 0.03 * depth + 0.05 * _clouds(draw, 7, 5)
    light *= np.where(height < 0.5, 0.68, 1.0)
    light *= 1 - 0.35 * np.exp(-(((depth - 4.6) / 0.06) ** 2)) - 0.18 * np.exp(-(((height - 2.05) / 0.04) ** 2))
    window = (np.abs(depth - 6.9) < 0.6) & (np.abs(height - 1.75) < 0.6)
    light = np.where(window, 0.42 + 0.1 * (height - 1.2), light)
    return np.asarray(light[..., None] * np.array((148, 168, 182)), np.float32)


def _wall_depth(x: Layer) -> Layer:
    return np.asarray(np.clip(_WALL_M * _FOCAL_PX / np.maximum(WIDTH / 2 - x, 24), 0, 12), np.float32)


def _wall_shape() -> Layer:
    x, y = _grid()
    foot = _HORIZON + _CAMERA_HEIGHT_M * _FOCAL_PX / _wall_depth(x)
    return np.asarray(np.clip((_WALL_END_PX - x) / 2, 0, 1) * np.clip((foot - y) / 2, 0, 1), np.float32)


def _ground(draw: np.random.Generator) -> Layer:
    """Concrete slabs on the plane below the camera, each a little different, with dark joints."""
    x, y = _grid()
    depth = _CAMERA_HEIGHT_M * _FOCAL_PX / np.maximum(y - _HORIZON, 2)
    across = (x - WIDTH / 2) * depth / _FOCAL_PX
    row = np.floor(depth / _SLAB_M)
    column = np.floor(across / _SLAB_M + 0.5 * (row % 2))
    tone = np.sin(row * 12.9898 + column * 78.233) * 43758.5453
    tone = tone - np.floor(tone)
    joint_px = 0.012 * _FOCAL_PX / depth
    near_row = np.abs(depth / _SLAB_M - np.round(depth / _SLAB_M)) * _SLAB_M
    near_column = np.abs(across / _SLAB_M + 0.5 * (row % 2) - np.round(across / _SLAB_M + 0.5 * (row % 2))) * _SLAB_M
    shade = 0.30 * np.exp(-(((across + _WALL_M) / 0.35) ** 2))  # where the wall stands
    joint = np.exp(-((np.minimum(near_row, near_column) / 0.014) ** 2)) * np.clip(joint_px, 0, 1)
    light = 0.86 + 0.14 * tone + 0.10 * _clouds(draw, 7, 6) - 0.38 * joint - shade + 0.02 * np.clip(depth, 0, 10)
    path = np.asarray(light[..., None] * np.array((136, 143, 148)), np.float32)
    grass = _foliage(draw, 0.35, (50, 98, 84))
    beside = np.clip((np.abs(across - 0.25) - 1.35) / 0.06, 0, 1) * (across > 0)
    return _over(path, grass, beside.astype(np.float32))


def _ground_shape() -> Layer:
    y = _grid()[1]
    return np.asarray(np.clip((y - _HORIZON - 16) / 3, 0, 1), np.float32)
