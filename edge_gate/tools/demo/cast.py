# SPDX-License-Identifier: Apache-2.0
"""The cast of the demo: people who do not exist, read at run time from the PyPI package openpeople 0.1.2 (MIT).

Each of its ten AI-made identities has the same six pictures. Who plays what follows from how alike they are: P004 and
P010 are nearly doubles (the demo's look-alike scene), P009 is near to P001 and to P006, and P003, who resembles a
living actress, stays out. Pictures are decoded into memory, and nothing here writes one anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from edge_gate.core.errors import DemoFailed, ExtraMissing
from edge_gate.eye.face.geometry import Picture
from edge_gate.eye.face.mesh import Mesh
from edge_gate.tools.demo.faces import Faces

RESIDENTS: Final = ("P001", "P005", "P008")
STRANGERS: Final = ("P002", "P004", "P006", "P007", "P010")
ENROLLED_DOUBLE: Final = "P004"
COMING_DOUBLE: Final = "P010"

_MIN_CELL: Final = 0.15  # a cell of the sheet is about a fifth of it, wide and high
_FRAME_PX: Final = 10  # the sheet's cells have a white frame of about six pixels
_COLUMNS: Final = 4


class Kind(StrEnum):
    """What a file of the package shows; the value is its name."""

    EMOTIONS = "emotions_sheet"  # sixteen heads, studio, each with an expression
    CHARACTER = "character_sheet"  # the head and the body from four sides
    PORTRAIT = "studio_portrait"  # head and chest, studio, neutral
    STUDIO = "studio_posture"  # from head to foot, studio, neutral
    OUTDOORS = "amateur_posture"  # from head to foot, in a park or a garden
    SELFIE = "amateur_selfie"  # from the hand, smiling, indoors or outdoors


class Emotion(StrEnum):
    """The cells of the sheet of emotions, row by row: the same on every sheet."""

    NEUTRAL = "neutral"
    HAPPY = "happy"
    SAD = "sad"
    ANGRY = "angry"
    SURPRISED = "surprised"
    DISGUSTED = "disgusted"
    SCARED = "scared"
    CONFUSED = "confused"
    SMUG = "smug"
    FLIRTY = "flirty"
    THOUGHTFUL = "thoughtful"
    PENSIVE = "pensive"
    EXHAUSTED = "exhausted"
    SHOCKED = "shocked"
    PLAYFUL = "playful"
    DETERMINED = "determined"


# What people look like who are asked to stand still and look: eyes open, nothing pulled.
MILD: Final = (Emotion.NEUTRAL, Emotion.SMUG, Emotion.DETERMINED, Emotion.HAPPY)


@dataclass(frozen=True, slots=True, eq=False)
class Portrayal:
    """One face and what is around it.

    ``bgr`` uint8, height x width x 3; ``mesh`` its face mesh in pixels of ``bgr``; ``plain`` whether
    the background is a studio's.
    """

    who: str
    kind: Kind
    bgr: Picture
    mesh: Mesh
    plain: bool


class Cast:
    """Reads the package's pictures and finds the faces in them. ``models`` is the folder of the face models."""

    def __init__(self, models: Path | None = None) -> None:
        self._folder = _package_folder()
        self._faces = Faces(models)

    def portrayal(self, who: str, kind: Kind) -> Portrayal:
        """Return a picture of one person. Raises DemoFailed where the package does not have it."""
        return self._portrayal(who, kind, self._read(who, kind), kind in (Kind.PORTRAIT, Kind.STUDIO))

    def cells(self, who: str, emotions: tuple[Emotion, ...]) -> list[Portrayal]:
        """Return the heads with these expressions from the sheet of emotions, in this order."""
        sheet = self._read(who, Kind.EMOTIONS)
        frames = _cell_frames(sheet)
        if len(frames) != len(Emotion):
            raise DemoFailed(f"the sheet of emotions of {who} has {len(frames)} cells, not {len(Emotion)}")
        order = list(Emotion)
        return [
            self._portrayal(who, Kind.EMOTIONS, _inside(sheet, frames[order.index(emotion)]), plain=True)
            for emotion in emotions
        ]

    def _portrayal(self, who: str, kind: Kind, bgr: Picture, plain: bool) -> Portrayal:
        mesh = self._faces.find(bgr)
        if mesh is None:
            raise DemoFailed(f"no face was found in {kind} of {who}")
        return Portrayal(who, kind, bgr, mesh, plain)

    def _read(self, who: str, kind: Kind) -> Picture:
        picture = cv2.imread(str(self._folder / who / "assets" / f"{kind}.jpg"))
        if picture is None:
            raise DemoFailed(f"openpeople has no {kind} of {who}; the demo needs openpeople 0.1.2")
        return np.asarray(picture, np.uint8)


def _package_folder() -> Path:
    found = find_spec("openpeople")
    if found is None or found.origin is None:
        raise ExtraMissing("demo")
    return Path(found.origin).parent / "data" / "curated"


def _cell_frames(sheet: Picture) -> list[tuple[int, int, int, int]]:
    """Return x, y, width, height of each cell's white frame, row by row."""
    white = cv2.inRange(sheet, (225, 225, 225), (255, 255, 255))
    outlines = cv2.findContours(white, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    boxes = [tuple(map(int, cv2.boundingRect(outline))) for outline in outlines]
    least_w, least_h = _MIN_CELL * sheet.shape[1], _MIN_CELL * sheet.shape[0]
    cells = sorted((b for b in boxes if b[2] > least_w and b[3] > least_h), key=lambda b: b[1])
    rows = [sorted(cells[i : i + _COLUMNS]) for i in range(0, len(cells), _COLUMNS)]
    return [(x, y, width, height) for row in rows for x, y, width, height in row]


def _inside(sheet: Picture, frame: tuple[int, int, int, int]) -> Picture:
    x, y, width, height = frame
    return sheet[y + _FRAME_PX : y + height - _FRAME_PX, x + _FRAME_PX : x + width - _FRAME_PX].copy()
