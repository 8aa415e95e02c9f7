# SPDX-License-Identifier: Apache-2.0
"""What one look through the camera gave: a line from a process that sees, for one that must not (eye/glance.py)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from edge_gate.core.errors import WireError

# What may be asked.
PICTURE: Final = "picture"
IDENTITY: Final = "identity"
LONGEST_BYTES: Final = 8192
_LONGEST_SENTENCE: Final = 600
_LONGEST_IDENTITY: Final = 160
_LARGEST_SIDE_PX: Final = 65_536


@dataclass(frozen=True, slots=True)
class Glance:
    """A picture's size and its mean brightness, 0 to 1; or the sentence that says why there is none. A size of 0 and no
    sentence: no picture came in time, or none was asked for. ``identity``: which camera it is, as it can be pinned; or
    nothing."""

    width: int = 0
    height: int = 0
    brightness: float = 0.0
    fault: str = ""
    identity: str = ""


def encode(glance: Glance) -> bytes:
    """Return the line."""
    identity = glance.identity if _can_be_pinned(glance.identity) else ""
    kept = asdict(glance) | {"fault": glance.fault[:_LONGEST_SENTENCE], "identity": identity}
    return json.dumps(kept).encode("ascii") + b"\n"


def decode(line: bytes) -> Glance:
    """Return what a line says. Raises WireError for what `encode` does not write: whoever wrote it may be anybody."""
    try:
        said = json.loads(line) if len(line) <= LONGEST_BYTES and line.endswith(b"\n") else None
        glance = Glance(**said) if isinstance(said, dict) else None
    except (ValueError, TypeError, RecursionError):
        glance = None
    if glance is None or not _is_sound(glance):
        raise WireError("camera", "it is not the line that was expected")
    return glance


def _is_sound(glance: Glance) -> bool:
    sides = (glance.width, glance.height)
    return (
        all(type(side) is int and 0 <= side <= _LARGEST_SIDE_PX for side in sides)
        and type(glance.brightness) in (int, float)
        and 0 <= glance.brightness <= 1
        and type(glance.fault) is str
        and len(glance.fault) <= _LONGEST_SENTENCE
        and type(glance.identity) is str
        and _can_be_pinned(glance.identity)
    )


def _can_be_pinned(identity: str) -> bool:
    """Tell whether a text can stand between the quotes of a setting, and on a terminal."""
    fits = len(identity) <= _LONGEST_IDENTITY and identity.isascii()
    return fits and identity.isprintable() and "'" not in identity
