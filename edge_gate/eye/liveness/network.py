# SPDX-License-Identifier: Apache-2.0
"""MiniFASNetV2 (Silent-Face-Anti-Spoofing, Minivision 2020) twice: texture and context of a face with its surroundings.

One of the two was tuned and sees the picture as it is. The other is as its makers published it, and sees the lower half
of the face covered. Together they take (1, 160, 80, 3), BGR, 0 to 255, float32, the first picture above the second, and
give three logits each, of which the second stands for a person.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from edge_gate.core.errors import ModelError
from edge_gate.eye.face.geometry import Picture
from edge_gate.eye.liveness.surroundings import SIDE_PX
from edge_gate.eye.runtime import TfliteModel

_PERSON: Final = 1
_VIEWS: Final = 2
_CLASSES: Final = 3


class AttackNetwork:
    """Both networks. Raises ModelError where the model is another."""

    def __init__(self, name: str, model: TfliteModel) -> None:
        sizes = [int(np.prod(each.shape)) for each in model.outputs]
        fits = model.input.shape == (1, _VIEWS * SIDE_PX, SIDE_PX, 3) and sizes == [_VIEWS * _CLASSES]
        if not fits or model.input.dtype != np.float32:
            raise ModelError(name, f"it takes {model.input.shape} and gives {sizes} numbers: no pair of MiniFASNets")
        self._model = model

    def logits(self, plain: Picture, covered: Picture) -> tuple[float, float]:
        """Return how much more a person is likely than an attack, as a logit, by each of two views of 80 x 80 x 3."""
        (given,) = self._model(np.concatenate([plain, covered]).astype(np.float32)[None])
        one, other = (_logit(each) for each in given.astype(np.float64).reshape(_VIEWS, _CLASSES))
        return one, other


def _logit(said: np.ndarray) -> float:
    return float(said[_PERSON] - np.logaddexp.reduce(np.delete(said, _PERSON)))
