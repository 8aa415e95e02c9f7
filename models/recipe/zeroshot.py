# SPDX-License-Identifier: Apache-2.0
"""SFace as it is, shown nothing but the eyes: what anyone can have without training ("weigh the eyes").

The strip is put back at its place in SFace's 112 x 112 template, some rows of it are kept, and the rest is grey 127.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.mesh import TEMPLATE_INTEROCULAR_PX
from edge_gate.tools.evaluation.data import Picture
from recipe.whole import SIDE, WholeFace

GREY = 127
EYES, STRIP = slice(30, 66), slice(18, 66)  # template rows: the eyes; what the shipped model sees
ENLARGED = 48 / TEMPLATE_INTEROCULAR_PX
TEMPLATE_TO_STRIP = np.array([[ENLARGED, 0, 80 - 56 * ENLARGED], [0, ENLARGED, 46 - 51.6 * ENLARGED]])


def template_picture(strip: Picture, rows: slice) -> Picture:
    """A strip (72 x 160) as a 112 x 112 template picture of which only `rows` are not grey. BGR."""
    face = cv2.warpAffine(
        strip, TEMPLATE_TO_STRIP, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(GREY, GREY, GREY),
    )  # fmt: skip
    out = np.full((SIDE, SIDE, 3), GREY, np.uint8)
    out[rows] = face[rows]
    return out


class ZeroShot:
    """SFace's embedding of a strip (72 x 160 x 3, BGR, uint8) as a unit vector, by some template rows."""

    def __init__(self, rows: slice) -> None:
        self._rows = rows
        self._network = WholeFace()

    def __call__(self, strip: Picture) -> NDArray[np.float32]:
        return self._network(template_picture(strip, self._rows))
