# SPDX-License-Identifier: Apache-2.0
"""A person cut out of a picture, from head to knee, so that a scene can stand them in front of its own background.

Each picture is brought to one size, ``EYES_PX`` between the eyes, with the eyes at one place, so heads fit on bodies:
the heads of the studio portrait and of the sheet of emotions, which end at the chest, are put on the same person's
posture picture. Colours are kept premultiplied by their opacity, as compositing wants them (Porter and Duff 1984).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.tools.demo.cast import Portrayal
from edge_gate.tools.demo.faces import CHIN, size_px

Layer = NDArray[np.float32]

EYES_PX: Final = 80.0
WIDTH: Final = 800
HEIGHT: Final = 1840
EYES_AT: Final = (400.0, 280.0)

_CLEARLY_BACKGROUND: Final = 10.0  # grey levels from the studio's wall
_CLEARLY_PERSON: Final = 42.0
_LARGEST_HOLE_PX: Final = 1500.0  # a brown cheek may have the wall's grey; the gap under an arm is larger than this
_SEAM_PX: Final = 24.0  # the width over which a head passes into the body below it
_NECK_HALF_WIDTH: Final = 1.8  # in distances between the eyes, as the next
_SHOULDER: Final = 1.35
_DEEPEST_SHOULDER: Final = 1.35
_MAX_LIFT_PX: Final = 50
_CHIN_TO_COLLAR: Final = 0.4
_SHADOW_FROM: Final = 13.5  # at the knees and below, what is grey and darker than the wall is a shadow on it
_SHADOW_TINT: Final = 16.0  # grey levels between the channels; legs have more


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A person alone.

    ``bgra`` uint8, rows x WIDTH x 4, premultiplied; ``mesh`` float32, 468 x 2, in its pixels; ``reach`` float32, rows x
    WIDTH: 1 where the picture shows head and neck, falling to 0 where it ends.
    """

    bgra: Picture
    mesh: Points
    reach: Layer

    def upon(self, body: Figure) -> Figure:
        """Return this head on another picture's body, as far down as that one goes, shoulders on shoulders."""
        rows = body.bgra.shape[0]
        chin = int(self.mesh[CHIN, 1])
        ours, theirs = self._shoulders(), body._shoulders()
        lift = 0.0 if ours is None or theirs is None else float(np.clip(theirs - ours, -_MAX_LIFT_PX, _MAX_LIFT_PX))
        move = np.array([[1, 0, 0], [0, 1, -lift]], np.float32)
        below = cv2.warpAffine(body.bgra, move, (WIDTH, rows), borderMode=cv2.BORDER_REPLICATE)
        below[:chin] = body.bgra[:chin]  # where a sheet's cell cuts the hair off, the body's own stays
        reach, head = self.reach[:rows], self.bgra[:rows]
        below_chin = (np.arange(rows, dtype=np.float32) - self.mesh[CHIN, 1]) / (_CHIN_TO_COLLAR * EYES_PX)
        # Down to the chin the body's own head has to go; below it, whatever of the body is wider shows.
        hides = reach * np.maximum(head[..., 3] / np.float32(255), np.clip(1 - below_chin, 0, 1)[:, None])
        both = head * reach[..., None] + below * (1 - hides[..., None])
        return Figure(np.minimum(both + 0.5, 255).astype(np.uint8), self.mesh, reach)

    def _shoulders(self) -> float | None:
        """Return the row in which the shoulders begin beside the neck, the mean of both sides; None if not seen."""
        chin, middle, out = int(self.mesh[CHIN, 1]), int(self.mesh[CHIN, 0]), int(_SHOULDER * EYES_PX)
        sides = self.bgra[chin : int(chin + _DEEPEST_SHOULDER * EYES_PX), [middle - out, middle + out], 3] > 127
        return float(chin + sides.argmax(axis=0).mean()) if sides.any(axis=0).all() else None

    def dyed(self, bgr: tuple[int, int, int]) -> Figure:
        """Return the figure with its white studio clothes in another colour."""
        colour = self.bgra[..., :3].astype(np.float32)
        cloth = colour / np.maximum(self.bgra[..., 3:].astype(np.float32) / 255, 0.05)
        bright, tint = cloth.mean(axis=2), cloth.max(axis=2) - cloth.min(axis=2)
        white = np.clip(1.8 - tint / 24, 0, 1) * np.clip((bright - 60) / 50, 0, 1)
        white[: int(self.mesh[CHIN, 1] - 0.1 * EYES_PX)] = 0
        white = cv2.GaussianBlur(white, (0, 0), 1.5)[..., None]
        dye = np.array(bgr, np.float32) / 255
        bgra = self.bgra.copy()
        bgra[..., :3] = colour * (1 - white + white * dye) + 0.5
        return Figure(bgra, self.mesh, self.reach)

    def down_to(self, rows: int) -> Figure:
        """Return the uppermost part, which is all that is seen from near."""
        return Figure(self.bgra[:rows], self.mesh, self.reach[:rows])


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """A picture on the common canvas: ``box`` is left, top, right, bottom of what it covers."""

    bgr: Picture
    mesh: Points
    box: tuple[int, int, int, int]


