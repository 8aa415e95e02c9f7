# SPDX-License-Identifier: Apache-2.0
"""A pulse before and after the board took it, and what is known of it then. Nothing here touches a port."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from edge_gate.core.errors import BadPulse, RelayError
from edge_gate.relays.framing import Framing
from edge_gate.relays.line import Job


class Confirmation(enum.Enum):
    """What is known of a pulse that ended in no error."""

    CONFIRMED = "confirmed"
    """The board answered as it should."""
    UNCONFIRMED = "unconfirmed"
    """The protocol has no answer: the bytes left this machine, more cannot be known."""


Pulsed = Callable[[Confirmation | RelayError], None]


@dataclass(slots=True, eq=False)
class Wish:
    """A pulse that the board has not taken yet.

    ``job`` is what the line does for it: opens the port, or, once ``switching``, switches the relay on.
    ``watched_ns`` is the deadline that the guard was given.
    """

    channel: int
    pulse_ms: int
    length_ns: int
    done: Pulsed
    late_ns: int
    job: Job | None = None
    switching: bool = False
    watched_ns: int | None = None


@dataclass(slots=True, eq=False)
class Pulse:
    """A relay that is on, or may be. ``ending``: its "off" is with the line."""

    off_due_ns: int
    ending: bool = False


def refuse_impossible(framing: Framing, channel: int, pulse_ms: int) -> None:
    """Raise BadPulse for a pulse that no board of this kind can give."""
    reason = ""
    if not 1 <= channel <= framing.channels:
        reason = f"it has {framing.channels} channels"
    elif not 1 <= pulse_ms <= framing.max_pulse_ms:
        reason = f"the pulse must last 1 to {framing.max_pulse_ms} ms"
    if reason:
        raise BadPulse(pulse_ms, channel, framing.name, reason)
