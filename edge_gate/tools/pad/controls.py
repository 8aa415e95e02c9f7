# SPDX-License-Identifier: Apache-2.0
"""Control rows: how well what has nothing to do with life tells the two sides apart. They show what explains a result.

Each is an AUC, people over attacks. 0.5 tells nothing; far from it, to either side, the data give themselves away.
The others are the network's own score: of all, of faces of the same size alone, and of pictures of which something was
taken away, or swapped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from edge_gate.eye.face.geometry import Picture
from edge_gate.eye.liveness.network import AttackNetwork
from edge_gate.eye.liveness.surroundings import SIDE_PX, Box
from edge_gate.store.pad_trials import LIVE
from edge_gate.tools.pad.rates import Rate, Scores, auc
from edge_gate.tools.pad.seeing import Seen, Surroundings
from edge_gate.wire.eye import Quality

_GREY: Final = 127
_BORDER: Final = 0.12
_SAME_SIZE: Final = 1.1


@dataclass(frozen=True, slots=True)
class Close:
    """A frame that was looked at closely."""

    quality: Quality
    saw: Surroundings


def controls(presentations: Sequence[Seen], network: AttackNetwork) -> Mapping[str, Rate]:
    """Return the AUC of each control on frames that were looked at closely."""
    people, attacks = _frames(presentations, live=True), _frames(presentations, live=False)
    both = people, attacks

    def by_figure(figure: Callable[[Close], float], sides: tuple[list[Close], list[Close]] = both) -> Rate:
        found = [np.array([figure(each) for each in side], np.float64) for side in sides]
        return auc(*(side[np.isfinite(side)] for side in found))

    def by_score(change: Callable[[Surroundings], Picture], sides: tuple[list[Close], list[Close]] = both) -> Rate:
        return by_figure(lambda each: _alone(network, change(each.saw)), sides)

    def swapped(faces: Sequence[Close], scenes: Sequence[Close]) -> Scores:
        return np.array([_alone(network, each) for each in _swapped(faces, scenes)], np.float64)

    return {
        "the picture file's size alone": by_figure(lambda each: each.saw.kept_bytes or np.nan),
        "sharpness alone": by_figure(lambda each: each.quality.sharpness),
        "pixels between the eyes alone": by_figure(lambda each: each.quality.interocular_px),
        "the network, of all": by_score(lambda saw: saw.cut),
        "the network, of faces with the same pixels between the eyes": by_score(
            lambda saw: saw.cut, matched(people, attacks)
        ),
        "the outer border alone (the rest grey)": by_score(_border),
        "the face alone (its surroundings grey)": by_score(_face),
        "the surroundings alone (the face grey)": by_score(_without_face),
        "the face, its scene swapped for one of the other side": auc(
            swapped(people, attacks), swapped(attacks, people)
        ),
    }


def matched(people: list[Close], attacks: list[Close]) -> tuple[list[Close], list[Close]]:
    """Return pairs of a person and an attack that have the same pixels between the eyes, to a tenth."""
    ours, theirs = (sorted(side, key=lambda each: each.quality.interocular_px) for side in (people, attacks))
    pairs: tuple[list[Close], list[Close]] = ([], [])
    while ours and theirs:
        one, other = ours[-1], theirs[-1]
        ratio = one.quality.interocular_px / other.quality.interocular_px
        if ratio <= _SAME_SIZE:
            theirs.pop()
        if ratio >= 1 / _SAME_SIZE:
            ours.pop()
        if 1 / _SAME_SIZE <= ratio <= _SAME_SIZE:
            pairs[0].append(one)
            pairs[1].append(other)
    return pairs


def _frames(presentations: Sequence[Seen], *, live: bool) -> list[Close]:
    return [
        Close(frame.sighting.quality, frame.surroundings)
        for each in presentations
        if each.origin.label is not None and (each.origin.label == LIVE) is live
        for frame in each.measured
        if frame.sighting is not None and frame.surroundings is not None
    ]


def _swapped(faces: Sequence[Close], scenes: Sequence[Close]) -> Iterator[Picture]:
    """Yield each face in a scene of the other side, in the place of the face that was there."""
    for index, each in enumerate(faces if scenes else ()):
        yield _stretched(each.saw, scenes[index * len(scenes) // len(faces)].saw)


def _stretched(face: Surroundings, scene: Surroundings) -> Picture:
    out = scene.cut.copy()
    rows, columns = _inside(face.face)
    to_rows, to_columns = _inside(scene.face)
    size = (to_columns.stop - to_columns.start, to_rows.stop - to_rows.start)
    out[to_rows, to_columns] = cv2.resize(face.cut[rows, columns], size, interpolation=cv2.INTER_AREA)
    return out


def _face(saw: Surroundings) -> Picture:
    out = np.full_like(saw.cut, _GREY)
    out[_inside(saw.face)] = saw.cut[_inside(saw.face)]
    return out


def _without_face(saw: Surroundings) -> Picture:
    out = saw.cut.copy()
    out[_inside(saw.face)] = _GREY
    return out


def _border(saw: Surroundings) -> Picture:
    edge = round(_BORDER * SIDE_PX)
    out = saw.cut.copy()
    out[edge:-edge, edge:-edge] = _GREY
    return out


def _inside(box: Box) -> tuple[slice, slice]:
    """Return the rows and columns of a box, at least one of each."""
    left, top, width, height = box
    low = np.clip(np.floor((top, left)), 0, SIDE_PX - 1).astype(int)
    high = np.clip(np.ceil((top + height, left + width)), low + 1, SIDE_PX).astype(int)
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _alone(network: AttackNetwork, picture: Picture) -> float:
    """Return what the network of the view as it is says of a picture of 80 x 80 x 3."""
    return network.logits(picture, picture)[0]
