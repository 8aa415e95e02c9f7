# SPDX-License-Identifier: Apache-2.0
"""Fits the 468-point face mesh (Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile
GPUs", CVPR workshops 2019), which holds under a mask.

The network sees a square cut around the face, turned so that the eyes are level, as RGB from 0 to 1, and says where in
that square the points are. The square that was measured to align best is 1.5 x the box of the points themselves, so a
fit is refined with the square of the fit before; when following a face, that is the last picture's.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.core.errors import ModelError
from edge_gate.eye.face.geometry import Picture, Points, Similarity, cut, fit
from edge_gate.eye.runtime import TfliteModel

POINTS: Final = 468
REFINEMENTS: Final = 2
# The usual template of five points in a face of 112 x 112 pixels, and the distance between its eyes.
TEMPLATE: Final[Points] = np.array(
    [[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]], np.float32
)
TEMPLATE_INTEROCULAR_PX: Final = 35.2446
_SIDE_PX: Final = 192
_REGION_PER_BOX: Final = 1.5
_FIRST_REGION_PER_INTEROCULAR: Final = 4.0
_FIRST_REGION_CENTRE: Final[Points] = np.array([[56.0, 68.0]], np.float32)
_EYE_CORNERS: Final = ((33, 133), (362, 263))
_NOSE_AND_MOUTH: Final = (4, 61, 291)


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """``points`` (468 x 3, float32): x and y in picture pixels, z in the same unit, smaller nearer to the camera;
    ``presence`` 0 to 1, the network's own belief that this is a face."""

    points: Points
    presence: float

    @property
    def five(self) -> Points:
        """The points of TEMPLATE, 5 x 2: midpoints of the eyes' corners, nose tip, mouth corners."""
        flat = self.points[:, :2]
        eyes = [(flat[outer] + flat[inner]) / 2 for outer, inner in _EYE_CORNERS]
        return np.array([*eyes, *flat[list(_NOSE_AND_MOUTH)]], np.float32)

    @property
    def roll(self) -> float:
        """How far the line through the eyes is turned from level, radians, clockwise as seen on a screen."""
        right, left = self.five[:2]
        return float(np.arctan2(left[1] - right[1], left[0] - right[0]))


class FaceMesh:
    """The mesh's network. Raises ModelError where the model is another."""

    def __init__(self, name: str, model: TfliteModel) -> None:
        sizes = [int(np.prod(each.shape)) for each in model.outputs]
        if model.input.shape != (1, _SIDE_PX, _SIDE_PX, 3) or sorted(sizes) != [1, 3 * POINTS]:
            raise ModelError(name, f"it takes {model.input.shape} and gives {sizes} numbers: not the 468-point mesh")
        self._model = model
        self._points, self._presence = sizes.index(3 * POINTS), sizes.index(1)

    def acquire(self, picture: Picture, five: Points) -> Mesh:
        """Fit a face of which only a detector's five points are known, with two refinements."""
        mesh = self._fit(picture, _first_region(five))
        for _ in range(REFINEMENTS):
            mesh = self.follow(picture, mesh)
        return mesh

    def follow(self, picture: Picture, last: Mesh) -> Mesh:
        """Fit a face that was at ``last`` in this picture or in the one before."""
        return self._fit(picture, _region_of(last))

    def _fit(self, picture: Picture, region: Similarity) -> Mesh:
        crop = cv2.cvtColor(cut(picture, region, _SIDE_PX, _SIDE_PX), cv2.COLOR_BGR2RGB)
        found = self._model(np.multiply(crop, np.float32(1 / 255), dtype=np.float32)[None])
        points: NDArray[Any] = found[self._points].reshape(POINTS, 3)
        placed = np.column_stack((region.inverse()(points[:, :2]), points[:, 2] / region.scale)).astype(np.float32)
        return Mesh(placed, 1 / (1 + exp(-float(found[self._presence].item()))))


def _first_region(five: Points) -> Similarity:
    from_template = fit(five, TEMPLATE).inverse()
    side = _FIRST_REGION_PER_INTEROCULAR * TEMPLATE_INTEROCULAR_PX * from_template.scale
    return _square(complex(*from_template(_FIRST_REGION_CENTRE)[0].tolist()), side, from_template.angle)


def _region_of(mesh: Mesh) -> Similarity:
    turn = Similarity(complex(np.exp(-1j * mesh.roll)), 0j)
    upright = turn(mesh.points)
    low, high = upright.min(0), upright.max(0)
    centre = turn.inverse()(((low + high) / 2)[None])[0]
    return _square(complex(*centre.tolist()), _REGION_PER_BOX * float((high - low).max()), mesh.roll)


def _square(centre: complex, side: float, angle: float) -> Similarity:
    """Return the map that takes a square of the picture, turned by ``angle``, to the network's input."""
    turn = complex(_SIDE_PX / max(side, 1.0) * np.exp(-1j * angle))
    return Similarity(turn, (1 + 1j) * (_SIDE_PX / 2) - turn * centre)
