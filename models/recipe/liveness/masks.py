# SPDX-License-Identifier: Apache-2.0
"""Paints a mask of a random kind on a face in a picture, as the demo paints them on its cast.

Live people and attacks get them alike: otherwise the network would learn that a mask, or the paint, is one of the two.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.random import Generator

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.eye.face.mesh import Mesh
from edge_gate.tools.demo.cutout import EYES_PX, Figure
from edge_gate.tools.demo.faces import size_px
from edge_gate.tools.demo.mask import STYLES, MaskStyle, put_on

MARGIN = 0.6  # around the mesh, in distances between the eyes
CHANGED = 2  # grey levels; the rest of the picture keeps its own pixels


def random_style(rng: Generator) -> MaskStyle:
    style = STYLES[int(rng.integers(len(STYLES)))]
    near_its_own = rng.random() < 0.7
    bgr = [np.clip(c + rng.normal(0, 14), 5, 250) for c in style.bgr] if near_its_own else rng.uniform(15, 235, 3)
    blue, green, red = (round(float(c)) for c in bgr)
    drop, chin = style.drop + rng.normal(0, 0.06), style.chin + rng.normal(0, 0.05)
    return replace(style, bgr=(blue, green, red), drop=drop, chin=chin)


def paint(picture: Picture, mesh: Mesh, style: MaskStyle) -> Picture:
    """The picture with a mask on this face, drawn at the size that the demo draws at."""
    interocular = size_px(mesh.five)
    points: Points = mesh.points[:, :2]
    low = np.maximum(np.floor(points.min(0) - MARGIN * interocular).astype(int), 0)
    high = np.ceil(points.max(0) + MARGIN * interocular).astype(int)
    place = slice(low[1], high[1]), slice(low[0], high[0])
    part = picture[place]
    scale = EYES_PX / interocular
    larger, smaller = (cv2.INTER_LINEAR, cv2.INTER_AREA) if scale > 1 else (cv2.INTER_AREA, cv2.INTER_LINEAR)
    rows, columns = part.shape[:2]
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    sized = cv2.resize(part, size, interpolation=larger)
    on_it = ((points - low) * (np.array(size) / (columns, rows))).astype(np.float32)
    opaque = np.dstack([sized, np.full(sized.shape[:2], 255, np.uint8)])
    masked = put_on(Figure(opaque, on_it, np.ones(sized.shape[:2], np.float32)), style).bgra[..., :3].astype(np.float32)
    changed = (np.abs(masked - sized).max(2) > CHANGED).astype(np.float32)
    cover = cv2.resize(changed, (columns, rows), interpolation=smaller)[..., None]
    cloth = cv2.resize(masked, (columns, rows), interpolation=smaller)
    out = picture.copy()
    out[place] = np.clip(part * (1 - cover) + cloth * cover + 0.5, 0, 255).astype(np.uint8)
    return out
