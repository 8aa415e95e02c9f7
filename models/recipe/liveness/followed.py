# SPDX-License-Identifier: Apache-2.0
"""Presentations picture by picture with the face's mesh, plain or with a mask painted on whoever is in them.

What is measured over time (`geometry`, `screens`) sees what the terminal sees: its detector, its mesh and its tracker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_gate.eye.face.geometry import Picture
from edge_gate.eye.face.mesh import Mesh
from edge_gate.eye.face.track import Tracker, find_face
from edge_gate.eye.pipeline import Models, open_models
from edge_gate.settings.config import LivenessSettings, ModelSettings
from edge_gate.settings.liveness import OFF
from edge_gate.store.pad_trials import LIVE
from edge_gate.tools.pad.data import Clip, Presentation, open_presentations
from edge_gate.tools.pad.masking import masked, style
from edge_gate.tools.pad.rates import auc

SIZES = (320 * 240, 640 * 480, 1280 * 960)


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One picture, BGR, with its moment, and the mesh in it; `track` is that of the terminal, or 0 for stills."""

    bgr: Picture
    moment_s: float
    mesh: Mesh
    track: int


def models() -> Models:
    return open_models(ModelSettings(), LivenessSettings(OFF))


def follow(of: Models, shown: Presentation, worn: int | None = None) -> Iterator[Shot]:
    """The pictures of a presentation in which a face is found. `worn`: the number of a mask to paint."""
    tracker = Tracker(of.detector, of.mesh)
    for picture, moment_ns in shown.pictures():
        if picture is None:
            continue
        if isinstance(shown, Clip):
            mesh, track = tracker.locate(picture, moment_ns), tracker.number
        else:
            found = (find_face(of.detector, of.mesh, picture, pixels) for pixels in SIZES)
            mesh, track = next((each for each in found if each is not None), None), 0
        if mesh is not None:
            painted = picture if worn is None else masked(picture, mesh, style(worn))
            yield Shot(painted, moment_ns / 1e9, mesh, track)


def open_sets(paths: Sequence[Path]) -> Iterator[tuple[str, list[Presentation]]]:
    for path in paths:
        yield path.stem, open_presentations(path)


def is_live(shown: Presentation) -> bool:
    return shown.origin.label == LIVE


def compare(values: Mapping[bool, Sequence[Sequence[float]]]) -> str:
    """What one figure tells: the AUC of looks, and of the medians of presentations, live over attacks, with counts."""
    looks = {live: np.concatenate([np.zeros(0), *map(np.asarray, rows)]) for live, rows in values.items()}
    whole = {live: np.array([np.median(row) for row in rows if len(row)]) for live, rows in values.items()}
    shown = [
        f"{'-' if value is None else f'{value:.2f}'} ({len(each[True])}, {len(each[False])})"
        for each in (looks, whole)
        for value in (auc(each[True], each[False]),)
    ]
    return " | ".join(shown)
