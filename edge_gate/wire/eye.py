# SPDX-License-Identifier: Apache-2.0
"""The eye's link: what the eye and the gate may say to each other, in fixed layouts, no text::

    eye -> gate   Sighting  344 bytes   one person seen once: numbers, never pixels
    eye -> gate   Health     72 bytes   once a second: is the camera alive, and by which settings
    gate -> eye   Command    16 bytes   watch, enrol, pause, leave

The gate gives each connection a number of its own, drawn at random, and each command a count. Whatever the eye says
repeats both, so that it belongs to one connection, and to what was wanted when it was seen
(edge_gate.gate.peers.orders).

A Sighting has room for 256 one-byte embedding components and a few dozen figures. A strip of 160 x 72 pixels needs
34,560 bytes. The gate bounds how many it accepts a second (see edge_gate.gate.peers.eye). The header is the frame's
(edge_gate.wire.frame); all numbers lie at multiples of their size.
"""

from __future__ import annotations

import enum
import math
import struct
from dataclasses import astuple, dataclass
from typing import Any, Final

from edge_gate.wire.frame import Direction, Link, MessageKind
from edge_gate.wire.stamp import Stamp

MAX_DIMENSIONS: Final = 256
MODEL_ID_BYTES: Final = 8
# No figure of a strip is larger, and none so large that sums of it overflow.
LARGEST_FIGURE: Final = 1e6

# The bodies, behind a header of five bytes.
_SIGHTING: Final = struct.Struct(f"<x H 3QI 4H 8f B {MODEL_ID_BYTES}s BH {MAX_DIMENSIONS}s")
_HEALTH: Final = struct.Struct("<x H 5Q 4f BB 2H BB")
_COMMAND: Final = struct.Struct("<B H Q")
MOST_COMMANDS: Final = 2**16
"""The count of commands goes round."""


class AcquisitionFailure(enum.IntEnum):
    """Why a sighting carries no embedding; each is something the resident can act on (edge_gate.documents.guidance)."""

    NONE = 0
    TOO_FAR = 1
    TOO_CLOSE = 2
    BLURRED = 3
    TOO_DARK = 4
    TOO_BRIGHT = 5
    TURNED_AWAY = 6
    EYES_CLOSED = 7
    CUT_OFF = 8


class PadReason(enum.IntEnum):
    """What speaks most against a person in a sighting (edge_gate.rules.liveness)."""

    NONE = 0
    NOT_MEASURED = 1
    SURFACE = 2  # the surface of a print or a screen, or its edge
    SCENE = 3  # what always stands behind people is hidden
    INFRARED = 4  # the infrared camera sees no face, or a flat one


class InfraredCamera(enum.IntEnum):
    """How the eye's second camera is (edge_gate.eye.liveness.infrared)."""

    NONE = 0
    WORKING = 1
    FAILING = 2


class SceneState(enum.IntEnum):
    """What the eye knows of the empty scene behind people (edge_gate.eye.liveness.scene)."""

    NEVER_EMPTY = 0
    KNOWN = 1
    CHANGED = 2


class CameraState(enum.IntEnum):
    """What the eye knows of its camera. All but STARTING and WORKING are faults."""

    STARTING = 0
    WORKING = 1
    MISSING = 2
    STALLED = 3
    BLACK = 4
    GARBAGE = 5
    REPLACED = 6
    SUSPECT = 7


