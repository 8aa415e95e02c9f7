# SPDX-License-Identifier: Apache-2.0
"""MiniFASNetV2 (Silent-Face-Anti-Spoofing, Minivision 2020): texture and context of a face with its surroundings.

It takes (1, 80, 80, 3), BGR, 0 to 255, float32, and gives three logits, of which the second stands for a person.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from edge_gate.core.errors import ModelError
from edge_gate.eye.face.geometry import Picture
from edge_gate.eye.liveness.surroundings import SIDE_PX
from edge_gate.eye.runtime import TfliteModel

_PERSON: Final = 1
_CLASSES: Final = 3


class AttackNetwork:
    """The network. Raises ModelError where the model is another."""

    def __init__(self, name: str, model: TfliteModel) -> None:
        sizes = [int(np.prod(each.shape)) for each in model.outputs]
        if model.input.shape != (1, SIDE_PX, SIDE_PX, 3) or sizes != [_CLASSES] or model.input.dtype != np.float32:
            raise ModelError(name, f"it takes {model.input.shape} and gives {sizes} numbers: no MiniFASNet")
        self._model = model

    def logit(self, surroundings: Picture) -> float:
        """Return how much more a person is likely than an attack, as a logit, from a picture of 80 x 80 x 3 (BGR)."""
        (given,) = self._model(surroundings.astype(np.float32)[None])
        said = given.reshape(-1).astype(np.float64)
        others = np.delete(said, _PERSON)
        return float(said[_PERSON] - np.logaddexp.reduce(others))
