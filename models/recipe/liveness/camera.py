# SPDX-License-Identifier: Apache-2.0
"""What cameras do to pictures: resampling, blur, tone, noise, JPEG.

Done to live people and attacks alike. In the data sets live pictures have more detail than attacks; without this the
network would learn to tell sharp pictures from blurred ones.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge_gate.eye.face.geometry import Picture


def as_picture(values: NDArray[np.floating[Any]]) -> Picture:
    return np.asarray(np.clip(values, 0, 255), np.uint8)


def jpeg(bgr: Picture, quality: int) -> Picture:
    coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def taken(bgr: Picture, rng: Generator) -> Picture:
    """The picture as another camera might have taken it."""
    if rng.random() < 0.5:
        bgr = _coarser(bgr, rng.uniform(0.35, 1))
    if rng.random() < 0.3:
        bgr = np.asarray(cv2.GaussianBlur(bgr, (0, 0), rng.uniform(0.3, 1.5)), np.uint8)
    if rng.random() < 0.15:
        length = int(rng.integers(2, 7))
        bgr = np.asarray(cv2.blur(bgr, (length, 1) if rng.random() < 0.5 else (1, length)), np.uint8)
    if rng.random() < 0.6:
        bgr = _toned(bgr, rng)
    if rng.random() < 0.4:
        bgr = as_picture(bgr + rng.normal(0, rng.uniform(1, 7), bgr.shape))
    if rng.random() < 0.5:
        bgr = jpeg(bgr, int(rng.uniform(30, 95)))
    return bgr


def _coarser(bgr: Picture, scale: float) -> Picture:
    rows, columns = bgr.shape[:2]
    small = cv2.resize(bgr, (max(8, int(columns * scale)), max(8, int(rows * scale))), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR), np.uint8)


def _toned(bgr: Picture, rng: Generator) -> Picture:
    curved = (bgr / 255.0) ** np.exp(rng.normal(0, 0.25))
    return as_picture(curved * np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.06, 3)) * 255)
