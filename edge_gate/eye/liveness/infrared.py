# SPDX-License-Identifier: Apache-2.0
"""What a second camera sees in the near infrared of the face that the first one sees. **Not proven**: no data was at
hand, and it was tried on simulated pictures alone.

A screen sends no infrared, so there is no face; of a print whose ink is clear in the infrared there is none either
(NO_FACE). A print whose ink is not has a face, but a flat one (FLAT). That shows where the lamp strobes: a picture with
the lamp less one without is the lamp's own light. Divided by what the surroundings' light gives, all that is printed
cancels out, shades too. On paper the quotient is even. On a head it falls from between the brows to the temples, which
turn away from the lamp. Where the surroundings give no infrared, as at night or under many lamps of LEDs, that cannot
be measured, and a face is a face.

The two lenses are taken to be side by side, with about the same angle of view. No picture is kept.
"""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass
from math import isnan, log, nan
from typing import Final

import cv2
import numpy as np

from edge_gate.core.clock import Clock
from edge_gate.core.errors import CameraError
from edge_gate.core.token_bucket import TokenBucket
from edge_gate.eye.cameras import Frame, MountedCamera, open_camera
from edge_gate.eye.face.detect import Detector, Face
from edge_gate.eye.face.geometry import Picture, Points, fit
from edge_gate.eye.face.mesh import Mesh
from edge_gate.settings.config import InfraredSettings
from edge_gate.wire.eye import InfraredCamera

NEAR_S: Final = 0.2
# Simulated: heads 0.74 to 1.02, prints -0.01 to 0.05, bent ones to 0.09. Of real ones nothing is known.
LEAST_RELIEF: Final = 0.2
# How far a face may be from where it should be, in distances between its eyes, and how much larger or smaller.
FARTHEST: Final = 2.0
LARGEST_RATIO: Final = 1.8
_REGION: Final = 4.0  # what is looked at, in distances between the eyes to each side
_LEAST_STEP: Final = 3.0  # grey levels between a picture with the lamp and one without
_LEAST_LIGHT: Final = 6.0
_SATURATED: Final = 250.0
_BRIGHT: Final = 220.0
_MOST_GAIN: Final = 8.0
_PATCH: Final = 0.06
# Points of the mesh that no mask covers: between the brows and down the bridge of the nose; the right and left temple.
_MIDDLE: Final = (9, 8, 168, 6)
_TEMPLES: Final = ((34, 139, 162), (264, 368, 389))
_MOST_LINES: Final = 3
_LINES_PER_S: Final = 1 / 300
_log = logging.getLogger(__name__)


class InfraredState(enum.IntEnum):
    """What the infrared camera says of a face. UNKNOWN: it has no picture of this moment."""

    UNKNOWN = 1
    FACE = 2
    NO_FACE = 3
    FLAT = 4


@dataclass(frozen=True, slots=True)
class Infrared:
    """One look. ``relief``: the logarithm of how much more the lamp's light falls off towards the temples than the
    surroundings' does; NaN where it was not measured."""

    state: InfraredState
    relief: float = nan


class InfraredWitness:
    """Asks the infrared camera about a face."""

    def __init__(self, camera: MountedCamera, detector: Detector, clock: Clock, *, strobes: bool) -> None:
        self._camera = camera
        self._detector = detector
        self._clock = clock
        self._strobes = strobes
        self._failed = False
        self._lines = TokenBucket(_MOST_LINES, _LINES_PER_S, clock.monotonic_ns())

    def tend(self) -> None:
        """Keep the camera open, once a second: what was unplugged is opened again. Never waits."""
        self._read(0.0)

    def look(self, mesh: Mesh, width_px: int, captured_ns: int) -> Infrared:
        """Return what is there of a face that the first camera saw at ``captured_ns`` (CLOCK_BOOTTIME), with ``mesh``
        in a picture ``width_px`` wide. Waits for a picture, or for two where the lamp strobes, 0.2 s at most."""
        pictures = self._take(2 if self._strobes else 1, captured_ns)
        if pictures is None:
            return Infrared(InfraredState.UNKNOWN)
        if not self._strobes:
            return judge(self._detector, mesh, width_px, pictures[0], None)
        apart = lit_minus_dark(pictures[0], pictures[1])
        return Infrared(InfraredState.UNKNOWN) if apart is None else judge(self._detector, mesh, width_px, *apart)

    @property
    def state(self) -> InfraredCamera:
        """How the camera is."""
        return InfraredCamera.FAILING if self._failed else InfraredCamera.WORKING

    def close(self) -> None:
        """Let go of the camera."""
        self._camera.close()

    def _take(self, count: int, captured_ns: int) -> list[Picture] | None:
        """Return pictures of this moment, one after the other; None where they do not come."""
        pictures = []
        for _ in range(count):
            frame = self._read(NEAR_S / count)
            if frame is None or abs(frame.captured_ns - captured_ns) > NEAR_S * 1e9:
                return None
            pictures.append(frame.bgr)
        return pictures if len({each.shape for each in pictures}) == 1 else None

    def _read(self, timeout_s: float) -> Frame | None:
        try:
            frame = self._camera.read(timeout_s)
        except CameraError as error:
            self._tell(failed=True, text=f"the infrared camera: {error}")
            return None
        if frame is not None:
            self._tell(failed=False, text="the infrared camera works")
        return frame

    def _tell(self, *, failed: bool, text: str) -> None:
        if failed != self._failed and self._lines.spend(self._clock.monotonic_ns()):
            _log.log(logging.ERROR if failed else logging.INFO, "%s", text)
        self._failed = failed


