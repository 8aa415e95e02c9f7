# SPDX-License-Identifier: Apache-2.0
"""Simulated attacks at a gate, with nobody's picture: people who do not exist, on paper, on screens, and as films.

Everything is simulated: the street, the light, the people, what they hold, and the camera (edge_gate.tools.attacks,
edge_gate.tools.demo). A figure that comes of it says so. Every film begins with the empty street, so that the eye
knows the scene; `Film.act` alone is the same for an eye that does not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.store.pad_trials import LIVE
from edge_gate.tools.attacks.hands import Grip, held
from edge_gate.tools.attacks.panel import Panel, Stand, hold
from edge_gate.tools.attacks.paper import BENT, FLAT, Sheet, eye_holes, paper
from edge_gate.tools.attacks.screen import PHONE, TABLET, Display, screen
from edge_gate.tools.demo.backdrop import HEIGHT, WIDTH
from edge_gate.tools.demo.cast import RESIDENTS, STRANGERS, Cast, Kind
from edge_gate.tools.demo.cutout import EYES_AT, EYES_PX, Figure, uncut
from edge_gate.tools.demo.light import BACKLIT, DAY, DUSK, LAMP, MORNING, OVERCAST, Light
from edge_gate.tools.demo.mask import STYLES, put_on
from edge_gate.tools.demo.scene import Scene, SceneKind, Stage, pose
from edge_gate.tools.demo.walk import EYES_M, FOCAL_PX, Pose
from edge_gate.tools.pad.data import Origin

PEOPLE: Final = (*RESIDENTS, *STRANGERS)
LIGHTS: Final = (DAY, OVERCAST, MORNING, BACKLIT, LAMP, DUSK)
PICTURE_NS: Final = 100_000_000
EMPTY_S: Final = 3.5
ACT_S: Final = 5.0

_EYES: Final = ((33, 133), (362, 263))  # of the mesh, the corners of each eye
_SKIN: Final = (118.0, 142.0, 186.0)
_TREMBLE_DEG: Final = 2.5
_MONITOR: Final = Display(1920, glare=0.03, bands=2.0, depth=0.03, black=0.008)
_OVER_THE_EDGE: Final = 0.04  # of a screen that fills the view


@dataclass(frozen=True, slots=True)
class Held:
    """Something with a picture on it: its size in metres, how far apart it shows the eyes and how far down, how near
    the one who holds it comes, how far before themselves they hold it, and its turn to the side and back."""

    shows: Sheet | Display
    width_m: float
    height_m: float
    eyes_m: float
    near_m: float
    reach_m: float
    eyes_at: float = 0.42
    grip: Grip | None = Grip.BOTH
    turned_deg: tuple[float, float] = (0.0, -5.0)
    eyes_cut_out: bool = False
    under_a_mask: bool = False


_A4: Final = Held(FLAT, 0.210, 0.297, 0.060, 0.90, 0.36)
# As large as a head, with its own eyes' distance, right before the face.
_ON_THE_FACE: Final = replace(_A4, eyes_m=EYES_M, near_m=0.55, reach_m=0.02, turned_deg=(0.0, 0.0))
HELD: Final = {
    "print flat": _A4,
    "print bent": replace(_A4, shows=BENT),
    "print tilted": replace(_A4, turned_deg=(16.0, -10.0)),
    "print with its eyes cut out": replace(_ON_THE_FACE, eyes_cut_out=True),
    "print under a real mask": replace(_A4, under_a_mask=True),
    "printed eyes over a mask": replace(
        _ON_THE_FACE, shows=replace(FLAT, border=0.0), width_m=0.16, height_m=0.085, eyes_at=0.60, grip=None
    ),
    "phone": Held(PHONE, 0.072, 0.152, 0.022, 0.68, 0.48, 0.40, Grip.ONE),
    "tablet": Held(TABLET, 0.165, 0.240, 0.050, 0.80, 0.36),
}
SCREEN: Final = "screen that fills the view"
INJECTED: Final = "injected film"
SPECIES: Final = (*HELD, SCREEN, INJECTED)


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """One simulated presentation: the empty street, then somebody or something. Pictures 100 ms apart."""

    origin: Origin
    empty: Sequence[Picture]
    act: Sequence[Picture]

    def pictures(self, *, scene_known: bool) -> Iterator[tuple[Picture, int]]:
        """Yield each picture with its moment, from the empty street on or without it; the act begins at `begins_ns`."""
        first = 0 if scene_known else len(self.empty)
        for number, picture in enumerate([*self.empty, *self.act]):
            if number >= first:
                yield picture, number * PICTURE_NS

    @property
    def begins_ns(self) -> int:
        """When somebody comes."""
        return len(self.empty) * PICTURE_NS


def count(people: int, species: Collection[str] = SPECIES) -> int:
    """Return how many films there are of so many people: of each as they are, behind a mask, and as each species."""
    return min(people, len(PEOPLE)) * (2 + len(species))


def films(people: int, species: Collection[str] = SPECIES) -> Iterator[Film]:
    """Yield the films of so many people, each in another light."""
    cast = Cast()
    for number, who in enumerate(PEOPLE[:people]):
        yield from _Show(cast, number, who).films(species)


class _Show:
    """One person as they are, and everything that is made of their pictures, in one light."""

    def __init__(self, cast: Cast, number: int, who: str) -> None:
        holder = PEOPLE[(number + 1) % len(PEOPLE)]
        light, worn = LIGHTS[number % len(LIGHTS)], STYLES[number % len(STYLES)]
        self._who, self._number, self._light = who, number, light
        arrives_s = ACT_S + 0.4
        self._empty = Scene("nobody", None, SceneKind.EMPTY, EMPTY_S, light=light, seed=number)
        self._live = Scene("live", who, SceneKind.APPROACH, arrives_s, light=light, seed=number)
        self._masked = replace(self._live, name="live, masked", mask=worn)
        # A film has no noise of this camera; what it was taken with is left out.
        self._copied = replace(self._live, name=INJECTED, light=replace(light, name="copy", noise=0.0))
        self._holder = Scene("holder", holder, SceneKind.APPROACH, arrives_s, mask=worn, light=light, seed=number + 50)
        scenes = (self._empty, self._live, self._masked, self._copied, self._holder)
        self._stage = Stage(scenes, cast)
        self._street = [self._stage.compose(self._empty, t_s) for t_s in _times(EMPTY_S)]
        photo, selfie = (uncut(cast.portrayal(who, kind)) for kind in (Kind.PORTRAIT, Kind.SELFIE))
        # Pictures with masks on are on sale as well.
        self._photo, self._selfie = (put_on(each, worn) if number % 2 else each for each in (photo, selfie))

    def films(self, species: Collection[str]) -> Iterator[Film]:
        """Yield the person without a mask and with one, then these species, one after the other."""
        for scene in (self._live, self._masked):
            yield self._film(scene.name, LIVE, self._played(scene))
        for name in species:
            yield self._film(name, name, self._attack(name))

    def _film(self, name: str, label: str, act: Sequence[Picture]) -> Film:
        return Film(Origin(f"{self._who} {name}", self._who, label, self._light.name), self._street, act)

    def _attack(self, species: str) -> list[Picture]:
        if species == INJECTED:
            return self._played(self._copied)
        steps = range(len(_times(ACT_S)))
        return [self._screen(step) if species == SCREEN else self._held(HELD[species], step) for step in steps]

    def _played(self, scene: Scene) -> list[Picture]:
        return [self._stage.compose(scene, t_s) for t_s in _times(ACT_S)]

    def _held(self, prop: Held, step: int) -> Picture:
        rng = np.random.default_rng((self._number, step))
        t_s = self._when(step * PICTURE_NS / 1e9, prop.near_m, step)
        holder = pose(self._holder, t_s)
        view = self._stage.compose(self._holder, t_s)
        if holder is None:
            return view
        corners = _stand(prop, holder, step * PICTURE_NS / 1e9).corners(prop.width_m, prop.height_m)
        return hold(view, self._panel(prop, corners, rng), corners)

    def _panel(self, prop: Held, corners: Points, rng: np.random.Generator) -> Panel:
        shown, mesh = _cut(self._photo, prop)
        if isinstance(prop.shows, Display):
            panel = screen(shown, corners, rng, prop.shows)  # it shines by itself
        else:
            eyes = np.array([mesh[list(pair)].mean(axis=0) for pair in _EYES], np.float32)
            holes = eye_holes(eyes) if prop.eyes_cut_out else ()
            printed = paper(
                shown,
                corners,
                rng,
                prop.shows,
                holes=holes,
                over=(lambda print_: _with_mask(print_, mesh, self._number)) if prop.under_a_mask else None,
            )
            panel = _lit(printed, self._light)
        return panel if prop.grip is None else held(panel, prop.width_m, prop.grip, _SKIN)

    def _screen(self, step: int) -> Picture:
        """Return a selfie, from wherever it was taken, on a screen that reaches over the view's edges."""
        rng = np.random.default_rng((self._number, step))
        nearer = 1.0 + 0.25 * step * PICTURE_NS / 1e9 / ACT_S
        width, height = WIDTH / nearer, HEIGHT / nearer
        shown = _part(self._selfie, EYES_AT[0] - width / 2, EYES_AT[1] - 0.45 * height, width, height)
        sway = 3 * np.sin(step / np.array([2.0, 3.0]))
        ends = np.array([(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)], np.float32)
        middle = np.array([WIDTH / 2, HEIGHT / 2], np.float32)
        corners = (middle + (1 + _OVER_THE_EDGE) * (ends - middle) + sway).astype(np.float32)
        view = self._street[step % len(self._street)]
        return hold(view, screen(shown, corners, rng, _MONITOR), corners)

    def _when(self, t_s: float, near_m: float, step: int) -> float:
        """Return the moment of the holder's way that is shown: they stop where they are near enough."""
        away_px = EYES_M * FOCAL_PX / near_m
        near = [each for each in _times(ACT_S) if (at := pose(self._holder, each)) and at.interocular_px >= away_px]
        # A thousandth of a second a picture goes on, so that the sensor's noise does.
        return min(t_s, near[0] + step / 1000) if near else t_s