def cut_out(portrayal: Portrayal) -> Figure:
    """Return the person of a picture, EYES_PX between the eyes, these at EYES_AT."""
    placed = _place(portrayal)
    left, top, right, bottom = placed.box
    part = placed.bgr[top:bottom, left:right].astype(np.float32)
    if portrayal.plain:
        wall = _studio_wall(part)
        opacity = _from_wall(part, wall, int(EYES_AT[1] + _SHADOW_FROM * EYES_PX) - top)
    else:
        opacity = _from_anything(placed)[top:bottom, left:right]
        wall = _behind(part, opacity)
    bgra = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    # What was seen is a mixture: seen = opacity x person + (1 - opacity) x wall. Taking the wall out again is what
    # keeps its grey from showing around curls.
    opaque = opacity[..., None]
    bgra[top:bottom, left:right, :3] = np.clip(part - (1 - opaque) * wall, 0, 255 * opaque) + 0.5
    bgra[top:bottom, left:right, 3] = 255 * opacity + 0.5
    return Figure(bgra, placed.mesh, _reach(placed))


def uncut(portrayal: Portrayal) -> Figure:
    """Return the whole picture, with what is behind the person, at the size and the place of all figures."""
    placed = _place(portrayal)
    left, top, right, bottom = placed.box
    bgra = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    bgra[top:bottom, left:right] = cv2.cvtColor(placed.bgr[top:bottom, left:right], cv2.COLOR_BGR2BGRA)
    return Figure(bgra, placed.mesh, _reach(placed))


def _place(portrayal: Portrayal) -> _Placed:
    fit = EYES_PX / size_px(portrayal.mesh.five)
    how = cv2.INTER_AREA if fit < 1 else cv2.INTER_CUBIC
    small = cv2.resize(portrayal.bgr, None, fx=fit, fy=fit, interpolation=how)
    mesh = portrayal.mesh.points[:, :2] * np.float32(fit)
    shift = np.round(np.array(EYES_AT) - fit * portrayal.mesh.five[:2].mean(axis=0)).astype(int)
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    left, top = np.maximum(shift, 0)
    right, bottom = np.minimum(shift + small.shape[1::-1], (WIDTH, HEIGHT))
    canvas[top:bottom, left:right] = small[top - shift[1] : bottom - shift[1], left - shift[0] : right - shift[0]]
    return _Placed(canvas, (mesh + shift).astype(np.float32), (int(left), int(top), int(right), int(bottom)))


def _reach(placed: _Placed) -> Layer:
    """Return where the head of this picture holds: all of it down to the chin, then the neck and the collar alone,
    because no two pictures of a person have the same shoulders."""
    left, top, right, bottom = placed.box
    chin = int(placed.mesh[CHIN, 1] + 0.1 * EYES_PX)
    neck = int(_NECK_HALF_WIDTH * EYES_PX)
    middle = int(placed.mesh[CHIN, 0])
    inside = np.zeros((HEIGHT + 2, WIDTH + 2), np.uint8)
    inside[top + 1 : min(chin, bottom) + 1, left + 1 : right + 1] = 1
    inside[chin : bottom + 1, middle - neck : middle + neck] = 1
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    return np.asarray(np.clip((depth - 2) / _SEAM_PX, 0, 1), np.float32)


