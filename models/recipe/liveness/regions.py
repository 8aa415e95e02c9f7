# SPDX-License-Identifier: Apache-2.0
"""Faces with much of what is around them, out of the data sets, as they are and with painted masks.

Faces are found by the terminal's own code, at up to three sizes of the picture, so training sees what a gate sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from edge_gate.eye.face.detect import WATCH_PIXELS, Detector
from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.eye.face.mesh import FaceMesh, Mesh
from edge_gate.eye.face.track import find_face
from edge_gate.eye.liveness.surroundings import face_box
from edge_gate.eye.runtime import TfliteModel, verify_model
from edge_gate.settings.config import ModelSettings
from recipe.liveness.config import Config
from recipe.liveness.masks import paint, random_style

SIZES = (WATCH_PIXELS, 640 * 480, 1280 * 960)


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """`person` is `source/name`; `bgr` the picture, `points` (468 x 2) the face's mesh in its pixels."""

    person: str
    live: bool
    masked: bool
    bgr: Picture
    points: Points

    @property
    def source(self) -> str:
        return self.person.partition("/")[0]


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """One picture of a data set."""

    person: str
    live: bool
    bgr: Picture


class Finder:
    """The terminal's detector and mesh."""

    def __init__(self) -> None:
        models = ModelSettings()
        self._detector = Detector(models.detector, verify_model(models, models.detector)[1])
        self._mesh = FaceMesh(models.mesh, TfliteModel(models.mesh, verify_model(models, models.mesh)[1]))

    def find(self, picture: Picture) -> Mesh | None:
        found = (find_face(self._detector, self._mesh, picture, pixels) for pixels in SIZES)
        return next((mesh for mesh in found if mesh is not None), None)


def read(path: Path) -> Iterator[Photo]:
    """The pictures of a file with `webp`, `offset`, `person` and `label` (README.md)."""
    with np.load(path, allow_pickle=False) as z:
        webp, offset, person, label = (z[name] for name in ("webp", "offset", "person", "label"))
    for row, (who, what) in enumerate(zip(person, label, strict=True)):
        picture = cv2.imdecode(webp[offset[row] : offset[row + 1]], cv2.IMREAD_COLOR)
        if picture is None:
            raise SystemExit(f"{path}: picture {row} cannot be read")
        yield Photo(f"{path.stem}/{who}", bool(what == "live"), np.asarray(picture, np.uint8))


def cut(picture: Picture, points: Points, enlarged: float, largest_px: int) -> tuple[Picture, Points]:
    """A square around the face, as far as the picture goes, and the mesh in it."""
    left, top, width, height = face_box(points)
    half, x, y = max(width, height) * enlarged / 2, left + width / 2, top + height / 2
    rows, columns = picture.shape[:2]
    low = np.array([int(max(0, x - half)), int(max(0, y - half))])
    part = picture[low[1] : int(min(rows, y + half)), low[0] : int(min(columns, x + half))]
    scale = min(1.0, largest_px / max(part.shape[:2]))
    if scale < 1:
        part = np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return part.copy(), ((points[:, :2] - low) * scale).astype(np.float32)


def regions(data: Path, config: Config) -> list[Region]:
    """Every face that is found in the sources, once as it is and `config.painted` times with a mask."""
    finder, rng, out = Finder(), np.random.default_rng(config.mask_seed), []
    for source in config.sources:
        photos = list(read(data / f"{source}.npz"))
        for photo in track(photos, description=source):
            if (mesh := finder.find(photo.bgr)) is None:
                continue
            for version in range(config.painted + 1):
                shown = paint(photo.bgr, mesh, random_style(rng)) if version else photo.bgr
                bgr, points = cut(shown, mesh.points, config.enlarged, config.largest_px)
                out.append(Region(photo.person, photo.live, version > 0, bgr, points))
    return out
