# SPDX-License-Identifier: Apache-2.0
"""A picture printed on paper, as a camera sees it: flat or bent, whole or with the eyes cut out, alone or under a mask.

Simulated: inks of limited gamut on paper that is not white, dots of three inks at three angles, light that falls
unevenly, a sheet bent about its upright axis; then the camera of `optics`, which tilts it. Left out: gloss, the
paper's own grain, creases, and ink that spreads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.tools.attacks.optics import CAMERA, FINEST, TONE, Camera, Light, develop, project, to_light
from edge_gate.tools.attacks.panel import Panel, size_px

_ANGLES_DEG: Final = (0.0, 75.0, 15.0)  # of yellow, magenta and cyan, which take blue, green and red away
_DOT_PX: Final = 4  # samples from dot to dot
_STEEP: Final = 8.0  # how sharp a dot's edge is: softer ones change the mean of light and dark tones
_SMOOTH: Final = 2.0  # samples for each of the camera's pixels where no dot can be seen
_HOLE: Final = (0.58, 0.30)  # half its width and height, in half distances between the eyes
_EDGE_AWAY: Final = 0.2  # how much farther the sides of a bent sheet are, by its half angle: at half a metre


@dataclass(frozen=True, slots=True)
class Sheet:
    """``white`` the paper's blue, green and red, and ``black`` the darkest ink, of full light; ``colour`` how saturated
    the inks are, 1 as the picture; ``lines`` of dots across; ``border`` the unprinted rim in widths of the sheet;
    ``bend`` the angle to which each side turns away, radians; ``uneven`` how much brighter one side is."""

    white: tuple[float, float, float] = (0.70, 0.74, 0.74)
    black: float = 0.05
    colour: float = 0.85
    lines: int = 700
    border: float = 0.02
    bend: float = 0.0
    uneven: float = 0.15


FLAT: Final = Sheet()
BENT: Final = Sheet(bend=0.45)


def paper(
    picture: Picture,
    corners: Points,
    rng: np.random.Generator,
    sheet: Sheet = FLAT,
    camera: Camera = CAMERA,
    *,
    holes: Sequence[Points] = (),
    over: Callable[[Picture], Picture] | None = None,
) -> Panel:
    """Return the picture, blue, green, red, stretched over a sheet of paper, the sheet's corners at ``corners``.

    ``holes`` are outlines in the picture's pixels that are cut out: the eyes, for somebody to look through. ``over``
    lays something real on the print, such as a mask: it gets the printed picture, in the picture's own pixels, and
    returns it with that on. ``rng`` draws where the light comes from, and the noise.
    """
    width, height = size_px(corners)
    printed = _inked(picture, sheet)
    worn = printed if over is None else over(printed)
    size = _sheet_px(sheet, width, height)
    inks = to_light(_resized(printed, size))
    if sheet.lines <= FINEST * width:
        inks = _dots(inks, sheet, size[0] / sheet.lines)
    real = np.asarray((worn != printed).any(axis=2) * np.uint8(255), np.uint8)
    share = _resized(real, size)[..., None] / np.float32(255)
    flat = np.asarray(inks * (1 - share) + to_light(_resized(worn, size)) * share, np.float32)
    whole = _cut(np.ones(flat.shape[:2], np.float32), holes, np.array(size) / picture.shape[1::-1])
    rim = round(sheet.border * size[0])
    edged = cv2.copyMakeBorder(flat, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=sheet.white)
    outline = np.asarray(cv2.copyMakeBorder(whole, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=1.0), np.float32)
    lit = np.asarray(edged * _fall(outline.shape, sheet.uneven, rng)[..., None], np.float32)
    return develop(project(*_bend(lit, outline, sheet.bend, rng), corners, camera), camera, rng)


def eye_holes(eyes: Points) -> tuple[Points, ...]:
    """Return outlines to cut around two eyes, whose middles are the rows of ``eyes``: almonds, a little too large."""
    across = (eyes[1] - eyes[0]) / 2
    down = np.array([-across[1], across[0]])
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)[:, None]
    almond = _HOLE[0] * np.cos(turn) * across + _HOLE[1] * np.sin(turn) * down
    return tuple((eye + almond).astype(np.float32) for eye in eyes[:2])


def _cut(whole: Light, holes: Sequence[Points], scale: NDArray[np.float64]) -> Light:
    for hole in holes:
        cv2.fillPoly(whole, [np.round(hole * scale).astype(np.int32)], 0.0)
    return whole


def _inked(picture: Picture, sheet: Sheet) -> Picture:
    """Return the picture as far as the inks go, before it is broken into dots."""
    light = to_light(picture)
    grey = light.mean(axis=2, keepdims=True)
    mixed = np.clip(grey + sheet.colour * (light - grey), 0, 1)
    inked = sheet.black + (np.array(sheet.white, np.float32) - sheet.black) * mixed
    return np.asarray(255 * inked ** (1 / TONE) + 0.5, np.uint8)


def _sheet_px(sheet: Sheet, width: float, height: float) -> tuple[int, int]:
    """Return how many samples the printed part has: enough for its dots where the camera could see any of them."""
    across = max(_SMOOTH * width, _DOT_PX * sheet.lines if sheet.lines <= FINEST * width else 0.0)
    return max(8, round(across)), max(8, round(across * height / width))


def _resized(picture: Picture, size: tuple[int, int]) -> Picture:
    how = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


def _dots(flat: Light, sheet: Sheet, pitch_px: float) -> Light:
    """Return each ink as dots which are larger where it is darker and leave the mean as it was."""
    rows, columns = flat.shape[:2]
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) * np.float32(2 * np.pi / pitch_px)
    fine = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    rank = np.sort((np.cos(fine)[:, None] + np.cos(fine)[None]).ravel())[:: 128 * 128 // 256]
    dotted = np.empty_like(flat)
    for channel, degrees in enumerate(_ANGLES_DEG):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        spot = np.interp(np.cos(c * x + s * y) + np.cos(c * y - s * x), rank, np.linspace(0, 1, rank.size))
        white, black = sheet.white[channel], sheet.black
        bare = np.clip((flat[..., channel] - black) / (white - black), 0, 1)
        dotted[..., channel] = black + (white - black) * np.clip((bare - spot) * _STEEP + 0.5, 0, 1)
    return dotted


def _fall(shape: tuple[int, ...], uneven: float, rng: np.random.Generator) -> Light:
    rows, columns = shape
    angle = rng.uniform(0, 2 * np.pi)
    across = np.linspace(-1, 1, columns, dtype=np.float32)[None] * np.cos(angle)
    down = np.linspace(-1, 1, rows, dtype=np.float32)[:, None] * np.sin(angle)
    return np.asarray(1 + uneven * (across + down), np.float32)


def _bend(flat: Light, opacity: Light, bend: float, rng: np.random.Generator) -> tuple[Light, Light]:
    """Return the sheet on a cylinder about its upright middle, seen from the front."""
    from_left = float(rng.uniform(-0.4, 0.4))
    if bend <= 0:
        return flat, opacity
    rows, columns = opacity.shape
    turned = np.arcsin(np.linspace(-1, 1, columns) * np.sin(bend))
    farther = 1 + _EDGE_AWAY / bend * (1 - np.cos(turned))
    x = np.tile((turned / bend + 1) / 2 * (columns - 1), (rows, 1)).astype(np.float32)
    y = ((np.linspace(-1, 1, rows)[:, None] * farther[None] + 1) / 2 * (rows - 1)).astype(np.float32)
    shade = (np.cos(turned) + from_left * np.sin(turned)).astype(np.float32)[None, :, None]
    curved = cv2.remap(flat, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) * shade
    shape = cv2.remap(opacity, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(curved, np.float32), np.asarray(shape, np.float32)
