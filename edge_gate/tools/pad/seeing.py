# SPDX-License-Identifier: Apache-2.0
"""From presentations to sightings, through the gate's own pipeline: a still on its own, a film as the eye sees it.

A still goes through the finding of a face, the quality gate, and the detection of attacks, of which nothing is
remembered: no scene is known. A film goes through the eye's `Perception`, with its tracker, its pace of looks and its
memory of the scene.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from edge_gate.eye.face.geometry import Picture
from edge_gate.eye.face.mesh import Mesh
from edge_gate.eye.face.track import Tracker
from edge_gate.eye.liveness.detection import EVERY_NS, NOT_MEASURED, AttackDetection
from edge_gate.eye.liveness.network import AttackNetwork
from edge_gate.eye.liveness.surroundings import SIDE_PX, Box, cut_surroundings, face_box, window
from edge_gate.eye.pipeline import Observation, Perception, acquire, open_models
from edge_gate.eye.runtime import TfliteModel, verify_model
from edge_gate.provenance import cards
from edge_gate.rules.liveness import fuse
from edge_gate.settings.config import Config, LivenessSettings
from edge_gate.settings.liveness import OFF
from edge_gate.tools.demo.mask import MaskStyle
from edge_gate.tools.pad.data import Clip, Origin, Presentation, Stills
from edge_gate.tools.pad.masking import masked
from edge_gate.wire.eye import AcquisitionFailure, Command, EyeMode, Sighting

UNREADABLE: Final = "unreadable"
NO_FACE: Final = "no face found"
_NO_NUMBER: Final = "no score"


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What the network saw: 80 x 80 x 3, BGR, and the face's box in it. ``kept_bytes``: of a picture, as it is kept."""

    cut: Picture
    face: Box
    kept_bytes: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture that was looked at. ``refusal`` is why there is no score, empty where there is one."""

    moment_ns: int
    sighting: Sighting | None
    refusal: str
    surroundings: Surroundings | None = None

    @property
    def score(self) -> float:
        """The PAD score, NaN for none."""
        return math.nan if self.sighting is None else self.sighting.pad_score


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A presentation as the gate would see it. ``frames`` are the looks; ``sightings`` all that the gate hears."""

    origin: Origin
    is_film: bool
    length_ns: int
    frames: tuple[Frame, ...]
    sightings: tuple[Sighting, ...]

    @property
    def measured(self) -> list[Frame]:
        """The looks that gave a score."""
        return [each for each in self.frames if not each.refusal]


