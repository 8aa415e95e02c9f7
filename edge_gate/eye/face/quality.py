# SPDX-License-Identifier: Apache-2.0
"""Measures a strip and says whether it may be compared, and if not, what the resident can do about it.

How each figure is taken, and what it was seen to do to recognition (cosine between the embeddings of a strip and of the
same strip spoilt; 141 strips):

interocular_px  pixels of the picture between the eyes. At 24 px the cosine is 0.98, at 16 px 0.95, at 8 px 0.70.
sharpness       strength of the fine gradients (after a blur of 1 pixel) by that of the coarse (4 pixels), less 1, along
                the axis where it is weaker, so that motion in either direction counts. A ratio does not change with
                the light. 0.3: cosine 0.70; 0.4: 0.82; 0.5: 0.91; 0.7: 0.97. Focused strips have 0.6 to 1.
exposure        mean brightness. 0.10: cosine 0.90 to 0.94; 0.05: 0.77 to 0.88 (with and without sensor noise).
yaw, pitch      the direction of the mesh's own three-dimensional points: the line between the temples, and the line
                from forehead to chin, which on a level face leans by _LEVEL_PITCH_DEG.
eyes_open       height by width of the narrower eye (edge_gate.eye.face.lids).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.align import INPUT_W, inside, interocular_px
from edge_gate.eye.face.geometry import Picture, Similarity
from edge_gate.eye.face.lids import EyeLids
from edge_gate.eye.face.mesh import TEMPLATE_INTEROCULAR_PX, Mesh
from edge_gate.settings.config import QualityLimits
from edge_gate.wire.eye import AcquisitionFailure, Quality

# Skin, eyes and brows of the strip: no hair, hardly any background.
_WINDOW: Final = (slice(14, 64), slice(20, 140))
_FINE_PX: Final = 1.0
_COARSE_PX: Final = 4.0
_NO_DIVISION_BY_ZERO: Final = 0.002
_TEMPLES: Final = (234, 454)
_FOREHEAD_AND_CHIN: Final = (10, 152)
_LEVEL_PITCH_DEG: Final = 7.0
_MIN_INSIDE: Final = 0.85
_INPUT_PER_INTEROCULAR: Final = INPUT_W / TEMPLATE_INTEROCULAR_PX
_LEAST_WEIGHT: Final = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """Figures of one strip, and the first limit that they break, NONE where they break none."""

    quality: Quality
    refusal: AcquisitionFailure


def assess(
    strip: Picture, mesh: Mesh, to_strip: Similarity, picture: Picture, lids: EyeLids, limits: QualityLimits
) -> Verdict:
    """Measure the strip that ``to_strip`` cut out of ``picture`` by ``mesh``, and hold it against the limits."""
    rows, columns = picture.shape[:2]
    grey = cv2.cvtColor(strip, cv2.COLOR_BGR2GRAY).astype(np.float32)
    yaw_deg, pitch_deg = pose_deg(mesh)
    figures = Quality(
        interocular_px=interocular_px(to_strip),
        sharpness=sharpness(grey),
        exposure=float(grey[_WINDOW].mean()) / 255,
        yaw_deg=yaw_deg,
        pitch_deg=pitch_deg,
        eyes_open=lids.openness(strip),
        weight=0.0,
    )
    if inside(to_strip, columns, rows) < _MIN_INSIDE:
        fits = figures.interocular_px * _INPUT_PER_INTEROCULAR <= columns
        return Verdict(figures, AcquisitionFailure.CUT_OFF if fits else AcquisitionFailure.TOO_CLOSE)
    refusal = judge(figures, limits)
    return Verdict(
        replace(figures, weight=_weight(figures)) if refusal is AcquisitionFailure.NONE else figures, refusal
    )


def judge(quality: Quality, limits: QualityLimits) -> AcquisitionFailure:
    """Return the first limit broken, in the order in which a person can best mend them."""
    broken = (
        (quality.interocular_px < limits.min_interocular_px, AcquisitionFailure.TOO_FAR),
        (quality.interocular_px > limits.max_interocular_px, AcquisitionFailure.TOO_CLOSE),
        (abs(quality.yaw_deg) > limits.max_yaw_deg, AcquisitionFailure.TURNED_AWAY),
        (abs(quality.pitch_deg) > limits.max_pitch_deg, AcquisitionFailure.TURNED_AWAY),
        (quality.exposure < limits.min_exposure, AcquisitionFailure.TOO_DARK),
        (quality.exposure > limits.max_exposure, AcquisitionFailure.TOO_BRIGHT),
        (quality.sharpness < limits.min_sharpness, AcquisitionFailure.BLURRED),
        (quality.eyes_open < limits.min_eyes_open, AcquisitionFailure.EYES_CLOSED),
    )
    return next((refusal for is_broken, refusal in broken if is_broken), AcquisitionFailure.NONE)


def for_enrolment(limits: QualityLimits) -> QualityLimits:
    """Return stricter limits: a reference is used for years, so it is taken nearer, steadier and straighter."""
    return replace(
        limits,
        min_interocular_px=min(1.4 * limits.min_interocular_px, limits.max_interocular_px),
        min_sharpness=min(1.3 * limits.min_sharpness, 1.0),
        min_exposure=min(1.5 * limits.min_exposure, limits.max_exposure),
        max_yaw_deg=0.7 * limits.max_yaw_deg,
        max_pitch_deg=0.8 * limits.max_pitch_deg,
        min_eyes_open=1.4 * limits.min_eyes_open,
    )


def sharpness(grey: NDArray[np.float32]) -> float:
    """Return the sharpness, 0 to 1, of a grey strip (float32, 72 x 160)."""
    fine, coarse = (_gradients(grey, blur_px) for blur_px in (_FINE_PX, _COARSE_PX))
    ratio = min(f / (c + _NO_DIVISION_BY_ZERO) for f, c in zip(fine, coarse, strict=True))
    return float(np.clip(ratio - 1, 0, 1))


def _gradients(grey: NDArray[np.float32], blur_px: float) -> tuple[float, float]:
    """Return the root mean square difference between neighbours, across and down, after a blur."""
    smooth = cv2.GaussianBlur(grey, (0, 0), blur_px)[_WINDOW]
    across, down = np.diff(smooth, axis=1), np.diff(smooth, axis=0)
    return float(np.sqrt((across**2).mean())), float(np.sqrt((down**2).mean()))


def pose_deg(mesh: Mesh) -> tuple[float, float]:
    """Return yaw (positive: turned to the right of the picture) and pitch (positive: chin forward), in degrees, 0 for
    a face that looks straight into the camera."""
    points = mesh.points.copy()
    points[:, :2] = Similarity(complex(np.exp(-1j * mesh.roll)), 0j)(points)
    across = points[_TEMPLES[1]] - points[_TEMPLES[0]]
    down = points[_FOREHEAD_AND_CHIN[1]] - points[_FOREHEAD_AND_CHIN[0]]
    yaw = float(np.degrees(np.arctan2(across[2], across[0])))
    return yaw, _LEVEL_PITCH_DEG - float(np.degrees(np.arctan2(down[2], down[1])))


def _weight(quality: Quality) -> float:
    """Return how much fusion should trust the strip: the product of what each figure was seen to leave of the cosine,
    and half of it at a yaw of 30 degrees."""
    parts = (
        _ramp(quality.sharpness, 0.15, 0.60),
        _ramp(quality.interocular_px, 6.0, 26.0),
        _ramp(quality.exposure, 0.0, 0.12),
        1 - min(abs(quality.yaw_deg), 45.0) / 60,
    )
    return max(_LEAST_WEIGHT, float(np.prod(parts)))


def _ramp(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0, 1))
