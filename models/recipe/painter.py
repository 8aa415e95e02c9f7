# SPDX-License-Identifier: Apache-2.0
"""Paint the face and compare it: a network paints the whole face from the eyes, SFace compares the painted faces.

Only here, to be measured: the product never paints anybody. The painter is a float TFLite or ONNX file that takes
(1, 48, 112, 3) float32, BGR pixel - 128 (edge_gate.eye.face.align.network_input), and gives (1, 112, 112, 3) float32,
BGR 0 to 255.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.align import INPUT_H, INPUT_W, network_input
from edge_gate.eye.runtime import TfliteModel
from edge_gate.tools.evaluation.data import Picture
from recipe.whole import SIDE, WholeFace

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def network(file: Path) -> Network:
    """Open the file, one thread."""
    if file.suffix == ".onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda value: session.run(None, {name: value})[0]
    model = TfliteModel(file.stem, file.read_bytes())
    return lambda value: model(value)[0]


class PaintedFace:
    """SFace's embedding of the face that is painted from a strip (72 x 160 x 3, BGR, uint8), a unit vector."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._network = network(file)
        self._compare = WholeFace()

    def paint(self, strip: Picture) -> Picture:
        """The painted face, 112 x 112 x 3, BGR, uint8."""
        taken = network_input(strip).astype(np.float32)[None] - 128
        assert taken.shape == (1, INPUT_H, INPUT_W, 3)
        given = self._network(taken)
        if given.shape != (1, SIDE, SIDE, 3):
            raise SystemExit(f"{self._file} gives {given.shape}, not a face of (1, {SIDE}, {SIDE}, 3)")
        return np.clip(np.rint(given[0]), 0, 255).astype(np.uint8)

    def __call__(self, strip: Picture) -> NDArray[np.float32]:
        return self._compare(self.paint(strip))
