# SPDX-License-Identifier: Apache-2.0
"""Scenes in front of the gate: who comes, how they move, in which light; and each moment of one as a camera frame.

Stills of a person are brought to life as a camera would see someone walk up: distance shrinks at a walker's pace, the
head bobs and sways with the steps and tilts a little, the shutter smears what moves, the light drifts, the sensor adds
noise. Everything follows from the scene's seed and the time, so a scene is the same each time it is played.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import cv2
import numpy as np

from edge_gate.eye.face.geometry import Picture
from edge_gate.tools.attacks.panel import lay
from edge_gate.tools.demo.attack import PROPS, Attack, HeldPicture
from edge_gate.tools.demo.backdrop import HEIGHT, WIDTH, backdrop
from edge_gate.tools.demo.cast import MILD, Cast, Kind
from edge_gate.tools.demo.cutout import EYES_AT, EYES_PX, Figure, cut_out
from edge_gate.tools.demo.light import DAY, ONE, Light, Sensor
from edge_gate.tools.demo.mask import MaskStyle, put_on
from edge_gate.tools.demo.walk import FAR_M, Pose, Walk

SHOT_S: Final = 0.6
LEAVING_S: Final = 0.4

_NEAR_M: Final = 0.5  # 70 px
_ENROL_FROM_M: Final = 0.95
_ENROL_AT_M: Final = 0.465  # 75 px
_ARRIVE_S: Final = 0.25  # they stand at the gate for so long before they go on
_ENROL_ROWS: Final = 800  # of the figure: more is not in view from so near
_DRIFT: Final = 0.06
_LEVELS: Final = 4
_DEEPEST: Final = 7.0  # distances between the eyes: lower than this no level is in view where it is used


class SceneKind(StrEnum):
    """What happens in a scene."""

    ENROLMENT = "enrolment"  # someone stands at the gate and looks, in several expressions
    APPROACH = "approach"  # someone walks up
    ATTACK = "attack"  # someone walks up and holds a picture of somebody else before their face
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene. ``who`` comes, in an attack with the picture in ``attack``; ``picture`` the file they are made of;
    ``mask`` what they wear, in an enrolment from its middle on (None: no mask); ``clothes`` the dye of their studio
    clothes, blue, green, red (None: white)."""

    name: str
    who: str | None
    kind: SceneKind
    duration_s: float
    picture: Kind = Kind.PORTRAIT
    mask: MaskStyle | None = None
    clothes: tuple[int, int, int] | None = None
    light: Light = DAY
    seed: int = 0
    attack: Attack | None = None

    @property
    def comes(self) -> str:
        """What comes to the gate, in words: a name, a picture of somebody, or nobody."""
        return f"{self.attack.species} of {self.attack.of}" if self.attack else self.who or "nobody"


def pose(scene: Scene, t_s: float) -> Pose | None:
    """Return where the person is at a time of the scene; None where nobody is in view."""
    if scene.who is None or not 0 <= t_s < scene.duration_s:
        return None
    leaves_s = scene.duration_s - LEAVING_S
    if scene.kind is SceneKind.ENROLMENT:
        return Walk(_ENROL_FROM_M, _ENROL_AT_M, 0.5, leaves_s, 0.1, scene.seed).at(t_s)
    near_m = _NEAR_M if scene.attack is None else PROPS[scene.attack.species].near_m
    return Walk(FAR_M, near_m, leaves_s - _ARRIVE_S, leaves_s, 1.0, scene.seed).at(t_s)


