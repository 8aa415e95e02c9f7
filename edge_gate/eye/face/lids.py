# SPDX-License-Identifier: Apache-2.0
"""Says how far the eyes are open, with MediaPipe's iris model (Ablavatski et al., "Real-time Pupil Tracking from
Monocular Video for Digital Puppetry", CVPR workshops 2020).

The face mesh cannot: on closed and on winking eyes it draws the same open contour (ratio 0.25 to 0.31 on the cast's
faces, open or closed). The iris model's contour follows the lids: 0.03 to 0.12 closed, 0.13 to 0.18 for the winking
eye, 0.24 and more open, smiles included.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from edge_gate.core.errors import ModelError
from edge_gate.eye.face.align import STRIP_EYES
from edge_gate.eye.face.geometry import Picture, Similarity, cut
from edge_gate.eye.runtime import TfliteModel

_SIDE_PX: Final = 64
_REGION_PX: Final = 52.0
_CONTOUR_POINTS: Final = 71
# The contour begins with the corners (0, 8); the lower lid between them is 1 to 7, the upper 9 to 15. The middle three
# of each, one above the other:
_CORNERS: Final = (0, 8)
_LOWER: Final = slice(3, 6)
_UPPER: Final = slice(11, 14)


class EyeLids:
    """The iris model, looking at each eye of a strip. Raises ModelError where the model is another."""

    def __init__(self, name: str, model: TfliteModel) -> None:
        sizes = [int(np.prod(each.shape)) for each in model.outputs]
        if model.input.shape != (1, _SIDE_PX, _SIDE_PX, 3) or 3 * _CONTOUR_POINTS not in sizes:
            raise ModelError(name, f"it takes {model.input.shape} and gives {sizes} numbers: not the iris model")
        self._model = model
        self._contour = sizes.index(3 * _CONTOUR_POINTS)

    def openness(self, strip: Picture) -> float:
        """Return the narrower eye's height by its width, of a strip (uint8, 72 x 160 x 3, BGR)."""
        right, left = STRIP_EYES
        return min(self._ratio(strip, right, mirrored=False), self._ratio(strip, left, mirrored=True))

    def _ratio(self, strip: Picture, middle: complex, mirrored: bool) -> float:
        scale = _SIDE_PX / _REGION_PX
        region = Similarity(complex(scale), (1 + 1j) * (_SIDE_PX / 2) - scale * middle)
        eye = cv2.cvtColor(cut(strip, region, _SIDE_PX, _SIDE_PX), cv2.COLOR_BGR2RGB)
        if mirrored:  # the model knows one eye; the other is its mirror image
            eye = eye[:, ::-1]
        found = self._model(np.multiply(eye, np.float32(1 / 255), dtype=np.float32)[None])
        contour = found[self._contour].reshape(_CONTOUR_POINTS, 3)[:, :2]
        outer, inner = contour[list(_CORNERS)]
        heights = np.linalg.norm(contour[_LOWER] - contour[_UPPER], axis=1)
        return float(heights.mean() / max(float(np.linalg.norm(outer - inner)), 1.0))
