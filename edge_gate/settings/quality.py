# SPDX-License-Identifier: Apache-2.0
"""The section [quality]."""

from __future__ import annotations

from dataclasses import dataclass

from edge_gate.settings.setting import setting


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """What a strip must be before it is compared; a resident is told which one failed."""

    min_interocular_px: float = setting(22.0, "pixels between the eyes: below, 'come closer'", low=8, high=400)
    max_interocular_px: float = setting(600.0, "pixels between the eyes: above, 'step back'", low=30, high=2000)
    min_sharpness: float = setting(0.35, "0 to 1: below, 'hold still'", low=0, high=1)
    min_exposure: float = setting(0.06, "mean brightness 0 to 1: below, 'too dark'", low=0, high=1)
    max_exposure: float = setting(0.88, "mean brightness 0 to 1: above, 'too bright'", low=0, high=1)
    max_yaw_deg: float = setting(25.0, "head turned sideways: above, 'look at the camera'", low=5, high=60)
    max_pitch_deg: float = setting(25.0, "head up or down: above, 'look at the camera'", low=5, high=60)
    min_eyes_open: float = setting(0.12, "the narrower eye's height by width: below, 'open your eyes'", low=0, high=0.5)
