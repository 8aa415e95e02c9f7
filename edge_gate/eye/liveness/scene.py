# SPDX-License-Identifier: Apache-2.0
"""Remembers the empty scene in front of a camera that does not move, and says how much of it is where it always was.

A picture that is held up hides what is beside and above a head; a person does not. What is kept is one grey thumbnail
of 80 x 60 pixels of a scene in which nobody was found for some seconds and nothing moved. It lives in this process's
memory and follows daylight slowly. Blocks of it are compared by the correlation of their gradients, which light hardly
changes. Where the scene was never seen empty, or has too little texture, nothing is said. A scene that has changed
is still compared with what it was, block by block: whoever covers the lens with something of their own gains nothing.
Only after ten minutes is a block's new look taken. Somebody who stands still with their back turned is learned as well,
until they go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.eye.liveness.surroundings import face_box
from edge_gate.wire.eye import SceneState

THUMBNAIL: Final = (80, 60)
_BLOCK_PX: Final = 5
_LEARN_EVERY_NS: Final = 250_000_000
# So long nobody was found and nothing moved, before the scene is taken for empty.
_STILL_NS: Final = 1_500_000_000
# How far a block's mean may change within a quarter of a second besides what the light does to all of them: in grey
# levels, and as a share of its brightness.
_STILL_LEVELS: Final = 4.0
_STILL_SHARE: Final = 0.06
_RATE: Final = 0.1
_ALIKE: Final = 0.5
_LEAST_TEXTURE: Final = 1.5
_FEWEST_BLOCKS: Final = 5
# Of an empty scene at least this share looks as before; less for so long, and the camera was moved.
_SAME_SCENE: Final = 0.5
_MOVED_NS: Final = 600_000_000_000
# Beside a head, in widths and heights of the face's box: hair, ears and shoulders are the person's.
_HEAD_WIDER: Final = 0.45
_HEAD_HIGHER: Final = 0.55

_Layer = NDArray[np.float32]


class SceneMemory:
    """One camera's scene. Times are CLOCK_BOOTTIME, growing."""

    def __init__(self) -> None:
        self.state = SceneState.NEVER_EMPTY
        self._empty: _Layer | None = None
        self._last: _Layer | None = None
        self._last_ns = 0
        self._still_ns: int | None = None
        self._other_ns: NDArray[np.int64] | None = None

    def note_empty(self, picture: Picture, now_ns: int) -> None:
        """Take in a picture in which nobody was found."""
        if self._last is not None and now_ns - self._last_ns < _LEARN_EVERY_NS:
            return
        now = _thumbnail(picture)
        still = self._last is not None and _still(self._last, now)
        self._last, self._last_ns = now, now_ns
        if not still:
            self._still_ns = now_ns
            return
        if self._still_ns is not None and now_ns - self._still_ns >= _STILL_NS:
            self._learn(now, now_ns)

    def note_person(self) -> None:
        """Somebody was found: the scene is not empty."""
        self._still_ns = self._last = None

    def agreement(self, picture: Picture, points: Points) -> float | None:
        """Return the share, 0 to 1, of the background's blocks that are as in the empty scene; None where that is not
        known. ``points``: the face's mesh in the picture's pixels."""
        if self._empty is None:
            return None
        rows, columns = picture.shape[:2]
        scale = np.array([THUMBNAIL[0] / columns, THUMBNAIL[1] / rows], np.float32)
        return _share(_compare(self._empty, _thumbnail(picture)), _background(points[:, :2] * scale))

    def _learn(self, now: _Layer, now_ns: int) -> None:
        """Follow the light where the scene is as it was. What is not waits ten minutes, each block by itself: a view
        that is exchanged bit by bit is no daylight."""
        if self._empty is None or self._other_ns is None:
            self._empty, self.state = now.copy(), SceneState.KNOWN
            self._other_ns = np.zeros(_blocks_of(now), np.int64)
            return
        compared = _compare(self._empty, now)
        self._other_ns[compared.same] = 0
        self._other_ns[~compared.same & (self._other_ns == 0)] = now_ns
        moved = ~compared.same & (now_ns - self._other_ns >= _MOVED_NS)
        rate = np.where(moved, 1.0, np.where(compared.same, _RATE, 0.0))
        self._empty += np.kron(rate, np.ones((_BLOCK_PX, _BLOCK_PX))).astype(np.float32) * (now - self._empty)
        self._other_ns[moved] = 0
        alike = _share(compared, np.ones_like(moved))
        self.state = SceneState.CHANGED if alike is not None and alike < _SAME_SCENE else SceneState.KNOWN


def _thumbnail(picture: Picture) -> _Layer:
    small = cv2.resize(picture, THUMBNAIL, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)


def _still(before: _Layer, now: _Layer) -> bool:
    """Tell whether nothing moved, whatever the light did to the whole."""
    one, other = (_sums(each[None])[0] / _BLOCK_PX**2 for each in (before, now))
    light = float(np.median((other + 1) / (one + 1)))
    return bool((np.abs(other - one * light) <= _STILL_LEVELS + _STILL_SHARE * one).all())


def _blocks_of(layer: _Layer) -> tuple[int, int]:
    return layer.shape[0] // _BLOCK_PX, layer.shape[1] // _BLOCK_PX


def _background(points: Points) -> NDArray[np.bool_]:
    """Return which blocks of the thumbnail lie beside and above a head whose mesh is given in its pixels."""
    left, top, width, height = face_box(points)
    rows, columns = THUMBNAIL[1] // _BLOCK_PX, THUMBNAIL[0] // _BLOCK_PX
    y, x = np.mgrid[0:rows, 0:columns] * _BLOCK_PX + _BLOCK_PX / 2
    beside = (x < left - _HEAD_WIDER * width) | (x > left + (1 + _HEAD_WIDER) * width)
    above = y < top - _HEAD_HIGHER * height
    return np.asarray((beside & (y < top + height)) | above, np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    """Block by block: whether there was texture before, and whether it is there now (or is still none)."""

    told: NDArray[np.bool_]
    same: NDArray[np.bool_]


def _compare(before: _Layer, now: _Layer) -> _Compared:
    one, other = _gradients(before), _gradients(now)
    strengths = [np.sqrt(_sums(each * each).sum(0)) for each in (one, other)]
    told, tells = (each > _LEAST_TEXTURE * _BLOCK_PX for each in strengths)
    alike = _sums(one * other).sum(0) > _ALIKE * strengths[0] * strengths[1]
    return _Compared(told, np.where(told, alike, ~tells))


def _share(compared: _Compared, where: NDArray[np.bool_]) -> float | None:
    """Return the share of these blocks that are the same, of those that have texture; None for too few."""
    told = where & compared.told
    return float(compared.same[told].mean()) if int(told.sum()) >= _FEWEST_BLOCKS else None


def _gradients(layer: _Layer) -> _Layer:
    smooth = cv2.GaussianBlur(layer, (0, 0), 0.7)
    return np.stack(
        [cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)]
    )


def _sums(layers: _Layer) -> _Layer:
    """Return the sum over each block: layers x rows x columns to layers x blocks down x blocks across."""
    count, rows, columns = layers.shape
    shaped = layers.reshape(count, rows // _BLOCK_PX, _BLOCK_PX, columns // _BLOCK_PX, _BLOCK_PX)
    return np.asarray(shaped.sum((2, 4)), np.float32)
