# SPDX-License-Identifier: Apache-2.0
"""Which settings one person may change alone, each with the reason. Every other setting takes two people.

A setting that is not named here is held until a second person agrees to another value, and so is a new one until
somebody decides otherwise. There are two ways to hold one. What the gate alone uses is SERVED: the gate goes on with
the value that was agreed to. What the eye or the relay takes from the file itself cannot be had with the old value, so
nothing is opened until then.

What lets fewer people in than before needs nobody else (STRICTER).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any, Final

from edge_gate.settings.liveness import CHALLENGES, MODES

_SHOWN: Final = "it is shown and written down, and nothing is judged by it"
_LINE: Final = "a wrong one moves no relay"
_SPEED: Final = "it changes how soon something is told, and nothing that is seen"
_CALLERS: Final = "who calls there is judged by the kernel's word, wherever it is"
ALONE: Final = MappingProxyType(
    {
        "site.name": _SHOWN,
        "site.language": _SHOWN,
        "site.time_zone": "the end of a consent is kept as a moment, whatever the zone",
        "camera.rotate_deg": "a face that is not upright is not found",
        "camera.stall_s": _SPEED,
        "models.threads": "the same is computed, sooner or later",
        "door.baud": _LINE,
        "door.reply_ms": _LINE,
        "store.path": "what was agreed to stands in the store itself, with the residents",
        "store.key_file": "a key that is not the store's opens nothing",
        "sockets.eye": _CALLERS,
        "sockets.control": _CALLERS,
    }
)


def _lower(agreed: Any, wanted: Any) -> bool:
    return bool(wanted <= agreed)


def _higher(agreed: Any, wanted: Any) -> bool:
    return bool(wanted >= agreed)


def _fewer(agreed: Any, wanted: Any) -> bool:
    return set(wanted) <= set(agreed)


def _later(words: Sequence[str]) -> Callable[[Any, Any], bool]:
    """Return the rule for one of some words, from the loosest to the strictest."""
    return lambda agreed, wanted: agreed in words and words.index(wanted) >= words.index(agreed)


# What tells whether a value allows no more than the one that was agreed to, with its name for people.
STRICTER: Final = MappingProxyType[str, tuple[str, Callable[[Any, Any], bool]]](
    {
        **dict.fromkeys(
            ("decision.fmr", "decision.attempts", "decision.window_s", "door.pulse_ms", "roles.people_per_hour",
             "roles.approval_minutes", "quality.max_interocular_px", "quality.max_exposure", "quality.max_yaw_deg",
             "quality.max_pitch_deg", "limiter.stricter_after", "limiter.token_after", "limiter.rest_after"),
            ("lower", _lower),
        ),
        **dict.fromkeys(
            ("decision.min_sightings", "decision.hold_off_s", "quality.min_interocular_px", "quality.min_sharpness",
             "quality.min_exposure", "quality.min_eyes_open", "limiter.forgiven_s", "limiter.wait_s", "limiter.rest_s"),
            ("higher", _higher),
        ),
        **dict.fromkeys(("models.trusted_keys", "models.allow_unsigned"), ("fewer", _fewer)),
        "liveness.mode": ("stricter", _later(MODES)),
        "liveness.challenge": ("stricter", _later(CHALLENGES)),
        "seal.required": ("true", _higher),
    }
)  # fmt: skip
# What the gate goes on with as it was agreed to.
SERVED: Final = frozenset(
    {
        *("decision.fmr", "decision.min_sightings", "decision.window_s", "decision.attempts", "decision.gap_s"),
        *("limiter.stricter_after", "limiter.token_after", "limiter.rest_after", "limiter.forgiven_s"),
        *("limiter.wait_s", "limiter.rest_s"),
        *("decision.hold_off_s", "liveness.mode", "liveness.challenge", "door.pulse_ms"),
        *("sockets.operators", "sockets.eye_user"),
        *("roles.installer", "roles.maintainer", "roles.auditor", "roles.people_per_hour", "roles.approval_minutes"),
    }
)


def names(section: str, kind: type) -> Iterator[str]:
    """Yield the settings of a section, each with the section's name before it."""
    yield from (f"{section}.{each.name}" for each in fields(kind))


def word(name: str) -> str:
    """Say how many people a change of this setting takes: one; two; or two, and nothing is opened before."""
    if name in ALONE:
        return "one"
    stricter = f" ({STRICTER[name][0]}: one)" if name in STRICTER else ""
    return f"two{stricter}" if name in SERVED else f"two, shut{stricter}"
