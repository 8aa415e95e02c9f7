# SPDX-License-Identifier: Apache-2.0
"""What the eye and the gate may say to each other: the only module that both processes know.

Every message is one datagram on a SOCK_SEQPACKET UNIX socket with a fixed layout, little-endian, no text::

    eye -> gate   Sighting  344 bytes   one person seen once: numbers, never pixels
    eye -> gate   Health     64 bytes   once a second: is the camera alive
    gate -> eye   Command    16 bytes   watch, enrol, pause

A Sighting has room for 256 one-byte embedding components and a few dozen figures; a strip of 160 x 72 pixels needs
34,560 bytes. The gate bounds how many it accepts a second (see edge_gate.gate.peers.eye). Both sides refuse whatever is
not exactly of this form.
"""

from __future__ import annotations

import enum
import math
import struct
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any, Final

from edge_gate.core.errors import WireError

VERSION: Final = 2
MAGIC: Final = b"EG"
MAX_DIMENSIONS: Final = 256
MODEL_ID_BYTES: Final = 8
# No figure of a strip is larger, and none so large that sums of it overflow.
LARGEST_FIGURE: Final = 1e6

_HEAD: Final = struct.Struct("<2sBB")
_SIGHTING: Final = struct.Struct(f"<2sBB 3QI 4H 8fB 3x {MODEL_ID_BYTES}s 2xH {MAX_DIMENSIONS}s")
_HEALTH: Final = struct.Struct("<2sBB Q Q Q Q 4f BB 10x")
_COMMAND: Final = struct.Struct("<2sBB I I B 3x")


class Kind(enum.IntEnum):
    """The third byte of each message: what it is."""

    SIGHTING = 1
    HEALTH = 2
    COMMAND = 3


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


class CameraState(enum.IntEnum):
    """What the eye knows of its camera. All but STARTING and WORKING are faults."""

    STARTING = 0
    WORKING = 1
    MISSING = 2
    STALLED = 3
    BLACK = 4
    GARBAGE = 5


class EyeMode(enum.IntEnum):
    """What the gate may ask of the eye."""

    WATCH = 1
    ENROL = 2
    PAUSE = 3


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

    ``eye`` is drawn at random at each start of the eye; ``sequence`` grows by one with each sighting of it;
    ``captured_ns`` is CLOCK_MONOTONIC at capture, the same clock in both processes; ``track`` counts the people
    followed since the eye's start; ``x, y`` the middle of the eyes in a frame of ``width x height`` pixels;
    ``pad_score`` 0..1 (ISO/IEC 30107-3), 1 for a bona fide presentation, NaN where it was not measured; ``embedding``
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
    refusal: AcquisitionFailure
    model_id: bytes
    embedding: bytes

    def pack(self) -> bytes:
        """Return the message's bytes. Raises WireError where a field does not fit its place."""
        if len(self.embedding) > MAX_DIMENSIONS or len(self.model_id) != MODEL_ID_BYTES:
            raise WireError("eye", f"{len(self.embedding)} components, model id of {len(self.model_id)} bytes")
        try:
            return _SIGHTING.pack(
                MAGIC, VERSION, Kind.SIGHTING, self.eye, self.sequence, self.captured_ns, self.track,
                self.x, self.y, self.width, self.height, *astuple(self.quality), self.pad_score, self.refusal,
                self.model_id, len(self.embedding), self.embedding,
            )  # fmt: skip
        except struct.error as error:
            raise WireError("eye", str(error)) from error


@dataclass(frozen=True, slots=True)
class Health:
    """How the eye is, once a second. ``fps`` and ``loop_p95_ms`` are over the last few seconds; ``sealed`` is a bit
    field."""

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

    def pack(self) -> bytes:
        """Return the message's bytes. Raises WireError where a field does not fit its place."""
        try:
            return _HEALTH.pack(MAGIC, VERSION, Kind.HEALTH, *astuple(self))
        except struct.error as error:
            raise WireError("eye", str(error)) from error


@dataclass(frozen=True, slots=True)
class Command:
    """What the gate asks: ``argument`` is a number whose meaning the verb gives (0 for all today)."""

    verb: EyeMode
    sequence: int
    argument: int = 0

    def pack(self) -> bytes:
        """Return the message's bytes. Raises WireError where a field does not fit its place."""
        try:
            return _COMMAND.pack(MAGIC, VERSION, Kind.COMMAND, self.sequence, self.argument, self.verb)
        except struct.error as error:
            raise WireError("gate", str(error)) from error


SIGHTING_BYTES: Final = _SIGHTING.size
HEALTH_BYTES: Final = _HEALTH.size
COMMAND_BYTES: Final = _COMMAND.size
LARGEST_BYTES: Final = max(SIGHTING_BYTES, HEALTH_BYTES, COMMAND_BYTES)


def unpack(message: bytes) -> Sighting | Health | Command:
    """Read one message. Raises WireError for anything that is not exactly one of the three layouts with sane values."""
    if len(message) < _HEAD.size:
        raise WireError("eye", f"{len(message)} bytes are no message")
    magic, version, kind = _HEAD.unpack_from(message)
    if magic != MAGIC or version != VERSION:
        raise WireError("eye", f"magic {magic!r} version {version}; this is {MAGIC!r} version {VERSION}")
    readers: dict[Kind, tuple[struct.Struct, Callable[[tuple[Any, ...]], Sighting | Health | Command]]] = {
        Kind.SIGHTING: (_SIGHTING, _sighting),
        Kind.HEALTH: (_HEALTH, _health),
        Kind.COMMAND: (_COMMAND, _command),
    }
    if kind not in readers:
        raise WireError("eye", f"unknown kind {kind}")
    layout, read = readers[Kind(kind)]
    if len(message) != layout.size:
        raise WireError("eye", f"{len(message)} bytes where {Kind(kind).name.lower()} has {layout.size}")
    try:
        return read(layout.unpack(message)[3:])
    except (ValueError, OverflowError) as error:
        raise WireError("eye", str(error)) from error


def _sighting(fields: tuple[Any, ...]) -> Sighting:
    eye, sequence, captured_ns, track, x, y, width, height = fields[:8]
    figures, pad_score, refusal, model_id, dimensions, padded = fields[8:15], *fields[15:]
    if not all(abs(figure) <= LARGEST_FIGURE for figure in figures):  # nor NaN
        raise ValueError("a quality figure is beyond all measure")
    if not 0 <= figures[-1] <= 1:
        raise ValueError(f"weight {figures[-1]}")
    if not (math.isnan(pad_score) or 0 <= pad_score <= 1):
        raise ValueError(f"pad_score {pad_score}")
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
        AcquisitionFailure(refusal),
        model_id,
        embedding,
    )


def _health(fields: tuple[Any, ...]) -> Health:
    if not all(math.isfinite(number) for number in fields):
        raise ValueError("a figure is not finite")
    eye, sequence, sent_ns, frames, fps, p50, p95, luminance, camera, sealed = fields
    return Health(eye, sequence, sent_ns, frames, fps, p50, p95, luminance, CameraState(camera), sealed)


def _command(fields: tuple[Any, ...]) -> Command:
    sequence, argument, verb = fields
    return Command(EyeMode(verb), sequence, argument)
