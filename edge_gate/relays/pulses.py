# SPDX-License-Identifier: Apache-2.0
"""A pulse before and after the board took it, and what is known of it then. Nothing here touches a port."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from edge_gate.core.errors import BadPulse, RelayError
from edge_gate.relays.framing import Exchange, Framing
from edge_gate.relays.jobs import Job


class Confirmation(enum.Enum):
    """What is known of a pulse that ended in no error."""

    CONFIRMED = "confirmed"
    """The board answered as it should."""
    UNCONFIRMED = "unconfirmed"
    """The protocol has no answer: the bytes left this machine, more cannot be known."""


Pulsed = Callable[[Confirmation | RelayError], None]


@dataclass(slots=True, eq=False)
class Wish:
    """A pulse that the board has not taken yet. ``exchange`` switches its relay on.

    ``job`` is what the line does for it: opens the port, or, once ``switching``, switches the relay on.
    ``watched_ns`` is the deadline that the guard was given.
    """

    channel: int
    exchange: Exchange
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
        reason = f"it has {framing.channels} channels; correct door.channel"
    elif not 1 <= pulse_ms <= framing.max_pulse_ms:
        reason = f"the pulse must last 1 to {framing.max_pulse_ms} ms; correct door.pulse_ms"
    if reason:
        raise BadPulse(pulse_ms, channel, framing.name, reason)


def frame_pulse(framing: Framing, channel: int, pulse_ms: int) -> Exchange:
    """Return what switches the relay on, for a time or until it is switched off. Raises BadPulse.

    Whatever a driver raises is BadPulse too: it is found when the board is opened, and never leaves the gate's loop.
    """
    refuse_impossible(framing, channel, pulse_ms)
    try:
        return framing.timed_pulse(channel, pulse_ms) if framing.board_timed else framing.on(channel)
    except BadPulse:
        raise
    except Exception as error:
        reason = f"its driver failed ({type(error).__name__}: {error}); tell its maker"
        raise BadPulse(pulse_ms, channel, framing.name, reason) from error
