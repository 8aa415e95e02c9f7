# SPDX-License-Identifier: Apache-2.0
"""How somebody walks up to the gate, stands there, and steps aside: where their eyes are in the frame at each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from edge_gate.tools.demo.backdrop import WIDTH

FOCAL_PX: Final = 555.0  # 60 degrees across 640 pixels
EYES_M: Final = 0.063  # between an adult's eyes
FAR_M: Final = 2.5  # where they come into view: 14 px between the eyes
EYE_LINE_PX: Final = 214
_ASIDE_M_S2: Final = 6.0  # how briskly they step aside, through the gate or away


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the eyes' middle is in the frame, how far apart they are, and how the head is tilted."""

    x: float
    y: float
    interocular_px: float
    roll_deg: float


@dataclass(frozen=True, slots=True)
class Walk:
    """From how far to how near they come, in metres; when they have arrived and when they leave, in seconds; how much
    of a walker's straying from the straight line they show; and what the rest is drawn from."""

    from_m: float
    to_m: float
    arrives_s: float
    leaves_s: float
    straying: float
    seed: int

    def at(self, t_s: float) -> Pose:
        """Return where they are."""
        gait = _gait(self.seed)
        way = min(1.0, t_s / self.arrives_s)
        gone = 1 - (1 - way) ** 1.5  # they slow down as they come to the gate
        px_per_m = FOCAL_PX / (self.from_m + (self.to_m - self.from_m) * gone)
        turn = 2 * np.pi * gait.steps_hz * t_s + gait.phase
        moving = 0.25 + 0.75 * (1 - way)
        x_m = self.straying * gait.start_m * (1 - gone) + gait.end_m * gone
        x_m += moving * gait.sway_m * np.sin(turn / 2)
        x_m += gait.aside * _ASIDE_M_S2 / 2 * max(0.0, t_s - self.leaves_s) ** 2
        y_m = moving * gait.bob_m * np.sin(turn) - gait.taller_m
        roll_deg = gait.tilt_deg * (0.4 + 0.6 * moving) * np.sin(turn / 2 + 1.0)
        x, y = WIDTH / 2 + x_m * px_per_m, EYE_LINE_PX + y_m * px_per_m
        return Pose(float(x), float(y), EYES_M * px_per_m, float(roll_deg))


@dataclass(frozen=True, slots=True)
class _Gait:
    """How one person walks, drawn from the scene's seed: metres, hertz, degrees, radians."""

    start_m: float
    end_m: float
    taller_m: float
    steps_hz: float
    sway_m: float
    bob_m: float
    tilt_deg: float
    phase: float
    aside: float


def _gait(seed: int) -> _Gait:
    draw = np.random.default_rng(seed)
    return _Gait(
        start_m=float(draw.uniform(-0.35, 0.35)),
        end_m=float(draw.uniform(-0.035, 0.035)),
        taller_m=float(draw.uniform(-0.035, 0.025)),
        steps_hz=float(draw.uniform(1.6, 1.95)),
        sway_m=float(draw.uniform(0.014, 0.026)),
        bob_m=float(draw.uniform(0.008, 0.016)),
        tilt_deg=float(draw.uniform(1.5, 4.0)),
        phase=float(draw.uniform(0, 2 * np.pi)),
        aside=float(draw.choice((-1.0, 1.0))),
    )
