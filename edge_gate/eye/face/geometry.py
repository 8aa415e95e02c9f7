# SPDX-License-Identifier: Apache-2.0
"""Similarities of the plane, and cutting a turned and scaled rectangle out of a picture with one.

Coordinates are pixels with centres at whole numbers, x to the right, y down, as in OpenCV.
"""

from __future__ import annotations

import cmath
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]

OUTSIDE_GREY: Final = 127
# Past this many source pixels an output pixel, two-tap interpolation skips pixels, and fine texture turns into noise.
_ALIASING_PX: Final = 1.5
_MARGIN_PX: Final = 3
_LEAST_SCALE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Similarity:
    """Takes the point z = x + iy to ``turn * z + shift``: a turn, one scale for both axes, and a shift; no mirror."""

    turn: complex
    shift: complex

    def __call__(self, points: NDArray[np.floating[Any]]) -> Points:
        """Return where ``points`` (n x 2) go."""
        moved = (points[:, 0] + 1j * points[:, 1]) * self.turn + self.shift
        return np.column_stack((moved.real, moved.imag)).astype(np.float32)

    @property
    def scale(self) -> float:
        """How much longer lengths become."""
        return abs(self.turn)

    @property
    def angle(self) -> float:
        """How far directions turn, radians, clockwise as seen on a screen."""
        return cmath.phase(self.turn)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The same as a 3 x 3 matrix."""
        a, b, shift = self.turn.real, self.turn.imag, self.shift
        return np.array([[a, -b, shift.real], [b, a, shift.imag], [0, 0, 1]], np.float64)

    def inverse(self) -> Similarity:
        """Return the way back."""
        return Similarity(1 / self.turn, -self.shift / self.turn)

    def then(self, following: Similarity) -> Similarity:
        """Return this one followed by another."""
        return Similarity(following.turn * self.turn, following.turn * self.shift + following.shift)


def fit(source: NDArray[np.floating[Any]], target: NDArray[np.floating[Any]]) -> Similarity:
    """Return the similarity that takes ``source`` to ``target`` (both n x 2) with the least squared error.

    This is Umeyama's solution (PAMI 13(4), 1991) without mirroring; in the plane it is linear regression over the
    complex numbers. Points that all coincide leave the scale open; it is then very small but not 0, so there is
    always a way back.
    """
    z = source[:, 0].astype(np.float64) + 1j * source[:, 1]
    w = target[:, 0].astype(np.float64) + 1j * target[:, 1]
    z_mean, w_mean = complex(z.mean()), complex(w.mean())
    spread = float(np.sum(np.abs(z - z_mean) ** 2))
    turn = complex(np.sum(np.conj(z - z_mean) * (w - w_mean))) / spread if spread > 0 else 0j
    if abs(turn) < _LEAST_SCALE:
        turn = complex(_LEAST_SCALE)
    return Similarity(turn, w_mean - turn * z_mean)


def cut(picture: Picture, placing: Similarity, width: int, height: int) -> Picture:
    """Return the ``height x width`` rectangle that ``placing`` takes picture coordinates to; grey 127 outside.

    Where the picture is much finer than the output, it is first reduced by area averaging, so that detail that the
    output cannot hold does not come back as aliasing.
    """
    matrix = placing.matrix
    if placing.scale < 1 / _ALIASING_PX:
        picture, reducing = _reduce(picture, placing, width, height)
        matrix = matrix @ np.linalg.inv(reducing)
    out = cv2.warpAffine(
        picture, matrix[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
        borderValue=(OUTSIDE_GREY, OUTSIDE_GREY, OUTSIDE_GREY),
    )  # fmt: skip
    return out.astype(np.uint8, copy=False)


def _reduce(picture: Picture, placing: Similarity, width: int, height: int) -> tuple[Picture, NDArray[np.float64]]:
    """Return the part of the picture that is wanted at about the output's scale, and the map from picture to part."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    wanted = placing.inverse()(corners)
    margin = _MARGIN_PX / placing.scale
    sides = np.array(picture.shape[1::-1])
    low = np.clip(np.floor(wanted.min(0) - margin), 0, sides - 1).astype(int)  # at least one pixel stays
    high = np.clip(np.ceil(wanted.max(0) + margin), low + 1, sides).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]]
    small = cv2.resize(
        part,
        tuple(np.maximum(1, np.rint((high - low) * placing.scale)).astype(int).tolist()),
        interpolation=cv2.INTER_AREA,
    )
    x_scale, y_scale = np.array(small.shape[1::-1]) / (high - low)
    (x0, y0) = low
    reducing = np.array(
        [[x_scale, 0, (0.5 - x0) * x_scale - 0.5], [0, y_scale, (0.5 - y0) * y_scale - 0.5], [0, 0, 1]], np.float64
    )
    return small.astype(np.uint8, copy=False), reducing