def open_witness(settings: InfraredSettings, detector: Detector, clock: Clock) -> InfraredWitness:
    """Return the witness of a site. Raises what `open_camera` raises; a device is opened by the first `tend`."""
    return InfraredWitness(open_camera(settings, clock), detector, clock, strobes=settings.lamp == "strobes")


def lit_minus_dark(one: Picture, other: Picture) -> tuple[Picture, Picture] | None:
    """Return what the lamp alone gives, and what there is without it, both grey, from two successive pictures of one
    size; None where the lamp did not change."""
    first, second = (cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in (one, other))
    lit, dark = (first, second) if first.mean() > second.mean() else (second, first)
    if lit.mean() - dark.mean() < _LEAST_STEP:
        return None
    return cv2.subtract(lit, dark).astype(np.uint8, copy=False), dark.astype(np.uint8, copy=False)


def judge(detector: Detector, mesh: Mesh, width_px: int, seen: Picture, dark: Picture | None) -> Infrared:
    """Say what is there of the face in an infrared picture: in ``seen`` by the lamp's own light, where there is a
    picture ``dark`` without it."""
    if seen.mean() < _LEAST_LIGHT and seen.std() < _LEAST_LIGHT:
        return Infrared(InfraredState.UNKNOWN)  # there is no light: of a lamp that is broken nothing can be said
    face = find_same(detector, mesh, width_px, seen)
    if face is None:
        return Infrared(InfraredState.NO_FACE)
    relief = nan if dark is None else measure_relief(seen, dark, fit(mesh.five, face.five)(mesh.points[:, :2]))
    flat = not isnan(relief) and relief < LEAST_RELIEF
    return Infrared(InfraredState.FLAT if flat else InfraredState.FACE, relief)


def find_same(detector: Detector, mesh: Mesh, width_px: int, picture: Picture) -> Face | None:
    """Return the face of ``picture`` that is about where ``mesh`` is in the first camera's, and about as large."""
    if not np.isfinite(mesh.points).all():
        return None
    right, left = mesh.five[:2] * np.float32(picture.shape[1] / width_px)
    middle, apart_px = (right + left) / 2, float(np.linalg.norm(left - right))
    low = np.maximum(0, middle - _REGION * apart_px).astype(int)
    high = np.maximum(low + 1, middle + _REGION * apart_px).astype(int)
    region = picture[low[1] : high[1], low[0] : high[0]]
    if region.size == 0 or apart_px < 1:
        return None
    for face in detector.find(_brightened(region)):
        five = face.five + low.astype(np.float32)
        size_px = float(np.linalg.norm(five[1] - five[0]))
        away_px = float(np.linalg.norm(five[:2].mean(0) - middle))
        near = away_px <= FARTHEST * apart_px
        if near and 1 / LARGEST_RATIO <= size_px / apart_px <= LARGEST_RATIO:
            return Face(five, face.size_px, face.score)
    return None


def measure_relief(lit: Picture, dark: Picture, points: Points) -> float:
    """Return the logarithm of how much more the lamp's light falls off to the temples than the surroundings' does; NaN
    where one of the two is too weak or too strong to be measured. ``points``: the mesh in these grey pictures."""
    half = max(1, round(_PATCH * float(np.linalg.norm(points[33] - points[263]))))
    falls = [_fall_off(each, points, half) for each in (lit, dark)]
    return falls[0] - falls[1]


def _fall_off(grey: Picture, points: Points, half: int) -> float:
    middle, right, left = (_level(grey, points[list(each)], half) for each in (_MIDDLE, *_TEMPLES))
    return log(middle) - (log(right) + log(left)) / 2


def _level(grey: Picture, places: Points, half: int) -> float:
    """Return how bright it is about some points; NaN where that is outside, too dark or too bright to be measured."""
    levels = []
    for across, down in np.rint(places).astype(int):
        patch = grey[max(0, down - half) : down + half + 1, max(0, across - half) : across + half + 1]
        levels.append(float(patch.mean()) if patch.size else nan)
    level = float(np.median(levels))
    return level if _LEAST_LIGHT <= level <= _SATURATED else nan


def _brightened(picture: Picture) -> Picture:
    """Return the picture in BGR, as bright as the detector's people are."""
    bright = max(1.0, float(np.percentile(picture, 99)))
    gained = cv2.convertScaleAbs(picture, alpha=min(_MOST_GAIN, max(1.0, _BRIGHT / bright)))
    colour = gained if picture.ndim == 3 else cv2.cvtColor(gained, cv2.COLOR_GRAY2BGR)
    return colour.astype(np.uint8, copy=False)