class EyeMode(enum.IntEnum):
    """What the gate may ask of the eye."""

    WATCH = 1
    ENROL = 2
    PAUSE = 3
    LEAVE = 4  # another eye is here already


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one strip, as the quality gate measured them (edge_gate.eye.face.quality says how).

    ``interocular_px`` source pixels between the eyes; ``sharpness`` and ``exposure`` 0..1 of the strip; angles in
    degrees, 0 when facing the camera; ``eyes_open`` the narrower eye's aspect ratio; ``weight`` how much fusion
    should trust this strip, 0..1.
    """

    interocular_px: float
    sharpness: float
    exposure: float
    yaw_deg: float
    pitch_deg: float
    eyes_open: float
    weight: float


@dataclass(frozen=True, slots=True)
class Sighting:
    """One person seen once.

    ``order`` and ``eye`` are those of the command that held when it was seen; ``sequence`` grows with each sighting;
    ``captured_ns`` is CLOCK_BOOTTIME at capture, the same clock in both processes; ``track`` counts the people
    followed since the eye's start; ``x, y`` the middle of the eyes in a frame of ``width x height`` pixels;
    ``pad_score`` 0..1 (ISO/IEC 30107-3), 1 for a bona fide presentation, NaN where it was not measured, and
    ``pad_reason`` what speaks against one, NOT_MEASURED exactly where the score is NaN; ``embedding``
    int8 components whose direction alone carries meaning, empty exactly when ``refusal`` is not NONE.
    """

    eye: int
    sequence: int
    captured_ns: int
    track: int
    x: int
    y: int
    width: int
    height: int
    quality: Quality
    pad_score: float
    pad_reason: PadReason
    refusal: AcquisitionFailure
    model_id: bytes
    embedding: bytes
    order: int = 0

    @property
    def stamp(self) -> Stamp:
        """Return sender, sequence and time of capture."""
        return Stamp(self.eye, self.sequence, self.captured_ns)


@dataclass(frozen=True, slots=True)
class Health:
    """How the eye is, once a second. ``order`` and ``eye`` are those of the command that holds. ``fps`` and
    ``loop_p95_ms`` are over the last few seconds; ``sealed`` is a bit field; ``arrived`` pictures came in the last
    second, and ``skipped`` of them could not be used; ``scene``: what is known of the scene behind people;
    ``infrared``: how the second camera is;
    ``settings``: a digest of those it runs by (edge_gate.rules.agreed_policy), 0 where it does not say."""

    eye: int
    sequence: int
    sent_ns: int
    frames: int
    fps: float
    loop_p50_ms: float
    loop_p95_ms: float
    luminance: float
    camera: CameraState
    sealed: int
    arrived: int = 0
    skipped: int = 0
    scene: SceneState = SceneState.NEVER_EMPTY
    infrared: InfraredCamera = InfraredCamera.NONE
    order: int = 0
    settings: int = 0

    @property
    def stamp(self) -> Stamp:
        """Return sender, sequence and time of sending."""
        return Stamp(self.eye, self.sequence, self.sent_ns)


@dataclass(frozen=True, slots=True)
class Command:
    """What the gate asks. ``order`` counts the commands, and ``eye`` is the number that this connection was given."""

    verb: EyeMode
    order: int
    eye: int = 0


def _read_sighting(fields: tuple[Any, ...]) -> Sighting:
    order, eye, sequence, captured_ns, track, x, y, width, height = fields[:9]
    figures, pad_score, refusal, model_id, pad_reason, dimensions, padded = fields[9:16], *fields[16:]
    if not all(abs(figure) <= LARGEST_FIGURE for figure in figures):  # nor NaN
        raise ValueError("a quality figure is beyond all measure")
    if not 0 <= figures[-1] <= 1:
        raise ValueError(f"weight {figures[-1]}")
    if not (math.isnan(pad_score) or 0 <= pad_score <= 1):
        raise ValueError(f"pad_score {pad_score}")
    if math.isnan(pad_score) != (pad_reason == PadReason.NOT_MEASURED):
        raise ValueError("a PAD score goes with a reason, and only where one was measured")
    if dimensions > MAX_DIMENSIONS or any(padded[dimensions:]):
        raise ValueError("bytes behind the embedding")
    embedding = padded[:dimensions]
    if (refusal == AcquisitionFailure.NONE) != any(embedding):
        raise ValueError("an embedding goes with an accepted strip, and only with one")
    return Sighting(
        eye,
        sequence,
        captured_ns,
        track,
        x,
        y,
        width,
        height,
        Quality(*figures),
        pad_score,
        PadReason(pad_reason),
        AcquisitionFailure(refusal),
        model_id,
        embedding,
        order,
    )


def _read_health(fields: tuple[Any, ...]) -> Health:
    if not all(math.isfinite(number) for number in fields):
        raise ValueError("a figure is not finite")
    order, eye, sequence, sent_ns, frames, settings, fps, p50, p95, luminance = fields[:10]
    camera, sealed, arrived, skipped, scene, infrared = fields[10:]
    if skipped > arrived:
        raise ValueError(f"{skipped} pictures skipped of {arrived}")
    state = CameraState(camera)
    return Health(
        eye,
        sequence,
        sent_ns,
        frames,
        fps,
        p50,
        p95,
        luminance,
        state,
        sealed,
        arrived,
        skipped,
        SceneState(scene),
        InfraredCamera(infrared),
        order,
        settings,
    )


def _read_command(fields: tuple[Any, ...]) -> Command:
    verb, order, eye = fields
    return Command(EyeMode(verb), order, eye)


def _list_health(health: Health) -> tuple[Any, ...]:
    *others, order, settings = astuple(health)
    return (order, *others[:4], settings, *others[4:])


def _list_sighting(sighting: Sighting) -> tuple[Any, ...]:
    if len(sighting.embedding) > MAX_DIMENSIONS or len(sighting.model_id) != MODEL_ID_BYTES:
        raise ValueError(f"{len(sighting.embedding)} components, model id of {len(sighting.model_id)} bytes")
    # NaN has many forms, of which one goes over the wire.
    pad_score = math.nan if math.isnan(sighting.pad_score) else sighting.pad_score
    return (
        sighting.order, sighting.eye, sighting.sequence, sighting.captured_ns, sighting.track,
        sighting.x, sighting.y, sighting.width, sighting.height, *astuple(sighting.quality), pad_score,
        sighting.refusal, sighting.model_id, sighting.pad_reason, len(sighting.embedding), sighting.embedding,
    )  # fmt: skip


SIGHTING: Final = MessageKind(1, Sighting, _SIGHTING, _list_sighting, _read_sighting)
HEALTH: Final = MessageKind(2, Health, _HEALTH, _list_health, _read_health)
COMMAND: Final = MessageKind(3, Command, _COMMAND, astuple, _read_command)
EYE_LINK: Final[Link[Sighting | Health, Command]] = Link(
    id=1, name="eye", version=6, to_gate=(SIGHTING, HEALTH), from_gate=(COMMAND,)
)

SIGHTING_BYTES: Final = SIGHTING.length
HEALTH_BYTES: Final = HEALTH.length
COMMAND_BYTES: Final = COMMAND.length
LARGEST_BYTES: Final = max(EYE_LINK.longest(each) for each in Direction)
