# SPDX-License-Identifier: Apache-2.0
"""A flat thing that is held up to a camera: where its corners are, how it looks, and how it stands in front of a view.

Simulated: a pinhole camera without distortion. Colours are premultiplied by their opacity (Porter and Duff 1984).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin
from typing import Final

import cv2
import numpy as np

from edge_gate.eye.face.geometry import Picture, Points

_ROUND_PX: Final = 8  # of the view around a panel's own canvas: blur spreads it


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A panel as the camera sees it from one place.

    ``bgra`` uint8, rows x columns x 4, premultiplied; ``corners`` float32, 4 x 2, in its pixels: upper left, upper
    right, lower right, lower left. The canvas may be larger than the panel, for the hands that hold it.
    """

    bgra: Picture
    corners: Points

    def in_light(self, gain: float) -> Panel:
        """Return the panel in another light, which may be brighter."""
        lit = self.bgra * np.array([gain] * 3 + [1.0])
        return Panel(np.asarray(np.minimum(lit, self.bgra[..., 3:]), np.uint8), self.corners)


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a panel is: ``x`` and ``y`` of its middle in the view, pixels for each metre at its distance, and that
    distance in metres. ``yaw_deg`` brings its right side nearer, ``pitch_deg`` its upper side; ``roll_deg`` turns it
    clockwise, all as seen in the view."""

    x: float
    y: float
    px_per_m: float
    away_m: float
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0

    def corners(self, width_m: float, height_m: float) -> Points:
        """Return where the corners of a panel of this size are seen, float32, 4 x 2."""
        yaw, pitch, roll = radians(self.yaw_deg), radians(self.pitch_deg), radians(self.roll_deg)
        about_y = np.array([[cos(yaw), 0, sin(yaw)], [0, 1, 0], [-sin(yaw), 0, cos(yaw)]])
        about_x = np.array([[1, 0, 0], [0, cos(pitch), -sin(pitch)], [0, sin(pitch), cos(pitch)]])
        about_z = np.array([[cos(roll), -sin(roll), 0], [sin(roll), cos(roll), 0], [0, 0, 1]])
        flat = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)]) * (width_m / 2, height_m / 2, 1)
        turned = flat @ (about_z @ about_x @ about_y).T
        nearer = self.away_m / (self.away_m + turned[:, 2:])
        return np.asarray(turned[:, :2] * nearer * self.px_per_m + (self.x, self.y), np.float32)


def upright(width: float, height: float) -> Points:
    """Return the corners of a panel that fills so many pixels, straight before the camera."""
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)


def size_px(corners: Points) -> tuple[float, float]:
    """Return the width and the height in pixels, each the mean of two sides."""
    upper_left, upper_right, lower_right, lower_left = corners
    width = np.hypot(*(upper_right - upper_left)) + np.hypot(*(lower_right - lower_left))
    height = np.hypot(*(lower_left - upper_left)) + np.hypot(*(lower_right - upper_right))
    return float(width / 2), float(height / 2)


def lay(below: Picture, above: Picture) -> Picture:
    """Return ``above``, premultiplied blue, green, red, opacity, on ``below``, of three or four channels."""
    channels = below.shape[2]
    clear = cv2.merge([cv2.bitwise_not(above[..., 3])] * channels)
    return np.asarray(cv2.add(cv2.multiply(below, clear, scale=1 / 255), above[..., :channels]), np.uint8)


def hold(view: Picture, panel: Panel, corners: Points, smear_px: tuple[float, float] = (0.0, 0.0)) -> Picture:
    """Return the view, blue, green, red, with the panel in front of it, its corners at ``corners``.

    ``smear_px`` is how far the panel moves while the shutter is open. The panel hides what is behind it, but for where
    it is cut out. It may reach beyond the view, or fill it.
    """
    rows, columns = view.shape[:2]
    matrix = cv2.getPerspectiveTransform(panel.corners, np.asarray(corners, np.float32))
    height, width = panel.bgra.shape[:2]
    reach = cv2.perspectiveTransform(upright(width, height)[None], matrix)[0]
    left, top = np.maximum(np.floor(reach.min(axis=0)).astype(int) - _ROUND_PX, 0)
    right, bottom = np.minimum(np.ceil(reach.max(axis=0)).astype(int) + _ROUND_PX, (columns, rows))
    if left >= right or top >= bottom:
        return view
    shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], float)
    seen = cv2.warpPerspective(panel.bgra, shift @ matrix, (int(right - left), int(bottom - top)))
    kernel = (1 + round(smear_px[0]), 1 + round(smear_px[1]))
    if kernel != (1, 1):
        seen = cv2.blur(seen, kernel)
    frame = view.copy()
    frame[top:bottom, left:right] = lay(view[top:bottom, left:right], np.asarray(seen, np.uint8))
    return frame
