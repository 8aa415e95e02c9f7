# SPDX-License-Identifier: Apache-2.0
"""Paints a face mask on a cut-out figure, from the bridge of the nose to under the chin.

The cloth is a sheet with coordinates of its own, u from the person's right cheek to the left one and v from the nose
down, laid between two curves that follow the face mesh, so it turns and tilts with the face. Its shade comes from the
light on the face below it, from how the sheet bulges, and from its folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.geometry import Points
from edge_gate.tools.demo.cutout import EYES_PX, Figure
from edge_gate.tools.demo.faces import BROW, CHIN

Layer = NDArray[np.float32]

# Mesh points, from the person's right cheek over the nose to the left cheek, and along the jaw the same way.
_UPPER: Final = (234, 116, 117, 118, 197, 347, 346, 345, 454)
_LOWER: Final = (58, 136, 149, 176, 152, 400, 378, 365, 288)
_RIGHT_EAR: Final = (127, 234, 93, 132)
_LEFT_EAR: Final = (356, 454, 323, 361)
_SAMPLES: Final = (420, 300)  # of u and v: about two for each pixel of the mask
_MARGIN_PX: Final = 48
_SHADOW: Final = 0.28  # how much darker the face is just outside the mask's edge


@dataclass(frozen=True, slots=True)
class MaskStyle:
    """``bgr`` the cloth's colour; ``pleats`` where its folds lie in v; ``seam`` whether it has one down the middle;
    ``drop`` lowers the upper edge and ``chin`` the lower one, in distances between the eyes; ``tuck`` how far the
    sides stay away from the ears, 0 to 1."""

    name: str
    bgr: tuple[int, int, int]
    loop_bgr: tuple[int, int, int]
    pleats: tuple[float, ...]
    seam: bool
    drop: float
    chin: float
    tuck: float


SURGICAL: Final = MaskStyle("surgical", (198, 176, 134), (196, 194, 188), (0.30, 0.50, 0.70), False, 0.10, 0.22, 0.30)
WHITE: Final = MaskStyle("white", (214, 214, 212), (192, 192, 192), (0.36, 0.66), False, 0.14, 0.18, 0.22)
BLACK: Final = MaskStyle("black", (46, 42, 40), (40, 38, 36), (), True, 0.18, 0.16, 0.14)
STYLES: Final = (SURGICAL, WHITE, BLACK)


def put_on(figure: Figure, style: MaskStyle) -> Figure:
    """Return the figure with a mask on."""
    low = np.maximum(figure.mesh.min(axis=0).astype(int) - _MARGIN_PX, 0)
    high = figure.mesh.max(axis=0).astype(int) + _MARGIN_PX
    face = (slice(low[1], high[1]), slice(low[0], high[0]))
    bgra = figure.bgra.copy()
    bgra[face] = _masked(figure.bgra[face].astype(np.float32), figure.mesh - low.astype(np.float32), style)
    return Figure(bgra, figure.mesh, figure.reach)


def _masked(bgra: Layer, mesh: Points, style: MaskStyle) -> NDArray[np.uint8]:
    upper, lower = _edges(mesh, style)
    cover = _cover(bgra.shape[:2], upper, lower)
    shade = _sheet(bgra.shape[:2], upper, lower, style) * _light(bgra, mesh)
    cloth = np.dstack([np.minimum(shade[..., None] * np.array(style.bgr), 250), np.full(shade.shape, 255)])
    bgra = _loops(_shadow(bgra, cover), mesh, upper, lower, style)
    bgra = bgra * (1 - cover[..., None]) + cloth.astype(np.float32) * cover[..., None]
    return np.asarray(np.clip(bgra + 0.5, 0, 255), np.uint8)


def _edges(mesh: Points, style: MaskStyle) -> tuple[Points, Points]:
    """Return the upper and the lower edge, each a smooth curve from right to left, float32, samples x 2."""
    down = mesh[CHIN] - mesh[BROW]
    down = down / np.hypot(*down)
    upper = mesh[list(_UPPER)] + style.drop * EYES_PX * down
    lower = mesh[list(_LOWER)].copy()
    for side, inner in ((0, 1), (-1, -2)):
        upper[side] += style.tuck * (upper[inner] - upper[side]) + 0.10 * EYES_PX * down
        lower[side] += 0.5 * style.tuck * (lower[inner] - lower[side])
    middle = np.sin(np.linspace(0, np.pi, len(_LOWER)))[:, None]
    lower += style.chin * EYES_PX * down * middle**2
    return _smooth(upper), _smooth(lower)


def _smooth(knots: Points) -> Points:
    """Return a curve near the knots (uniform cubic B-spline through the ends), evenly spaced."""
    padded = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    t = np.linspace(0, 1, 60, endpoint=False, dtype=np.float32)[:, None]
    basis = [(1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6]
    pieces = [sum(weight * padded[start + k] for k, weight in enumerate(basis)) for start in range(len(padded) - 3)]
    curve = np.vstack([*pieces, knots[-1:]])
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    at = np.linspace(0, length[-1], _SAMPLES[0])
    return np.stack([np.interp(at, length, curve[:, axis]) for axis in range(2)], axis=1).astype(np.float32)


def _cover(shape: tuple[int, ...], upper: Points, lower: Points) -> Layer:
    """Return how much of each pixel the cloth covers, 0 to 1."""
    outline = np.vstack([upper, lower[::-1]])
    cover = np.zeros(shape, np.uint8)
    cv2.fillPoly(cover, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(cover, (3, 3), 0) / 255, np.float32)


def _sheet(shape: tuple[int, ...], upper: Points, lower: Points, style: MaskStyle) -> Layer:
    """Return the cloth's light and dark, around 1, laid between the two edges."""
    rows, columns = shape
    v = np.linspace(0, 1, _SAMPLES[1], dtype=np.float32)[:, None]
    u = np.linspace(0, 1, _SAMPLES[0], dtype=np.float32)[None]
    place = upper[None] * (1 - v[..., None]) + lower[None] * v[..., None]
    index = np.clip(np.round(place[..., 1]), 0, rows - 1) * columns + np.clip(np.round(place[..., 0]), 0, columns - 1)
    flat, size = index.astype(np.int64).ravel(), rows * columns
    hits = np.bincount(flat, minlength=size).reshape(rows, columns).astype(np.float32)
    total = np.bincount(flat, _cloth(u, v, style).ravel(), minlength=size).reshape(rows, columns).astype(np.float32)
    near = cv2.GaussianBlur(total, (3, 3), 0) / np.maximum(cv2.GaussianBlur(hits, (3, 3), 0), 1e-3)
    return np.asarray(near, np.float32)