def _studio_wall(part: Layer) -> Layer:
    """Return the wall as it would be without the person: each row from its outermost pixels, left to right."""
    edge = max(4, part.shape[1] // 40)
    sides = np.stack([np.median(part[:, :edge], axis=1), np.median(part[:, -edge:], axis=1)], axis=1)
    top = np.median(sides[: max(8, part.shape[0] // 8)], axis=(0, 1))
    rows = np.arange(part.shape[0])
    for side in range(2):
        seen = np.abs(sides[:, side] - top).max(axis=1) < 40  # where the shoulders reach the border, it is not wall
        for channel in range(3):
            sides[:, side, channel] = np.interp(rows, rows[seen], sides[seen, side, channel])
    even = cv2.GaussianBlur(sides.astype(np.float32), (1, 31), 0)
    across = np.linspace(0, 1, part.shape[1], dtype=np.float32)[None, :, None]
    return np.asarray(even[:, :1] * (1 - across) + even[:, 1:] * across, np.float32)


def _from_wall(part: Layer, wall: Layer, knees: int) -> Layer:
    """Return how far each pixel is the person, 0 to 1, from how far it is from the wall."""
    far = cv2.GaussianBlur(np.abs(part - wall).max(axis=2), (3, 3), 0)
    soft = np.clip((far - _CLEARLY_BACKGROUND) / (_CLEARLY_PERSON - _CLEARLY_BACKGROUND), 0, 1)
    tinted = part[knees:].max(axis=2) - part[knees:].min(axis=2) > _SHADOW_TINT
    soft[knees:] *= tinted | (part[knees:].mean(axis=2) > wall[knees:].mean(axis=2))
    solid = (soft > 0.5).astype(np.uint8)
    outlines, tree = cv2.findContours(solid, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    person = max(range(len(outlines)), key=lambda index: cv2.contourArea(outlines[index]))
    filled = np.zeros_like(solid)
    cv2.drawContours(filled, outlines, person, 1, cv2.FILLED)
    for index, outline in enumerate(outlines):
        if tree[0][index][3] == person and cv2.contourArea(outline) > _LARGEST_HOLE_PX:
            cv2.drawContours(filled, outlines, index, 0, cv2.FILLED)
    inner = cv2.erode(filled, np.ones((5, 5), np.uint8))
    outer = cv2.dilate(filled, np.ones((13, 13), np.uint8))
    return np.asarray(np.maximum(soft * outer, inner), np.float32)


def _behind(part: Layer, opacity: Layer) -> Layer:
    """Return what is behind the person's edges: the surroundings, smeared inwards."""
    clear = (opacity < 0.05).astype(np.float32)
    weight = cv2.GaussianBlur(clear, (0, 0), 9) + 1e-4
    return np.asarray(cv2.GaussianBlur(part * clear[..., None], (0, 0), 9) / weight[..., None], np.float32)


def _from_anything(placed: _Placed) -> Layer:
    """Return how far each pixel is the person, 0 to 1, in front of any background (GrabCut, Rother et al. 2004)."""
    fit = 0.4
    small = cv2.resize(placed.bgr, None, fx=fit, fy=fit, interpolation=cv2.INTER_AREA)
    labels = _first_guess(small.shape[:2], fit)
    model = np.zeros((2, 1, 65), np.float64)
    cv2.setRNGSeed(1)  # its colour clusters start at random; the demo is the same each time
    cv2.grabCut(small, labels, (0, 0, 1, 1), model[0], model[1], 4, cv2.GC_INIT_WITH_MASK)
    hard = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    parts, numbered, stats = cv2.connectedComponentsWithStats(hard)[:3]
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])) if parts > 1 else 0
    whole = cv2.resize((numbered == largest).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return _follow_edges(placed.bgr, whole)


def _first_guess(shape: tuple[int, int], fit: float) -> NDArray[np.uint8]:
    """A person who stands: head over a trunk. In units of the eyes' distance, from between the eyes."""
    labels = np.full(shape, cv2.GC_BGD, np.uint8)
    unit, x, y = EYES_PX * fit, EYES_AT[0] * fit, EYES_AT[1] * fit

    def box(left: float, top: float, right: float, bottom: float, value: int) -> None:
        corner = (int(x + left * unit), int(max(0, y + top * unit)))
        cv2.rectangle(labels, corner, (int(x + right * unit), int(y + bottom * unit)), value, cv2.FILLED)

    box(-2.2, -2.4, 2.2, 3.0, cv2.GC_PR_BGD)
    box(-4.4, 2.4, 4.4, 30.0, cv2.GC_PR_BGD)
    box(-1.4, -1.7, 1.4, 1.4, cv2.GC_PR_FGD)
    box(-0.9, 1.4, 0.9, 3.4, cv2.GC_PR_FGD)
    box(-3.0, 3.4, 3.0, 20.0, cv2.GC_PR_FGD)
    box(-1.0, -1.4, 1.0, 1.8, cv2.GC_FGD)
    box(-1.8, 4.0, 1.8, 11.0, cv2.GC_FGD)
    return labels


def _follow_edges(bgr: Picture, rough: Layer) -> Layer:
    """Return ``rough`` drawn to the picture's own edges (guided filter on grey, He et al. 2010)."""
    grey, window, smooth = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255, (13, 13), 1e-4
    mean, mean_rough = cv2.blur(grey, window), cv2.blur(rough, window)
    slope = (cv2.blur(grey * rough, window) - mean * mean_rough) / (cv2.blur(grey * grey, window) - mean**2 + smooth)
    base = cv2.blur(mean_rough - slope * mean, window)
    return np.asarray(np.clip(1.25 * (cv2.blur(slope, window) * grey + base) - 0.125, 0, 1), np.float32)
