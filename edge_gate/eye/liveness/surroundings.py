# SPDX-License-Identifier: Apache-2.0
"""Cuts a face with its surroundings out of a picture, as MiniFASNet wants it, and covers its lower half once.

The box is what a detector draws around a whole face. Here it follows from the mesh's points, which hold under a mask:
on 147 pictures of 9 people YuNet's box was, in the median, 0.97 as wide and 1.117 as high as theirs. It is enlarged
2.7 times, or as far as the picture allows, and moved inside the picture, like the network's makers do.

There is a second view, in which the lower half of the face is covered with one colour, mask or not. A mask on a
person, or a real one in front of a screen, says nothing there, whereas the network takes a sharp mask for a sign of
life otherwise. On the people of the training sets, untuned, the covered view took the AUC from 0.773 (0.746 with
painted masks) to 0.874 on crops_train; on nuaa_train it stayed at 0.999.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from edge_gate.eye.face.geometry import Picture, Points

SIDE_PX: Final = 80
ENLARGED: Final = 2.7
_WIDER: Final = 0.97
_HIGHER: Final = 1.117
_LEFT: Final = 0.02
_ABOVE: Final = 0.095

# Points of the mesh: along a mask's upper edge, from the person's right ear over the nose to the left one, and back
# along the jaw. The nose's tip and the line from the brows to the chin say which way is out and which is down.
_UPPER: Final = (234, 116, 117, 118, 197, 347, 346, 345, 454)
_LOWER: Final = (288, 365, 378, 400, 152, 176, 149, 136, 58)
_NOSE: Final = 4
_BROWS: Final = 168
_CHIN: Final = 152
_EYES: Final = ((33, 133), (362, 263))
# As far as masks stand off: the jaw's points go outwards and down, the ears' outwards.
_JAW_OUT: Final = 0.12
_EAR_OUT: Final = 0.08
_DOWN_INTEROCULAR: Final = 0.12
_CLOTH_BGR: Final = (170, 150, 120)
_SHIFT: Final = 3  # binary digits behind the point of a polygon's points

Box = tuple[float, float, float, float]


def face_box(points: Points) -> Box:
    """Return left, top, width and height of the face, in pixels, from its mesh (n x 2 or more)."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    width, height = (max(float(side), 1.0) for side in high - low)
    return float(low[0]) + _LEFT * width, float(low[1]) - _ABOVE * height, _WIDER * width, _HIGHER * height


def window(shape: tuple[int, ...], points: Points) -> Box:
    """Return left, top, width and height of what is cut out of a picture of this shape."""
    left, top, width, height = face_box(points)
    rows, columns = shape[:2]
    enlarged = min((rows - 1) / height, (columns - 1) / width, ENLARGED)
    wide, high = width * enlarged, height * enlarged
    x = min(max(left + (width - wide) / 2, 0.0), columns - 1 - wide)
    y = min(max(top + (height - high) / 2, 0.0), rows - 1 - high)
    return x, y, wide, high


def surroundings(picture: Picture, points: Points) -> Picture:
    """Return the part of the picture with face and surroundings, as many pixels as it has there."""
    x, y, wide, high = window(picture.shape, points)
    return picture[int(y) : int(y + high) + 1, int(x) : int(x + wide) + 1]


def cut_surroundings(picture: Picture, points: Points) -> Picture:
    """Return face and surroundings, uint8, 80 x 80 x 3, in the picture's colour order."""
    return _to_size(surroundings(picture, points))


def cut_covered(picture: Picture, points: Points) -> Picture:
    """Return the same with the lower half of the face covered. ``points``: the face's mesh, 468 x 2 or more."""
    part = surroundings(picture, points).copy()
    x, y, _, _ = window(picture.shape, points)
    outline = lower_half(points) - np.array([int(x), int(y)], np.float32)
    cv2.fillPoly(part, [np.round(outline * 2**_SHIFT).astype(np.int32)], _CLOTH_BGR, cv2.LINE_8, _SHIFT)
    return _to_size(part)


def lower_half(points: Points) -> Points:
    """Return the outline of what a mask covers, n x 2, in the picture's pixels."""
    flat = points[:, :2].astype(np.float32)
    right, left = (flat[list(corners)].mean(0) for corners in _EYES)
    down = flat[_CHIN] - flat[_BROWS]
    down = down / max(float(np.linalg.norm(down)), 1e-6)
    upper, lower = flat[list(_UPPER)], flat[list(_LOWER)]
    lower = lower + (lower - flat[_NOSE]) * _JAW_OUT + down * _DOWN_INTEROCULAR * np.linalg.norm(right - left)
    upper[[0, -1]] += (upper[[0, -1]] - flat[_NOSE]) * _EAR_OUT
    return np.vstack([upper, lower]).astype(np.float32)


def _to_size(part: Picture) -> Picture:
    return np.asarray(cv2.resize(part, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR), np.uint8)
