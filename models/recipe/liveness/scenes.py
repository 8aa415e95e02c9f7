# SPDX-License-Identifier: Apache-2.0
"""Other surroundings for a face: the network's makers let it judge the scene more than the face."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.eye.liveness.surroundings import face_box
from recipe.liveness.camera import as_picture

Scene = NDArray[Any]  # a picture, of whole numbers or not

FRACTION_BITS = 3  # of a pixel, where OpenCV draws a polygon


def exchanged(bgr: Picture, points: Points, other: Picture, rng: Generator) -> Picture:
    """The head alone in another picture: what is around it then says nothing."""
    rows, columns = bgr.shape[:2]
    scene: Scene = np.asarray(cv2.resize(other, (columns, rows)))
    if rng.random() < 0.4:
        scene = np.asarray(cv2.GaussianBlur(scene, (0, 0), rng.uniform(1, 12)))
    left, top, width, height = face_box(points)
    head = np.zeros((rows, columns), np.float32)
    middle, half = (int(left + width / 2), int(top + height * 0.45)), (int(width * 0.72), int(height * 0.68))
    cv2.ellipse(head, middle, half, 0, 0, 360, 1, -1)
    soft = np.asarray(cv2.GaussianBlur(head, (0, 0), max(1, 0.04 * width)), np.float32)
    return _over(bgr, soft, scene)


def held_up(bgr: Picture, points: Points, other: Picture, rng: Generator) -> Picture:
    """A panel with the face on it, in front of another picture, often with a dark frame."""
    rows, columns = bgr.shape[:2]
    scene: Scene = np.asarray(cv2.resize(other, (columns, rows)))
    left, top, width, height = face_box(points)
    x, y = left + width / 2, top + height / 2
    west, east = x - width * rng.uniform(0.6, 1.2), x + width * rng.uniform(0.6, 1.2)
    north, south = y - height * rng.uniform(0.6, 1.2), y + height * rng.uniform(0.6, 1.3)
    corners = np.array([[west, north], [east, north], [east, south], [west, south]]) + rng.normal(
        0, 0.03 * width, (4, 2)
    )
    panel = np.zeros((rows, columns), np.float32)
    cv2.fillPoly(panel, [np.round(corners * 2**FRACTION_BITS).astype(np.int32)], 1, cv2.LINE_AA, FRACTION_BITS)
    frame = rng.uniform(0, 0.08) * width
    if frame > 1:
        around = cv2.dilate(panel, np.ones((int(frame),) * 2))[..., None]
        scene = scene * (1 - around) + np.array(rng.uniform(5, 60, 3)) * around
    return _over(bgr, panel, scene)


def _over(bgr: Picture, cover: NDArray[np.float32], scene: Scene) -> Picture:
    return as_picture(bgr * cover[..., None] + scene * (1 - cover[..., None]))
