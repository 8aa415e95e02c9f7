# SPDX-License-Identifier: Apache-2.0
"""Remembers the empty scene in front of a camera that does not move, and says how much of it is where it always was.

A picture that is held up hides what is beside and above a head; a person does not. What is kept is one grey thumbnail
of 80 x 60 pixels of a scene in which nobody was found for some seconds and nothing moved. It lives in this process's
memory and follows daylight slowly. Blocks of it are compared by the correlation of their gradients, which light hardly
changes. Where the scene was never seen empty, or has too little texture, nothing is said. A scene that has changed
altogether is still compared with what it was: whoever covers the lens with something of their own gains nothing. Only
after ten minutes is it taken for the camera's new view.
"""

from __future__ import annotations

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
    """One camera's scene. Times are CLOCK_MONOTONIC, growing."""

    def __init__(self) -> None:
        self.state = SceneState.NEVER_EMPTY
        self._empty: _Layer | None = None
        self._last: _Layer | None = None
        self._last_ns = 0
        self._still_ns: int | None = None
        self._other_ns: int | None = None

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
        return _agreement(self._empty, _thumbnail(picture), _background(points[:, :2] * scale))

    def _learn(self, now: _Layer, now_ns: int) -> None:
        if self._empty is None or self._empty.shape != now.shape:
            self._empty, self.state = now.copy(), SceneState.KNOWN
            return
        everywhere = np.ones(_blocks_of(now), bool)
        same = _agreement(self._empty, now, everywhere)
        if same is None or same >= _SAME_SCENE:
            self.state, self._other_ns = SceneState.KNOWN, None
            self._empty += _RATE * (now - self._empty)
            return
        self.state = SceneState.CHANGED
        self._other_ns = self._other_ns or now_ns
        if now_ns - self._other_ns >= _MOVED_NS:  # it stays so: this is the scene from now on
            self._empty, self.state, self._other_ns = now.copy(), SceneState.KNOWN, None


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


def _agreement(before: _Layer, now: _Layer, where: NDArray[np.bool_]) -> float | None:
    """Return the share of these blocks whose gradients correlate, of those that have any; None for too few."""
    one, other = _gradients(before), _gradients(now)
    strength = np.sqrt(_sums(one * one).sum(0))
    both = _sums(one * other).sum(0)
    length = strength * np.sqrt(_sums(other * other).sum(0))
    told = where & (strength > _LEAST_TEXTURE * _BLOCK_PX)
    if int(told.sum()) < _FEWEST_BLOCKS:
        return None
    return float((both[told] > _ALIKE * length[told]).mean())


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
