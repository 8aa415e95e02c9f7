# SPDX-License-Identifier: Apache-2.0
"""Presentation attack detection (ISO/IEC 30107-3) of one look: the layers, and what the card makes of them."""

from __future__ import annotations

import math
from typing import Final

from edge_gate.eye.face.geometry import Picture
from edge_gate.eye.face.mesh import Mesh
from edge_gate.eye.liveness.network import AttackNetwork
from edge_gate.eye.liveness.scene import SceneMemory
from edge_gate.eye.liveness.surroundings import cut_covered, cut_surroundings
from edge_gate.rules.liveness import Evidence, LivenessPoint, Look, fuse
from edge_gate.wire.eye import PadReason

NOT_MEASURED: Final = Look(math.nan, PadReason.NOT_MEASURED)
# Pictures a moment apart are nearly the same picture: this often is enough, and leaves the board time.
EVERY_NS: Final = 100_000_000


class AttackDetection:
    """The eye's own: it remembers the scene, and when it last looked."""

    def __init__(self, network: AttackNetwork, point: LivenessPoint, every_ns: int = EVERY_NS) -> None:
        self.scene = SceneMemory()
        self._network = network
        self._point = point
        self._every_ns = every_ns
        self._looked_ns: int | None = None

    def note_empty(self, picture: Picture, captured_ns: int) -> None:
        """Take in a picture in which nobody is."""
        self.scene.note_empty(picture, captured_ns)

    def look(self, picture: Picture, mesh: Mesh, captured_ns: int) -> Look:
        """Judge a picture (BGR, uint8) with a face in it; NOT_MEASURED where the last look was a moment ago."""
        if self._looked_ns is not None and 0 <= captured_ns - self._looked_ns < self._every_ns:
            return NOT_MEASURED
        self._looked_ns = captured_ns
        return fuse(self.measure(picture, mesh), self._point)

    def measure(self, picture: Picture, mesh: Mesh) -> Evidence:
        """Return what each layer says of a picture with a face in it."""
        points = mesh.points
        plain, covered = self._network.logits(cut_surroundings(picture, points), cut_covered(picture, points))
        return Evidence(plain, self.scene.agreement(picture, points), covered)

    def forget(self) -> None:
        """Forget when the last look was; the scene stays known."""
        self._looked_ns = None
