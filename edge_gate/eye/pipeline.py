# SPDX-License-Identifier: Apache-2.0
"""From a picture to numbers: `acquire` for one picture on its own, `Perception` for the eye's endless row of them.

Neither keeps a picture. Between pictures Perception holds the followed face's mesh, its last embedding, a grey
thumbnail of 16 x 12 pixels (edge_gate.eye.face.presence), and one of the empty scene (edge_gate.eye.liveness.scene).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.embed import Embedder
from edge_gate.eye.face.align import cut_strip, placing
from edge_gate.eye.face.detect import WATCH_PIXELS, Detector
from edge_gate.eye.face.geometry import Picture
from edge_gate.eye.face.lids import EyeLids
from edge_gate.eye.face.mesh import FaceMesh, Mesh
from edge_gate.eye.face.quality import assess
from edge_gate.eye.face.track import Tracker, find_face
from edge_gate.eye.liveness.detection import NOT_MEASURED, AttackDetection
from edge_gate.eye.liveness.infrared import InfraredState, InfraredWitness
from edge_gate.eye.liveness.network import AttackNetwork
from edge_gate.eye.runtime import TfliteModel, verify_model
from edge_gate.rules.liveness import Look, refute
from edge_gate.settings.config import LivenessSettings, ModelSettings, QualityLimits
from edge_gate.settings.liveness import OFF
from edge_gate.wire.eye import AcquisitionFailure, Command, PadReason, Quality, SceneState, Sighting

# Seen: one person in successive pictures (approaching, swaying, noise, every seventh blurred) 0.56 to 1, median 0.98;
# two people who are no look-alikes at most 0.5, median 0.2. Look-alikes cannot be told apart here.
MIN_CONTINUITY: Final = 0.5
_REQUIRED: Final = LivenessSettings()
_ACQUIRE_PIXELS: Final = (WATCH_PIXELS, 640 * 480, 1280 * 960)


@dataclass(frozen=True, slots=True)
class Models:
    """Everything that is opened once."""

    detector: Detector
    mesh: FaceMesh
    lids: EyeLids
    embedder: Embedder
    attacks: AttackDetection | None


@dataclass(frozen=True, slots=True, eq=False)
class Acquired:
    """What one picture gave: the strip (uint8, 72 x 160 x 3, BGR), the mesh in the picture's pixels, the quality, why
    it was refused (NONE where it was not), and the embedding (int8 components), empty where it was refused."""

    strip: Picture
    mesh: Mesh
    quality: Quality
    refusal: AcquisitionFailure
    embedding: bytes


@dataclass(frozen=True, slots=True)
class Observation:
    """One person seen once, in a picture of ``width x height`` pixels; the fields are those of wire.Sighting."""

    captured_ns: int
    track: int
    x: int
    y: int
    width: int
    height: int
    quality: Quality
    refusal: AcquisitionFailure
    embedding: bytes
    pad: Look

    def sighting(self, told: Command, sequence: int, model_id: bytes) -> Sighting:
        """Return it as the message that an eye sends which was ``told`` what to do before it looked."""
        return Sighting(
            order=told.order,
            eye=told.eye,
            sequence=sequence,
            captured_ns=self.captured_ns,
            track=self.track,
            x=self.x,
            y=self.y,
            width=self.width,
            height=self.height,
            quality=self.quality,
            pad_score=self.pad.score,
            pad_reason=self.pad.reason,
            refusal=self.refusal,
            model_id=model_id,
            embedding=self.embedding,
        )


def open_models(settings: ModelSettings, liveness: LivenessSettings = _REQUIRED) -> Models:
    """Open all models; the one that tells attacks unless ``liveness`` is off.

    Raises ModelError or one of its kinds: none without its card, and that with its signature.
    """

    def network(name: str) -> TfliteModel:
        return TfliteModel(name, verify_model(settings, name)[1], settings.threads)

    def attacks() -> AttackDetection:
        card, content = verify_model(settings, settings.liveness)
        network = AttackNetwork(settings.liveness, TfliteModel(settings.liveness, content, settings.threads))
        return AttackDetection(network, card.liveness_point)

    card, content = verify_model(settings, settings.eyes)
    return Models(
        Detector(settings.detector, verify_model(settings, settings.detector)[1]),
        FaceMesh(settings.mesh, network(settings.mesh)),
        EyeLids(settings.lids, network(settings.lids)),
        Embedder(settings.eyes, TfliteModel(settings.eyes, content, settings.threads), card.model_id),
        None if liveness.mode == OFF else attacks(),
    )


def inspect(models: Models, picture: Picture, mesh: Mesh, limits: QualityLimits) -> Acquired:
    """Cut the strip of a face that was found, judge it, and embed it where it is good enough."""
    to_strip = placing(mesh.five)
    strip = cut_strip(picture, to_strip)
    verdict = assess(strip, mesh, to_strip, picture, models.lids, limits)
    embedding = models.embedder.embed(strip) if verdict.refusal is AcquisitionFailure.NONE else b""
    return Acquired(strip, mesh, verdict.quality, verdict.refusal, embedding)


def acquire(models: Models, picture: Picture, limits: QualityLimits) -> Acquired | None:
    """Return what the largest face of one picture (BGR, uint8, any size) gives, or None where no face is found.

    Looks closer and closer; a face that fills the picture is found at the first look.
    """
    for pixels in _ACQUIRE_PIXELS:
        mesh = find_face(models.detector, models.mesh, picture, pixels)
        if mesh is not None:
            return inspect(models, picture, mesh, limits)
    return None


class Perception:
    """The eye's loop, picture by picture. ``limits`` may be changed between pictures."""

    def __init__(self, models: Models, limits: QualityLimits) -> None:
        self.limits = limits
        self.witness: InfraredWitness | None = None
        """Asked about each look that is measured."""
        self._models = models
        self._tracker = Tracker(models.detector, models.mesh)
        self._embedding: NDArray[np.float32] | None = None
        self._embedded_track = 0

    @property
    def luminance(self) -> float:
        """Mean brightness of the last picture, 0 to 1."""
        return self._tracker.presence.luminance

    @property
    def scene(self) -> SceneState:
        """What is known of the scene behind people."""
        attacks = self._models.attacks
        return SceneState.NEVER_EMPTY if attacks is None else attacks.scene.state

    def see(self, picture: Picture, captured_ns: int) -> Observation | None:
        """Return what is to be said about the one person nearest to the camera, or None where there is nobody.

        ``picture`` is BGR, uint8; ``captured_ns`` CLOCK_BOOTTIME, growing from picture to picture.
        """
        mesh = self._tracker.locate(picture, captured_ns)
        attacks = self._models.attacks
        if mesh is None:
            if attacks is not None:
                attacks.note_empty(picture, captured_ns)
            return None
        if attacks is not None:
            attacks.scene.note_person()
        looked = inspect(self._models, picture, mesh, self.limits)
        pad = NOT_MEASURED
        if looked.embedding:
            self._keep_apart(looked.embedding)
            pad = self._judge(picture, mesh, captured_ns)
        rows, columns = picture.shape[:2]
        across, down = mesh.five[:2].mean(0)
        return Observation(
            captured_ns=captured_ns,
            track=self._tracker.number,
            x=int(np.clip(across, 0, columns - 1)),
            y=int(np.clip(down, 0, rows - 1)),
            width=columns,
            height=rows,
            quality=looked.quality,
            refusal=looked.refusal,
            embedding=looked.embedding,
            pad=pad,
        )

    def _judge(self, picture: Picture, mesh: Mesh, captured_ns: int) -> Look:
        """Return how much the picture looks like a person, by the layers and by the infrared where a site has it."""
        if self._models.attacks is None:
            return NOT_MEASURED
        look = self._models.attacks.look(picture, mesh, captured_ns)
        if self.witness is None or look is NOT_MEASURED:
            return look
        seen = self.witness.look(mesh, picture.shape[1], captured_ns).state
        if seen is InfraredState.UNKNOWN:  # a lens that is covered, or a camera that has gone
            return NOT_MEASURED
        against = seen in (InfraredState.NO_FACE, InfraredState.FLAT)
        return refute(look, PadReason.INFRARED) if against else look

    def forget(self) -> None:
        """Follow nobody and hold nothing of anybody: the eye is paused."""
        self._tracker.forget()
        self._embedding = None
        if self._models.attacks is not None:
            self._models.attacks.forget()

    def _keep_apart(self, embedding: bytes) -> None:
        """Begin a new track where the embedding is not that of the person who was followed until now."""
        vector = np.frombuffer(embedding, np.int8).astype(np.float32)
        vector /= np.linalg.norm(vector)
        followed = self._embedding if self._embedded_track == self._tracker.number else None
        if followed is not None and float(vector @ followed) < MIN_CONTINUITY:
            self._tracker.renew()
        self._embedding, self._embedded_track = vector, self._tracker.number
