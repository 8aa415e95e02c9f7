# SPDX-License-Identifier: Apache-2.0
"""The eye's work on one picture, stage by stage and as a whole, in one thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import cv2
import numpy as np

from edge_gate.core.errors import EdgeGateError
from edge_gate.eye.face.align import cut_strip, placing
from edge_gate.eye.face.mesh import Mesh
from edge_gate.eye.face.quality import assess
from edge_gate.eye.liveness.detection import NOT_MEASURED
from edge_gate.eye.pipeline import Models, Observation, Perception, acquire, open_models
from edge_gate.settings.config import LivenessSettings, ModelSettings, QualityLimits
from edge_gate.tools.bench.frames import Picture
from edge_gate.tools.bench.timing import Stopwatch, Timing, one_thread
from edge_gate.wire.eye import EYE_LINK, AcquisitionFailure, Command, EyeMode, Quality
from edge_gate.wire.frame import Direction, encode

STAGES: Final = ("decode", "detect", "mesh", "align", "quality", "embed", "attacks", "pack")
FPS: Final = 15
WARM_UP: Final = 3


@dataclass(frozen=True, slots=True)
class EyeTimes:
    """``stages`` by name. ``tracked``: one turn of the eye's loop, from the camera's JPEG to a packed sighting, while
    a face is followed; once a second that includes a look around for other faces. ``untracked``: the same for a
    picture on its own, in which the face has to be found. ``dimensions`` of an embedding."""

    stages: dict[str, Timing]
    tracked: Timing
    untracked: Timing
    dimensions: int


def measure_eye(settings: ModelSettings, frames: list[Picture]) -> EyeTimes:
    """Time every stage and the whole loop on these frames, in which one face is always in view.

    OpenCV and the models are held to one thread. Raises EdgeGateError where no face was found in a frame.
    """
    with one_thread():
        models, limits = open_models(replace(settings, threads=1), LivenessSettings()), QualityLimits()
        coded = [cv2.imencode(".jpg", frame)[1].ravel().astype(np.uint8, copy=False) for frame in frames]
        watches = {name: Stopwatch() for name in STAGES}
        for jpeg in coded:
            _staged(models, limits, jpeg, watches)
        untracked = Stopwatch()
        for jpeg in coded:
            untracked.call(partial(_alone, models, limits, jpeg))
        stages = {name: watch.timing(WARM_UP) for name, watch in watches.items()}
        return EyeTimes(stages, _tracked(models, limits, coded), untracked.timing(WARM_UP), models.embedder.dimensions)


def _decode(jpeg: Picture) -> Picture:
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


def _staged(models: Models, limits: QualityLimits, jpeg: Picture, watches: dict[str, Stopwatch]) -> None:
    """Do each stage on its own. The mesh is timed as one fit, of which a followed face needs two a picture."""
    picture = watches["decode"].call(partial(_decode, jpeg))
    faces = watches["detect"].call(partial(models.detector.find, picture))
    if not faces:
        raise EdgeGateError("The benchmark cannot run: the detector found no face in its own pictures.")
    mesh: Mesh = models.mesh.acquire(picture, faces[0].five)
    mesh = watches["mesh"].call(partial(models.mesh.follow, picture, mesh))
    to_strip = placing(mesh.five)
    strip = watches["align"].call(lambda: cut_strip(picture, placing(mesh.five)))
    judged = partial(assess, strip, mesh, to_strip, picture, models.lids, limits)
    quality = watches["quality"].call(judged).quality
    embedding = watches["embed"].call(partial(models.embedder.embed, strip))
    if models.attacks is not None:
        watches["attacks"].call(partial(models.attacks.measure, picture, mesh))
    watches["pack"].call(partial(_pack, _observed(picture, quality, embedding), models.embedder.model_id))


def _observed(picture: Picture, quality: Quality, embedding: bytes) -> Observation:
    rows, columns = picture.shape[:2]
    return Observation(0, 1, 0, 0, columns, rows, quality, AcquisitionFailure.NONE, embedding, NOT_MEASURED)


def _pack(seen: Observation, model_id: bytes) -> bytes:
    return encode(EYE_LINK, Direction.TO_GATE, seen.sighting(Command(EyeMode.WATCH, 1, 1), 1, model_id))


def _alone(models: Models, limits: QualityLimits, jpeg: Picture) -> bytes:
    picture = _decode(jpeg)
    found = acquire(models, picture, limits)
    if found is None or not found.embedding:
        reason = "no face" if found is None else found.refusal.name
        raise EdgeGateError(f"The benchmark cannot run: {reason} in its own pictures.")
    return _pack(_observed(picture, found.quality, found.embedding), models.embedder.model_id)


def _tracked(models: Models, limits: QualityLimits, coded: list[Picture]) -> Timing:
    perception, watch = Perception(models, limits), Stopwatch()

    def turn(jpeg: Picture, captured_ns: int) -> None:
        seen = perception.see(_decode(jpeg), captured_ns)
        if seen is None or not seen.embedding:
            raise EdgeGateError("The benchmark cannot run: the face was lost in its own pictures.")
        _pack(seen, models.embedder.model_id)

    for k, jpeg in enumerate(coded, 1):
        watch.call(partial(turn, jpeg, k * 1_000_000_000 // FPS))
    return watch.timing(WARM_UP)
