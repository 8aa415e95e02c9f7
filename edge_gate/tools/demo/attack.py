# SPDX-License-Identifier: Apache-2.0
"""Somebody who holds a picture of a resident before their face: on paper, or on a phone.

The picture is the resident's own, read at run time like all others; paper and phone are simulated
(edge_gate.tools.attacks). It is made ready at a few sizes, as the camera would see it from so far; a frame takes the
next larger one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import cv2
import numpy as np

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.tools.attacks.hands import Colour, Grip, held
from edge_gate.tools.attacks.optics import Camera
from edge_gate.tools.attacks.panel import Panel, Stand, hold, size_px
from edge_gate.tools.attacks.paper import Sheet, paper
from edge_gate.tools.attacks.screen import PHONE, screen
from edge_gate.tools.demo.cast import Cast, Kind
from edge_gate.tools.demo.cutout import EYES_AT, EYES_PX, Figure, uncut
from edge_gate.tools.demo.mask import MaskStyle, put_on
from edge_gate.tools.demo.walk import EYES_M, FAR_M, FOCAL_PX, Pose

_SIZES: Final = 6
_SIZE_STEP: Final = 1.5
_CHEEKS: Final = (50, 280, 101, 330)
_IN_HAND: Final = Sheet(bend=0.22)
_EYE: Final = Camera(noise=0.003)  # the demo's sensor adds its own to each frame
_REST_PITCH_DEG: Final = -5.0  # a hand tilts what it holds back a little
_TREMBLE_DEG: Final = 3.0
_RAISING_M: Final = 0.45  # over so much of the way the picture is raised


class Species(StrEnum):
    """What a picture is shown on."""

    PRINT = "print"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Attack:
    """``of`` whose picture is shown, which one of theirs it is, and the mask that they wear in it."""

    species: Species
    of: str
    picture: Kind
    mask: MaskStyle | None = None


@dataclass(frozen=True, slots=True)
class Prop:
    """``width_m`` and ``height_m`` of paper or phone; ``eyes_m`` between the eyes that it shows, ``eyes_at`` how far
    down it shows them, 0 to 1; ``near_m`` how near its holder comes; ``reach_m`` how far before themselves they hold
    it when they come, and when they are there; ``raised_m`` where they begin to raise it, and ``low_m`` from how
    low."""

    width_m: float
    height_m: float
    eyes_m: float
    eyes_at: float
    grip: Grip
    near_m: float
    reach_m: tuple[float, float]
    raised_m: float
    low_m: float


PROPS: Final = {
    # A4, life-size, before the holder's face in the end.
    Species.PRINT: Prop(0.210, 0.297, 0.060, 0.42, Grip.BOTH, 0.86, (0.30, 0.36), 2.32, 0.36),
    # A phone shows a face at a third of its size: it has to come near, at the end of a stretched arm.
    Species.PHONE: Prop(0.072, 0.152, 0.022, 0.40, Grip.ONE, 0.68, (0.30, 0.50), 2.35, 0.30),
}


def stand(attack: Attack, holder: Pose, t_s: float) -> Stand:
    """Return where the picture is while its holder's eyes are there."""
    prop = PROPS[attack.species]
    away_m = EYES_M * FOCAL_PX / holder.interocular_px
    first, last = prop.reach_m
    near = float(np.clip((FAR_M - away_m) / (FAR_M - prop.near_m), 0, 1))
    picture_m = away_m - (first + (last - first) * near)
    px_per_m = FOCAL_PX / picture_m
    down = float(np.clip((away_m - prop.raised_m + _RAISING_M) / _RAISING_M, 0, 1))
    low_m = prop.low_m * down * down * (3 - 2 * down)
    eyes_y = holder.y + low_m * holder.interocular_px / EYES_M
    tremble = np.sin(2 * np.pi * np.array([0.7, 0.9, 1.1]) * t_s + np.arange(3))
    yaw, pitch, roll = _TREMBLE_DEG * tremble
    return Stand(
        holder.x,
        eyes_y + (0.5 - prop.eyes_at) * prop.height_m * px_per_m,
        px_per_m,
        picture_m,
        float(yaw),
        float(_REST_PITCH_DEG + pitch),
        float(0.4 * holder.roll_deg + 0.5 * roll),
    )


class HeldPicture:
    """A picture in its holder's hands, ready to be shown. ``gain`` is that of the light on whoever stands there."""

    def __init__(self, attack: Attack, cast: Cast, holder: Figure, gain: float, seed: int) -> None:
        self._attack = attack
        prop = PROPS[attack.species]
        nearest = FOCAL_PX / (prop.near_m - prop.reach_m[1])
        picture = _picture(attack, cast)
        skin = _skin(holder, gain)
        rng = np.random.default_rng(seed)
        self._panels = []
        for step in range(_SIZES):
            px_per_m = nearest / _SIZE_STEP**step
            rests = Stand(0, 0, px_per_m, FOCAL_PX / px_per_m, pitch_deg=_REST_PITCH_DEG)
            corners = rests.corners(prop.width_m, prop.height_m)
            panel = _shown(attack.species, picture, corners, rng, gain)
            self._panels.append(held(panel, prop.width_m, prop.grip, skin))

    def hold_up(self, view: Picture, holder: Pose, then: Pose, t_s: float) -> Picture:
        """Return the view with it; ``then`` is where its holder was when the shutter opened."""
        prop = PROPS[self._attack.species]
        now, before = stand(self._attack, holder, t_s), stand(self._attack, then, t_s)
        corners = now.corners(prop.width_m, prop.height_m)
        large_enough = [each for each in self._panels if size_px(each.corners)[0] >= size_px(corners)[0]]
        panel = large_enough[-1] if large_enough else self._panels[0]
        return hold(view, panel, corners, (abs(now.x - before.x), abs(now.y - before.y)))


def _shown(species: Species, picture: Picture, corners: Points, rng: np.random.Generator, gain: float) -> Panel:
    if species is Species.PHONE:
        return screen(picture, corners, rng, PHONE, _EYE)  # its own brightness follows the light around it
    return paper(picture, corners, rng, _IN_HAND, _EYE).in_light(gain)


def _picture(attack: Attack, cast: Cast) -> Picture:
    """Return what is shown, cut to the shape of the paper or the phone."""
    figure = uncut(cast.portrayal(attack.of, attack.picture))
    if attack.mask is not None:
        figure = put_on(figure, attack.mask)
    prop = PROPS[attack.species]
    scale = EYES_PX / prop.eyes_m
    width, height = round(prop.width_m * scale), round(prop.height_m * scale)
    left, top = round(EYES_AT[0] - width / 2), round(EYES_AT[1] - prop.eyes_at * height)
    wide = cv2.copyMakeBorder(figure.bgra, height, height, width, width, cv2.BORDER_REPLICATE)
    return np.asarray(wide[top + height : top + 2 * height, left + width : left + 2 * width, :3], np.uint8)


def _skin(holder: Figure, gain: float) -> Colour:
    """Return the colour of the holder's cheeks in this light."""
    places = holder.mesh[list(_CHEEKS)].astype(int)
    around = [holder.bgra[y - 4 : y + 5, x - 4 : x + 5, :3].reshape(-1, 3) for x, y in places]
    blue, green, red = (float(each) * gain for each in np.median(np.concatenate(around), axis=0))
    return blue, green, red
