# SPDX-License-Identifier: Apache-2.0
"""Paints a mask on a face in any picture, live or attack alike: what is masked is then measured on both sides.

Simulated: the demo's masks (edge_gate.tools.demo.mask), at the size at which they are drawn, laid where the face is.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from edge_gate.eye.face.align import interocular_px, placing
from edge_gate.eye.face.geometry import Picture
from edge_gate.eye.face.mesh import Mesh
from edge_gate.tools.demo.cutout import EYES_PX, Figure
from edge_gate.tools.demo.mask import STYLES, MaskStyle, put_on

_BESIDE: Final = 0.6  # of the picture around the mesh, in distances between the eyes
_PAINTED: Final = 2


def style(number: int) -> MaskStyle:
    """Return one of the masks; each number the same one each time."""
    return STYLES[number % len(STYLES)]


def masked(picture: Picture, mesh: Mesh, worn: MaskStyle) -> Picture:
    """Return a picture (BGR) with a mask on the face whose mesh is given in its pixels."""
    apart = interocular_px(placing(mesh.five))
    points, ends = mesh.points[:, :2], np.array(picture.shape[1::-1])
    low = np.clip(np.floor(points.min(0) - _BESIDE * apart).astype(int), 0, ends)
    high = np.clip(np.ceil(points.max(0) + _BESIDE * apart).astype(int), 0, ends)
    if (high - low).min() < 2:
        return picture
    part = picture[low[1] : high[1], low[0] : high[0]]
    drawn = np.maximum(np.rint((high - low) * EYES_PX / apart), 1).astype(int)
    whole = np.dstack([_resized(part, drawn), np.full(drawn[::-1], 255, np.uint8)])
    placed = ((points - low) * (drawn / (high - low))).astype(np.float32)
    worn_on = put_on(Figure(whole, placed, np.ones(drawn[::-1], np.float32)), worn).bgra[..., :3]
    painted = np.abs(worn_on.astype(np.int16) - whole[..., :3]).max(axis=2) > _PAINTED
    share = _resized(painted.astype(np.float32), high - low)[..., None]
    out = picture.copy()
    out[low[1] : high[1], low[0] : high[0]] = part * (1 - share) + _resized(worn_on, high - low) * share + 0.5
    return out


def _resized(layer: np.ndarray, size: np.ndarray) -> np.ndarray:
    smaller = size[0] < layer.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(layer, (int(size[0]), int(size[1])), interpolation=how))