def _times(seconds: float) -> list[float]:
    return [step * PICTURE_NS / 1e9 for step in range(round(seconds * 1e9 / PICTURE_NS))]


def _stand(prop: Held, holder: Pose, t_s: float) -> Stand:
    away_m = max(0.12, EYES_M * FOCAL_PX / holder.interocular_px - prop.reach_m)
    px_per_m = FOCAL_PX / away_m
    on_the_face = prop.reach_m < 0.1
    tremble = (0.0 if on_the_face else _TREMBLE_DEG) * np.sin(2 * np.pi * np.array([0.7, 0.9, 1.1]) * t_s)
    yaw, pitch = prop.turned_deg
    return Stand(
        holder.x,
        holder.y + (0.5 - prop.eyes_at) * prop.height_m * px_per_m,
        px_per_m,
        away_m,
        float(yaw + tremble[0]),
        float(pitch + tremble[1]),
        float((1.0 if on_the_face else 0.4) * holder.roll_deg + tremble[2]),
    )


def _cut(photo: Figure, prop: Held) -> tuple[Picture, Points]:
    """Return the part of the photograph that is shown, and the mesh in its pixels."""
    scale = EYES_PX / prop.eyes_m
    width, height = prop.width_m * scale, prop.height_m * scale
    left, top = EYES_AT[0] - width / 2, EYES_AT[1] - prop.eyes_at * height
    return _part(photo, left, top, width, height), (photo.mesh - np.array([left, top])).astype(np.float32)


def _part(photo: Figure, left: float, top: float, width: float, height: float) -> Picture:
    """Return a part of a photograph, its outermost pixels repeated where it ends."""
    alpha = photo.bgra[..., 3] > 0
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    whole = photo.bgra[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, :3]
    x, y = left - columns[0], top - rows[0]
    x_map = np.tile(np.arange(round(width), dtype=np.float32) + np.float32(x), (round(height), 1))
    y_map = np.tile(np.arange(round(height), dtype=np.float32)[:, None] + np.float32(y), (1, round(width)))
    return np.asarray(cv2.remap(whole, x_map, y_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _with_mask(printed: Picture, mesh: Points, number: int) -> Picture:
    bgra = np.asarray(cv2.cvtColor(printed, cv2.COLOR_BGR2BGRA), np.uint8)
    figure = Figure(bgra, mesh, np.ones(bgra.shape[:2], np.float32))
    return put_on(figure, STYLES[(number + 1) % len(STYLES)]).bgra[..., :3]


def _lit(panel: Panel, light: Light) -> Panel:
    gain = np.array([*(min(light.gain * light.on_person * each, 1.0) for each in light.tint), 1.0])
    return Panel(np.asarray(panel.bgra * gain, np.uint8), panel.corners)
