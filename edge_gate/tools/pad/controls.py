# SPDX-License-Identifier: Apache-2.0
"""Control rows: how well what has nothing to do with life tells the two sides apart. They show what explains a result.

Each is an AUC, people over attacks. 0.5 tells nothing; far from it, to either side, the data give themselves away.
The last four are the network's own score of a picture of which something was taken away, or swapped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import cv2
import numpy as np

from edge_gate.eye.face.geometry import Picture
from edge_gate.eye.liveness.network import AttackNetwork
from edge_gate.eye.liveness.surroundings import SIDE_PX, Box
from edge_gate.store.pad_trials import LIVE
from edge_gate.tools.pad.rates import Rate, auc
from edge_gate.tools.pad.seeing import Frame, Seen, Surroundings

_GREY: Final = 127
_BORDER: Final = 0.12


def controls(presentations: Sequence[Seen], network: AttackNetwork) -> Mapping[str, Rate]:
    """Return the AUC of each control on frames that were looked at closely."""
    people, attacks = _frames(presentations, live=True), _frames(presentations, live=False)
    swapped_people, swapped_attacks = _swapped(people, attacks), _swapped(attacks, people)

    def by_figure(figure: Callable[[Frame], float]) -> Rate:
        sides = [np.array([figure(each) for each in side], np.float64) for side in (people, attacks)]
        return auc(*(side[np.isfinite(side)] for side in sides))

    def by_score(change: Callable[[Surroundings], Picture]) -> Rate:
        return by_figure(lambda frame: network.logit(change(_saw(frame))))

    return {
        "the picture file's size alone": by_figure(lambda frame: _saw(frame).kept_bytes or np.nan),
        "sharpness alone": by_figure(lambda frame: _quality(frame, "sharpness")),
        "pixels between the eyes alone": by_figure(lambda frame: _quality(frame, "interocular_px")),
        "the outer border alone (the rest grey)": by_score(lambda saw: _border(saw.cut)),
        "the face alone (its surroundings grey)": by_score(lambda saw: _face_in(np.full_like(saw.cut, _GREY), saw)),
        "the surroundings alone (the face grey)": by_score(_without_face),
        "the face, its scene swapped for one of the other side": auc(
            np.array([network.logit(each) for each in swapped_people], np.float64),
            np.array([network.logit(each) for each in swapped_attacks], np.float64),
        ),
    }


def _frames(presentations: Sequence[Seen], *, live: bool) -> list[Frame]:
    return [
        frame
        for each in presentations
        if each.origin.label is not None and (each.origin.label == LIVE) is live
        for frame in each.measured
        if frame.surroundings is not None
    ]


def _swapped(faces: Sequence[Frame], scenes: Sequence[Frame]) -> list[Picture]:
    """Return each face in a scene of the other side, the face that was there covered first."""
    pictures = []
    for index, frame in enumerate(faces if scenes else ()):
        scene = _saw(scenes[index * len(scenes) // len(faces)])
        pictures.append(_stretched(_saw(frame), scene))
    return pictures


def _stretched(face: Surroundings, scene: Surroundings) -> Picture:
    out = scene.cut.copy()
    rows, columns = _inside(face.face)
    to_rows, to_columns = _inside(scene.face)
    size = (to_columns.stop - to_columns.start, to_rows.stop - to_rows.start)
    out[to_rows, to_columns] = cv2.resize(face.cut[rows, columns], size, interpolation=cv2.INTER_AREA)
    return out


def _face_in(out: Picture, saw: Surroundings) -> Picture:
    where = _inside(saw.face)
    out[where] = saw.cut[where]
    return out


def _without_face(saw: Surroundings) -> Picture:
    out = saw.cut.copy()
    out[_inside(saw.face)] = _GREY
    return out


def _border(cut: Picture) -> Picture:
    edge = round(_BORDER * SIDE_PX)
    out = cut.copy()
    out[edge:-edge, edge:-edge] = _GREY
    return out


def _inside(box: Box) -> tuple[slice, slice]:
    """Return the rows and columns of a box, at least one of each."""
    left, top, width, height = box
    low = np.clip(np.floor((top, left)), 0, SIDE_PX - 1).astype(int)
    high = np.clip(np.ceil((top + height, left + width)), low + 1, SIDE_PX).astype(int)
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _saw(frame: Frame) -> Surroundings:
    assert frame.surroundings is not None  # noqa: S101
    return frame.surroundings


def _quality(frame: Frame, name: str) -> float:
    return float("nan") if frame.sighting is None else float(getattr(frame.sighting.quality, name))
