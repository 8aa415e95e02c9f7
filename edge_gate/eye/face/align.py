# SPDX-License-Identifier: Apache-2.0
"""Cuts the strip of eyes and brows out of a picture, and the network's input out of the strip.

The five mesh points give the similarity to the usual five-point template of a 112 x 112 face. A strip is that template
enlarged by k = 48 / 35.2446 about the point between its eyes: strip x = 80 + (x - 56) k, strip y = 46 + (y - 51.6) k.
The eyes of an average face so lie at (56, 46) and (104, 46) of 160 x 72 pixels, and the strip holds the template's rows
18 to 70. The network's input is the template's rows 18 to 66, all 112 columns, at the template's own scale; the recipe
that trains the model (models/recipe) resamples in exactly this way.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.geometry import OUTSIDE_GREY, Picture, Points, Similarity, cut, fit
from edge_gate.eye.face.mesh import TEMPLATE, TEMPLATE_INTEROCULAR_PX

STRIP_W: Final = 160
STRIP_H: Final = 72
INPUT_W: Final = 112
INPUT_H: Final = 48
INPUT_TOP: Final = 18
STRIP_EYES: Final = (56 + 46j, 104 + 46j)
STRIP_INTEROCULAR_PX: Final = 48.0
_ENLARGED: Final = STRIP_INTEROCULAR_PX / TEMPLATE_INTEROCULAR_PX
_TO_STRIP: Final = Similarity(complex(_ENLARGED), (80 - 56 * _ENLARGED) + 1j * (46 - 51.6 * _ENLARGED))
_INPUT_TO_STRIP: Final[NDArray[np.float64]] = np.array(
    [[_ENLARGED, 0, 80 - 56 * _ENLARGED], [0, _ENLARGED, 46 + (INPUT_TOP - 51.6) * _ENLARGED]], np.float64
)


def placing(five: Points) -> Similarity:
    """Return the map from picture to strip for a face's five points (5 x 2, in the template's order)."""
    return fit(five, TEMPLATE).then(_TO_STRIP)


def interocular_px(to_strip: Similarity) -> float:
    """Return how far apart the eyes are in the picture, in its pixels, by the size of the face: turning the head does
    not change it."""
    return STRIP_INTEROCULAR_PX / to_strip.scale


def inside(to_strip: Similarity, width: int, height: int) -> float:
    """Return how much of the network's input comes from inside a picture of ``width x height`` pixels, 0 to 1."""
    left, top = _INPUT_TO_STRIP[:, 2]
    right, bottom = left + INPUT_W * _ENLARGED, top + INPUT_H * _ENLARGED
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    wanted = to_strip.inverse()(corners)
    picture = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    common = cv2.intersectConvexConvex(wanted, picture)[0]
    return float(common) * to_strip.scale**2 / float((right - left) * (bottom - top))


def cut_strip(picture: Picture, to_strip: Similarity) -> Picture:
    """Return the strip, uint8, 72 x 160 x 3, in the picture's colour order; grey 127 outside the picture."""
    return cut(picture, to_strip, STRIP_W, STRIP_H)


def network_input(strip: Picture) -> Picture:
    """Return the network's input, uint8, 48 x 112 x 3, from a strip."""
    out = cv2.warpAffine(
        strip, _INPUT_TO_STRIP, (INPUT_W, INPUT_H), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(OUTSIDE_GREY, OUTSIDE_GREY, OUTSIDE_GREY),
    )  # fmt: skip
    return out.astype(np.uint8, copy=False)
