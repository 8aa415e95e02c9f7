# SPDX-License-Identifier: Apache-2.0
"""Where the faces are in the cast's pictures, as the eye itself finds them: YuNet, then the 468-point mesh.

Used once for each picture while the demo is made ready, not while it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from edge_gate.eye.face.align import interocular_px, placing
from edge_gate.eye.face.detect import Detector
from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.eye.face.mesh import FaceMesh, Mesh
from edge_gate.eye.face.track import find_face
from edge_gate.eye.runtime import TfliteModel, verify_model
from edge_gate.settings.config import ModelSettings

CHIN: Final = 152
BROW: Final = 168  # between the eyes, at their height

_PIXELS: Final = 1280 * 960  # looked at of a picture: the smallest face wanted has 35 px between the eyes there


class Faces:
    """Both models, from ``models`` (by default where edge-gate keeps them). Raises ModelError or one of its
    kinds."""

    def __init__(self, models: Path | None = None) -> None:
        settings = ModelSettings(folder=models or Path())
        self._detector = Detector(settings.detector, verify_model(settings, settings.detector)[1])
        self._mesh = FaceMesh(settings.mesh, TfliteModel(settings.mesh, verify_model(settings, settings.mesh)[1]))

    def find(self, bgr: Picture) -> Mesh | None:
        """Return the mesh of the largest face in a picture, or None."""
        return find_face(self._detector, self._mesh, bgr, _PIXELS)


def size_px(five: Points) -> float:
    """Return the pixels between the eyes, by the size of the whole face, as the eye measures them."""
    return interocular_px(placing(five))
