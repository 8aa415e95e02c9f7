# SPDX-License-Identifier: Apache-2.0
"""Real pixels for the eye's tests: the AI-made people of the package openpeople, put before a 640 x 480 camera.

Pictures are read from the installed package and made in memory; none is written into the repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.pipeline import Models, acquire, open_models
from edge_gate.provenance import cards
from edge_gate.settings.config import ModelSettings, QualityLimits

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]

MODELS_FOLDER = cards.folder(Path())
# Written out, so that a change of the defaults is not a change of what is tested.
LIMITS = QualityLimits(
    min_interocular_px=22, max_interocular_px=600, min_sharpness=0.35, min_exposure=0.06, max_exposure=0.88,
    max_yaw_deg=25, max_pitch_deg=25, min_eyes_open=0.12,
)  # fmt: skip
FRAME_NS = 66_000_000
# The middles of the cells of a sheet of emotions: four by four, in reading order.
_CELL_X, _CELL_Y = (352, 907, 1470, 2040), (262, 690, 1117, 1537)
_MASK_OUTLINE = (234, 117, 197, 346, 454, 361, 397, 378, 152, 149, 172, 132)


@cache
def models() -> Models:
    """The shipped models, opened once for all tests."""
    return open_models(ModelSettings())


def picture(who: str, kind: str) -> Picture:
    found = find_spec("openpeople")
    assert found is not None and found.origin is not None, "the test extra needs openpeople"
    bgr = cv2.imread(str(Path(found.origin).parent / "data/curated" / who / "assets" / f"{kind}.jpg"))
    assert bgr is not None
    return bgr.astype(np.uint8, copy=False)


def expression(who: str, cell: int) -> Picture:
    """One head of the sheet of emotions; cells are numbered from 0 in reading order."""
    x, y = _CELL_X[cell % 4], _CELL_Y[cell // 4]
    return picture(who, "emotions_sheet")[max(0, y - 170) : y + 170, max(0, x - 230) : x + 230].copy()


@cache
def sitter(who: str, kind: str = "studio_portrait", masked: bool = False) -> tuple[Picture, Points]:
    """A picture reduced to about 140 pixels between the eyes, perhaps with a mask, and its five mesh points."""
    bgr = picture(who, kind)
    found = acquire(models(), bgr, LIMITS)
    assert found is not None
    five = found.mesh.five
    if masked:
        bgr = with_mask(bgr, found.mesh.points)
    fit = min(1.0, 140 / float(np.linalg.norm(five[1] - five[0])))
    small = cv2.resize(bgr, None, fx=fit, fy=fit, interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False), five * np.float32(fit)


def with_mask(bgr: Picture, mesh: NDArray[np.floating[Any]]) -> Picture:
    """A copy with a blue mask from the bridge of the nose to the chin."""
    out = bgr.copy()
    outline = np.rint(mesh[list(_MASK_OUTLINE), :2]).astype(np.int32)
    cv2.fillPoly(out, [outline], (200, 170, 130), cv2.LINE_AA)
    return out


def frame(
    who: tuple[Picture, Points],
    interocular_px: float = 60,
    at: tuple[float, float] = (320, 220),
    turned: float = 0.0,
    noise: float = 3.0,
    seed: int = 0,
    onto: Picture | None = None,
) -> Picture:
    """What a 640 x 480 camera sees of a person: ``at`` is where the middle of the eyes is."""
    bgr, five = who
    right, left = five[:2].astype(float)
    scale = interocular_px / float(np.linalg.norm(left - right))
    c, s = scale * np.cos(turned), scale * np.sin(turned)
    turn = np.array([[c, -s], [s, c]])
    matrix = np.column_stack((turn, np.array(at) - turn @ (right + left) / 2))
    if scale < 0.7:
        reduced = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        matrix[:, :2] *= np.array([bgr.shape[1] / reduced.shape[1], bgr.shape[0] / reduced.shape[0]])
        bgr = reduced.astype(np.uint8, copy=False)
    border = cv2.BORDER_CONSTANT if onto is None else cv2.BORDER_TRANSPARENT
    base = None if onto is None else onto.copy()
    out = cv2.warpAffine(bgr, matrix, (640, 480), dst=base, flags=cv2.INTER_LINEAR, borderMode=border,
                         borderValue=(110, 115, 120))  # fmt: skip
    return noisy(out, noise, seed)


def noisy(bgr: NDArray[Any], strength: float, seed: int) -> Picture:
    noise = np.random.default_rng(seed).normal(0, strength, bgr.shape)
    return np.asarray((bgr + noise).clip(0, 255), np.uint8)


def empty(seed: int = 0) -> Picture:
    """A street without people: a gradient, a few edges, noise."""
    rows = np.linspace(60, 180, 480)[:, None, None]
    street = np.broadcast_to(rows, (480, 640, 3)).copy()
    street[300:, 80:120] = 40
    street[100:360, 500:620] = (90, 120, 70)
    return noisy(street, 3.0, seed)


def sway(who: tuple[Picture, Points], count: int, start: int = 0, **more: Any) -> Iterator[tuple[Picture, int]]:
    """Frames, with their times, of somebody who comes nearer, from 30 pixels between the eyes on, and sways."""
    for k in range(start, start + count):
        at = (320 + 40 * np.sin(0.35 * k), 215 + 12 * np.sin(0.5 * k))
        yield frame(who, 30 + 2.5 * k, at, 0.06 * np.sin(0.5 * k), seed=k, **more), (k + 100) * FRAME_NS
