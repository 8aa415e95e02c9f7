# SPDX-License-Identifier: Apache-2.0
"""Finds faces with YuNet (Wu et al., Machine Intelligence Research 20, 2023; opencv_zoo 2023mar, int8).

It looks at a reduced copy of a bounded number of pixels, so a large picture costs no more than a small one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from edge_gate.core.errors import ModelError
from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.eye.quiet_stderr import quiet_stderr

WATCH_PIXELS: Final = 320 * 240
GLANCE_PIXELS: Final = 160 * 120
_MIN_SCORE: Final = 0.7
_OVERLAP: Final = 0.3
_CANDIDATES: Final = 64
_LARGEST_SIDE_PX: Final = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in picture coordinates. ``five`` (5 x 2): eye, eye, nose tip, mouth corner, mouth corner, each pair from
    left to right as seen in the picture; ``size_px`` the side of a square as large as its box."""

    five: Points
    size_px: float
    score: float


class Detector:
    """YuNet, from the bytes of its ONNX file. Raises ModelError where OpenCV cannot read them."""

    def __init__(self, name: str, content: bytes) -> None:
        try:
            with quiet_stderr():
                self._net = cv2.FaceDetectorYN.create(
                    "onnx", np.frombuffer(content, np.uint8), np.empty(0, np.uint8), (320, 240), _MIN_SCORE, _OVERLAP,
                    _CANDIDATES,
                )  # fmt: skip
        except cv2.error as error:
            raise ModelError(name, f"OpenCV refuses it ({error})") from error
        self._size = (320, 240)

    def find(self, picture: Picture, pixels: int = WATCH_PIXELS) -> list[Face]:
        """Return the faces in a BGR picture, the largest first, looking at about ``pixels`` pixels of it.

        A face is found down to about a thirtieth of the reduced picture's width.
        """
        rows, columns = picture.shape[:2]
        scale = min(1.0, (pixels / (rows * columns)) ** 0.5)
        size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
        if size != (columns, rows):
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        if size != self._size:
            self._net.setInputSize(size)
            self._size = size
        found = self._net.detect(picture)[1]
        if found is None:
            return []
        ratio = np.array([columns / size[0], rows / size[1]], np.float32)
        return sorted((_face(row, ratio) for row in found), key=lambda face: face.size_px, reverse=True)


def _face(row: Points, ratio: Points) -> Face:
    five = (row[4:14].reshape(5, 2) + 0.5) * ratio - 0.5
    return Face(five.astype(np.float32), float(np.sqrt(max(0.0, np.prod(row[2:4] * ratio)))), float(row[14]))