def _cloth(u: Layer, v: Layer, style: MaskStyle) -> Layer:
    """Return the sheet's own light and dark, around 1, float32, v x u."""
    across = 2 * u - 1
    shade = 1.06 - 0.30 * np.abs(across) ** 2.2 - 0.20 * np.clip(v - 0.55, 0, 1) ** 1.2 + 0 * u
    for pleat in style.pleats:  # a fold hangs: light on its back, a dark line under it
        bent = v - pleat - 0.03 * across**2
        shade = shade + 0.07 * np.exp(-((bent + 0.035) ** 2) / 8e-4) - 0.22 * np.exp(-((bent - 0.004) ** 2) / 1.6e-4)
    if style.seam:
        shade = shade - 0.35 * np.exp(-(across**2) / 1.5e-4) + 0.30 * np.exp(-(across**2) / 9e-2)
    shade = shade + 0.10 * np.exp(-((v - 0.035) ** 2) / 4e-4) * (np.abs(across) < 0.45)  # the wire over the nose
    shade = shade - 0.16 * np.exp(-((v - 0.075) ** 2) / 2e-4) - 0.14 * np.exp(-((v - 0.95) ** 2) / 3e-4)
    wrinkles = np.random.default_rng(len(style.name)).normal(0, 1, (7, 10)).astype(np.float32)
    crumple = cv2.resize(wrinkles, (u.shape[1], v.shape[0]), interpolation=cv2.INTER_CUBIC)
    weave = np.random.default_rng(1).normal(0, 0.012, shade.shape)
    return np.asarray(shade + 0.045 * crumple * (0.3 + np.abs(across)) + weave, np.float32)


def _light(bgra: Layer, mesh: Points) -> Layer:
    """Return how the light falls on this face, around 1: its brightness, smeared until no feature is left."""
    grey = bgra[..., :3].mean(axis=2)
    skin = np.zeros(grey.shape, np.float32)
    cv2.fillConvexPoly(skin, cv2.convexHull(np.round(mesh).astype(np.int32)), 1.0)
    weight = cv2.GaussianBlur(skin, (0, 0), 0.35 * EYES_PX) + 1e-3
    level = cv2.GaussianBlur(grey * skin, (0, 0), 0.35 * EYES_PX) / weight
    mean = float((level * skin).sum() / skin.sum())
    return np.asarray(np.clip(0.4 + 0.6 * level / max(mean, 1.0), 0.5, 1.12), np.float32)


def _shadow(bgra: Layer, cover: Layer) -> Layer:
    soft = cv2.GaussianBlur(np.roll(cover, -2, axis=0), (0, 0), 0.04 * EYES_PX)
    bgra[..., :3] *= (1 - _SHADOW * soft)[..., None]
    return bgra


def _loops(bgra: Layer, mesh: Points, upper: Points, lower: Points, style: MaskStyle) -> Layer:
    """Return the layer with the ear loops drawn, from each corner back to where the ear begins."""
    drawn = np.zeros(bgra.shape[:2], np.uint8)
    for ear, top, bottom in ((_RIGHT_EAR, upper[0], lower[0]), (_LEFT_EAR, upper[-1], lower[-1])):
        edge = mesh[list(ear)]
        outward = (edge[1] - mesh.mean(axis=0)) * np.array([0.07, 0.0], np.float32)
        for corner, end in ((top, edge[0] * 0.35 + edge[1] * 0.65), (bottom, edge[2])):
            bend = (corner + end) / 2 + np.array([0, 0.03 * EYES_PX], np.float32)
            curve = np.stack([corner, bend, end + outward])
            cv2.polylines(drawn, [np.round(curve * 16).astype(np.int32)], False, 255, 2, cv2.LINE_AA, 4)
    thin = cv2.GaussianBlur(drawn, (3, 3), 0).astype(np.float32)[..., None] / 255 * (bgra[..., 3:] / 255) * 0.9
    strap = np.array([*style.loop_bgr, 255], np.float32)
    return np.asarray(bgra * (1 - thin) + strap * thin, np.float32)
