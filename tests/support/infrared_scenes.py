# SPDX-License-Identifier: Apache-2.0
"""What a camera for the near infrared would see of a person and of pictures of one. **Simulated**: optics as in a
textbook, no measured surface.

A head is half an ellipsoid of skin, which is nearly even in the infrared. The lamp is beside the lens, so its light
falls off as the surface turns away; what else there is comes from above. A print has the light of a plane, and the
grey of the visible picture where its ink is dark in the infrared. A screen is glass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.mesh import Mesh
from edge_gate.eye.face.track import find_face
from tests.support.eye_scenes import Picture, frame, models, noisy, sitter

Light = NDArray[np.floating[Any]]
AMBIENT, LAMP = 0.4, 0.65


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """Somebody before both cameras: the mesh of the visible picture, that picture in grey, and the face's own
    coordinates: 0 in its middle, 1 at the edges of the head, across and down."""

    mesh: Mesh
    grey: Light
    across: Light
    down: Light

    @property
    def head(self) -> NDArray[np.bool_]:
        return self.across**2 + self.down**2 < 1

    @property
    def panel(self) -> NDArray[np.bool_]:
        """A sheet or a tablet with the face on it."""
        return (np.abs(self.across) < 1.6) & (np.abs(self.down) < 1.6)


def visit(who: str, masked: bool = False, interocular_px: float = 70) -> Visit:
    visible = frame(sitter(who, "studio_portrait", masked), interocular_px, seed=1)
    mesh = find_face(models().detector, models().mesh, visible, 320 * 240)
    assert mesh is not None
    flat = mesh.points[:, :2]
    low, high = flat.min(0), flat.max(0)
    width, height = np.linalg.norm(flat[454] - flat[234]) * 0.54, (high[1] - low[1]) * 0.65
    rows, columns = np.mgrid[: visible.shape[0], : visible.shape[1]].astype(np.float32)
    middle = (flat[234] + flat[454]) / 2
    grey = cv2.cvtColor(visible, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
    return Visit(mesh, grey, (columns - middle[0]) / width, (rows - (low[1] + high[1]) / 2) / height)


def person(who: Visit, *, ambient: float = AMBIENT, lamp: float = LAMP) -> Picture:
    """The person: ``lamp`` 0 where it is dark for this picture."""
    facing = np.sqrt(np.clip(1 - who.across**2 - who.down**2, 0.04, 1))
    skin = np.where(who.head, 0.35 + 0.5 * who.grey, 0.15 + 0.2 * who.grey)
    light = ambient * np.where(who.head, 0.5 - 0.3 * who.down, 0.5) + lamp * np.where(who.head, facing, 0.3)
    return exposed(skin * light)


def print_of(who: Visit, *, lamp: float = LAMP, bent: float = 0.0, tilted: float = 0.0, gamma: float = 1.0) -> Picture:
    """A print whose ink is dark in the infrared; ``bent`` about the upright axis: how far its edges turn away."""
    turned = np.sqrt(np.clip(1 - (bent * who.across) ** 2, 0.04, 1)) * np.clip(1 + tilted * who.across, 0.1, 2)
    return exposed(who.grey * (AMBIENT + lamp * turned), gamma)


def clear_print(who: Visit) -> Picture:
    """A print whose ink is clear in the infrared: white paper."""
    return exposed(np.where(who.panel, 0.75, 0.2))


def screen(who: Visit) -> Picture:
    """A screen: dark glass, with the lamp's reflection in it."""
    spot = np.exp(-((who.across - 0.5) ** 2 + (who.down + 0.5) ** 2) / 0.02) * who.panel
    return exposed(np.where(who.panel, 0.04, 0.3) + 0.7 * spot)


def exposed(light: Light, gamma: float = 1.0) -> Picture:
    grey = 255 * np.clip(light, 0, 1) ** (1 / gamma)
    return noisy(np.repeat(grey[:, :, None], 3, 2), 3.0, seed=int(light.sum()) % 1000)
