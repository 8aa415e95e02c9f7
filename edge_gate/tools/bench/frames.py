# SPDX-License-Identifier: Apache-2.0
"""What the camera would see: a person who does not exist, swaying in front of a 640 x 480 camera. Made in memory."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.core.errors import ExtraMissing

Picture = NDArray[np.uint8]

WIDTH: Final = 640
HEIGHT: Final = 480
SWAY_PX: Final = (24.0, 6.0)
NOISE: Final = 4.0  # standard deviation in grey levels, as a small sensor has in a hallway


def portrait() -> Picture:
    """Return a studio portrait (BGR) from the package of people who do not exist. Raises ExtraMissing('demo')."""
    found = find_spec("openpeople")
    if found is None or found.origin is None:
        raise ExtraMissing("demo")
    picture = cv2.imread(str(Path(found.origin).parent / "data/curated/P001/assets/studio_portrait.jpg"))
    if picture is None:
        raise ExtraMissing("demo")
    return np.asarray(picture, np.uint8)


def walk_up(count: int, seed: int = 1) -> list[Picture]:
    """Return ``count`` frames, BGR uint8 (480, 640, 3): one face throughout, 60 to 85 pixels between the eyes, swaying
    as a person does who stands still, with sensor noise. Raises ExtraMissing('demo')."""
    person = portrait()
    draw = np.random.default_rng(seed)
    fit = HEIGHT / person.shape[0]
    # Shrunk once with area averaging; the small warps that follow would alias from the full size.
    person = np.asarray(cv2.resize(person, None, fx=fit, fy=fit, interpolation=cv2.INTER_AREA), np.uint8)
    frames = []
    for k in range(count):
        scale = 0.85 + 0.13 * np.sin(k / 23)
        x = WIDTH / 2 - scale * person.shape[1] / 2 + SWAY_PX[0] * np.sin(k / 9)
        y = HEIGHT / 2 - scale * person.shape[0] / 2 + SWAY_PX[1] * np.sin(k / 5)
        place = np.array([[scale, 0, x], [0, scale, y]])
        frame = cv2.warpAffine(person, place, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        noise = draw.normal(0, NOISE, frame.shape)
        frames.append((frame + noise).clip(0, 255).astype(np.uint8))
    return frames
