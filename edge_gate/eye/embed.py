# SPDX-License-Identifier: Apache-2.0
"""Turns a strip into an embedding: int8 in, int8 out, of which only the direction means anything.

A model takes BGR pixels less 128, (1, 48, 112, 3), as int8 or float32, and gives at most 256 numbers.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_gate.core.errors import ModelError
from edge_gate.eye.face.align import INPUT_H, INPUT_W, network_input
from edge_gate.eye.face.geometry import Picture
from edge_gate.eye.runtime import TfliteModel
from edge_gate.wire.eye import MAX_DIMENSIONS

_MIDDLE: Final = 128
_INT8_TOP: Final = 127


class Embedder:
    """The eye-region model. ``model_id`` says which (edge_gate.provenance.cards). Raises ModelError where it does not
    fit."""

    def __init__(self, name: str, model: TfliteModel, model_id: bytes) -> None:
        self.model_id = model_id
        self._name = name
        self._model = model
        self._output = model.outputs[0]
        if model.input.shape != (1, INPUT_H, INPUT_W, 3) or len(model.outputs) != 1:
            raise ModelError(name, f"it takes {model.input.shape} and gives {len(model.outputs)} outputs")
        self.dimensions = int(np.prod(self._output.shape))
        if not 0 < self.dimensions <= MAX_DIMENSIONS:
            raise ModelError(name, f"it gives {self.dimensions} numbers, and a sighting has room for {MAX_DIMENSIONS}")
        self._levels = self._input_levels()

    def _input_levels(self) -> NDArray[np.int8] | NDArray[np.float32]:
        """Return what the network takes for each of the 256 pixel values."""
        pixels = np.arange(256) - _MIDDLE
        taken = self._model.input
        if taken.dtype == np.float32:
            return pixels.astype(np.float32)
        if taken.dtype != np.int8 or taken.scale <= 0:
            raise ModelError(self._name, f"its input is {taken.dtype}, scale {taken.scale:g}: not int8 or float32")
        limits = np.iinfo(np.int8)
        levels = np.clip(np.rint(pixels / taken.scale) + taken.zero_point, limits.min, limits.max)
        return np.asarray(levels, np.int8)

    def embed_vector(self, strip: Picture) -> NDArray[np.float32]:
        """Return the embedding of a strip (uint8, 72 x 160 x 3, BGR) as a unit vector, float32.

        Raises ModelError where the network gives no direction at all.
        """
        return self._unit(self._run(strip))

    def embed(self, strip: Picture) -> bytes:
        """Return the same direction as int8 components.

        A network whose int8 output is centred on zero is taken at its word: writing its numbers anew could only round
        them a second time.
        """
        raw = self._run(strip)
        if raw.dtype == np.int8 and self._output.zero_point == 0 and raw.any():
            return raw.tobytes()
        return as_int8(self._unit(raw))

    def _run(self, strip: Picture) -> NDArray[Any]:
        (raw,) = self._model(self._levels[network_input(strip)][None])
        return raw.reshape(-1)

    def _unit(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        vector = raw.astype(np.float32)
        if self._output.scale > 0:
            vector = (vector - self._output.zero_point) * np.float32(self._output.scale)
        length = float(np.linalg.norm(vector))
        if not 0 < length < np.inf:
            raise ModelError(self._name, "it gave no direction for a strip")
        return (vector / length).astype(np.float32)


def as_int8(vector: NDArray[np.float32]) -> bytes:
    """Return the direction of a vector other than 0 as int8 components, the largest of them 127 or -127."""
    scaled = np.rint(vector * np.float32(_INT8_TOP / np.abs(vector).max()))
    return np.asarray(scaled, np.int8).tobytes()