class Stage:
    """Makes ready what the scenes need (a second of work or so for each person), then frames at a few milliseconds.

    Keeps everything in memory. Frames may be asked for in any order and from one thread at a time.
    """

    def __init__(self, scenes: Iterable[Scene], cast: Cast | None = None) -> None:
        self._empty = backdrop()
        self._sensor = Sensor()
        self._fields: dict[Light, Picture] = {}
        self._shots: dict[Scene, list[list[Picture]]] = {}
        self._held: dict[Scene, HeldPicture] = {}
        bodies: dict[str, Figure] = {}
        for scene in scenes:
            self._field(scene.light)
            if scene.who is None:
                continue
            cast = cast or Cast()
            if scene.who not in bodies:
                bodies[scene.who] = cut_out(cast.portrayal(scene.who, Kind.STUDIO))
            figures = _figures(scene, cast, bodies[scene.who])
            self._shots[scene] = [_pyramid(figure, scene.light) for figure in figures]
            if scene.attack is not None:
                self._held[scene] = HeldPicture(scene.attack, cast, figures[0], scene.light.on_person, scene.seed)

    def compose(self, scene: Scene, t_s: float) -> Picture:
        """Return the frame at a time of the scene: uint8, 480 x 640 x 3, blue, green, red."""
        return self._expose(self._view(scene, t_s), self._field(scene.light), scene.light.noise, t_s, scene.seed)

    def between(self, before: Light, after: Light, part: float, t_s: float) -> Picture:
        """Return a frame of the empty street while the light goes from one to another; ``part`` 0 to 1."""
        field = cv2.addWeighted(self._field(before), 1 - part, self._field(after), part, 0)
        noise = before.noise * (1 - part) + after.noise * part
        return self._expose(self._empty, np.asarray(field, np.uint8), noise, t_s, 0)

    def _field(self, light: Light) -> Picture:
        if light not in self._fields:
            self._fields[light] = light.field()
        return self._fields[light]

    def _expose(self, view: Picture, field: Picture, noise: float, t_s: float, seed: int) -> Picture:
        drift = 1 + _DRIFT * np.sin(2 * np.pi * 0.31 * t_s + seed) * np.sin(2 * np.pi * 0.07 * t_s + 1)
        lit = np.asarray(cv2.multiply(view, field, scale=float(drift) / ONE), np.uint8)
        return self._sensor.add(lit, noise, int(t_s * 1000) + 7919 * seed)

    def _view(self, scene: Scene, t_s: float) -> Picture:
        now = pose(scene, t_s)
        if now is None:
            return self._empty
        then = pose(scene, max(0.0, t_s - scene.light.exposure_s)) or now
        shots = self._shots[scene]
        levels = shots[min(int(t_s / SHOT_S), len(shots) - 1)]
        view = _stand(self._empty, levels, now, (abs(now.x - then.x), abs(now.y - then.y)))
        return self._held[scene].hold_up(view, now, then, t_s) if scene in self._held else view


def _figures(scene: Scene, cast: Cast, body: Figure) -> list[Figure]:
    """Return what the scene shows one after the other."""
    if scene.who is None:
        return []
    if scene.kind is not SceneKind.ENROLMENT:
        head = body if scene.picture is Kind.STUDIO else cut_out(cast.portrayal(scene.who, scene.picture))
        figure = head.upon(body) if scene.picture is Kind.PORTRAIT else head
        return [_dressed(scene, figure, scene.mask)]
    count = max(1, round((scene.duration_s - LEAVING_S) / SHOT_S))
    near = body.down_to(_ENROL_ROWS)
    heads = [cut_out(cell).upon(near) for cell in cast.cells(scene.who, MILD)]
    return [_dressed(scene, heads[k % len(heads)], scene.mask if 2 * k >= count else None) for k in range(count)]


def _dressed(scene: Scene, figure: Figure, mask: MaskStyle | None) -> Figure:
    dyed = figure if scene.clothes is None else figure.dyed(scene.clothes)
    return dyed if mask is None else put_on(dyed, mask)


def _pyramid(figure: Figure, light: Light) -> list[Picture]:
    """Return the figure in this light, then half as large, and so on: from afar one would alias."""
    gain = np.array([light.on_person] * 3 + [1.0])
    level = np.clip(figure.bgra * gain, 0, figure.bgra[..., 3:]).astype(np.uint8)
    levels = []
    for _ in range(_LEVELS):
        levels.append(level[: int(EYES_AT[1] + _DEEPEST * EYES_PX)].copy())
        level = np.asarray(cv2.resize(level, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    return levels


def _stand(view: Picture, levels: list[Picture], at: Pose, smear_px: tuple[float, float]) -> Picture:
    """Return the view with the person in it."""
    scale = at.interocular_px / EYES_PX
    number = min(len(levels) - 1, max(0, int(np.floor(-np.log2(scale)))))
    figure, shrunk = levels[number], 2.0**number
    turn = cv2.getRotationMatrix2D((0.0, 0.0), -at.roll_deg, scale * shrunk)[:, :2]
    half = int(scale * figure.shape[1] * shrunk / 2) + 12
    left, right = max(0, int(at.x) - half), min(WIDTH, int(at.x) + half)
    top = max(0, int(at.y - scale * EYES_AT[1]))
    if left >= right:
        return view
    eyes = turn @ (np.array(EYES_AT) / shrunk)
    matrix = np.column_stack([turn, np.array([at.x - left, at.y - top]) - eyes])
    person = cv2.warpAffine(figure, matrix, (right - left, HEIGHT - top), flags=cv2.INTER_LINEAR)
    kernel = (1 + round(smear_px[0]), 1 + round(smear_px[1]))
    if kernel != (1, 1):
        person = cv2.blur(person, kernel)
    frame = view.copy()
    frame[top:, left:right] = lay(view[top:, left:right], np.asarray(person, np.uint8))
    return frame