class Eyes:
    """Models and limits of a configuration. Raises ModelError or one of its kinds."""

    def __init__(self, settings: Config) -> None:
        models = settings.models
        self.card = cards.read(models, models.eyes)
        self.liveness_card, content = verify_model(models, models.liveness)
        self.point = self.liveness_card.liveness_point
        self.network = AttackNetwork(models.liveness, TfliteModel(models.liveness, content, models.threads))
        self._models = open_models(models, LivenessSettings(OFF))
        self._limits = settings.quality

    def see(self, shown: Presentation, worn: MaskStyle | None = None, *, closely: bool = False) -> Seen:
        """Look at a presentation, with a mask painted on it where ``worn`` is one.

        ``closely``: keep what the network saw of each picture. Raises BadEvaluationData for a film that is none.
        """
        if isinstance(shown, Clip):
            return self.watch(shown.origin, self._painted(shown.pictures(), worn), closely=closely)
        return self._leaf_through(shown, worn, closely)

    def watch(
        self,
        origin: Origin,
        pictures: Iterable[tuple[Picture | None, int]],
        *,
        begins_ns: int = 0,
        closely: bool = False,
    ) -> Seen:
        """Look at pictures as the eye does, each with its moment in nanoseconds. Before ``begins_ns`` nobody comes."""
        attacks = AttackDetection(self.network, self.point)
        perception = Perception(replace(self._models, attacks=attacks), self._limits)
        frames: list[Frame] = []
        sightings: list[Sighting] = []
        looked_ns, moment_ns = begins_ns - EVERY_NS, begins_ns
        for picture, moment_ns in pictures:
            seen = None if picture is None else perception.see(picture, moment_ns)
            sighting = None if seen is None else self._sighting(seen, len(sightings) + 1)
            if sighting is not None:
                sightings.append(sighting)
            scored = sighting is not None and math.isfinite(sighting.pad_score)
            if scored or moment_ns - looked_ns >= EVERY_NS:
                looked_ns = moment_ns
                saw = self._closely(picture) if closely and scored else None
                frames.append(Frame(moment_ns, sighting, "" if scored else _why(picture, sighting), saw))
        return Seen(origin, True, moment_ns - begins_ns, tuple(frames), tuple(sightings))

    def _leaf_through(self, shown: Stills, worn: MaskStyle | None, closely: bool) -> Seen:
        attacks = AttackDetection(self.network, self.point)
        frames: list[Frame] = []
        for index, (picture, moment_ns) in enumerate(shown.pictures()):
            if picture is None:
                frames.append(Frame(moment_ns, None, UNREADABLE))
                continue
            mesh = None if worn is None else self._find(picture)
            if worn is not None and mesh is not None:
                picture = masked(picture, mesh, worn)
            frame = self._still(picture, moment_ns, attacks)
            saw = self._closely(picture, shown.bytes_of(index)) if closely and not frame.refusal else None
            frames.append(replace(frame, surroundings=saw))
        sightings = tuple(each.sighting for each in frames if each.sighting is not None)
        return Seen(shown.origin, False, frames[-1].moment_ns, tuple(frames), sightings)

    def _still(self, picture: Picture, moment_ns: int, attacks: AttackDetection) -> Frame:
        found = acquire(self._models, picture, self._limits)
        if found is None:
            return Frame(moment_ns, None, NO_FACE)
        refused = found.refusal is not AcquisitionFailure.NONE
        pad = NOT_MEASURED if refused else fuse(attacks.measure(picture, found.mesh), self.point)
        rows, columns = picture.shape[:2]
        # Where the eyes are is left out: one person's stills are one approach, however far they lie apart.
        place = (columns // 2, rows // 2, columns, rows)
        seen = Observation(moment_ns, 1, *place, found.quality, found.refusal, found.embedding, pad)
        sighting = self._sighting(seen, 1)
        return Frame(moment_ns, sighting, "" if math.isfinite(pad.score) else _why(picture, sighting))

    def _painted(
        self, pictures: Iterator[tuple[Picture | None, int]], worn: MaskStyle | None
    ) -> Iterator[tuple[Picture | None, int]]:
        """Yield a film's pictures with a mask on whoever can be followed in them."""
        if worn is None:
            yield from pictures
            return
        tracker = Tracker(self._models.detector, self._models.mesh)
        for picture, moment_ns in pictures:
            mesh = None if picture is None else tracker.locate(picture, moment_ns)
            yield picture if picture is None or mesh is None else masked(picture, mesh, worn), moment_ns

    def _closely(self, picture: Picture | None, kept_bytes: int | None = None) -> Surroundings | None:
        mesh = None if picture is None else self._find(picture)
        if picture is None or mesh is None:
            return None
        left, top, wide, high = window(picture.shape, mesh.points)
        x, y, width, height = face_box(mesh.points)
        across, down = SIDE_PX / wide, SIDE_PX / high
        face = ((x - left) * across, (y - top) * down, width * across, height * down)
        return Surroundings(cut_surroundings(picture, mesh.points), face, kept_bytes)

    def _find(self, picture: Picture) -> Mesh | None:
        found = acquire(self._models, picture, self._limits)
        return None if found is None else found.mesh

    def _sighting(self, seen: Observation, sequence: int) -> Sighting:
        return seen.sighting(Command(EyeMode.WATCH, 1), sequence, self._models.embedder.model_id)


def _why(picture: Picture | None, sighting: Sighting | None) -> str:
    """Return why there is no score."""
    if picture is None:
        return UNREADABLE
    if sighting is None:
        return NO_FACE
    if sighting.refusal is AcquisitionFailure.NONE:
        return _NO_NUMBER
    return sighting.refusal.name.lower().replace("_", " ")
