# SPDX-License-Identifier: Apache-2.0
"""LCUS-1 and its siblings: USB relays behind a CH340 that obey and say nothing.

Four bytes at 9600 8N1: ``A0``, the channel counted from 1, the state, and the sum of the three (vendor pages,
chinalctech.com: on ``A0 01 01 A2``, off ``A0 01 00 A1``). There is no answer and no timer, so every pulse is ended by
the host, and no pulse can be confirmed.
"""

from __future__ import annotations

from edge_gate.core.errors import BadPulse
from edge_gate.relays.framing import Exchange
from edge_gate.settings.config import DoorSettings

_HEAD = 0xA0
_ON = 0x01
_OFF = 0x00


class Lcus1:
    """The entry point ``lcus1``."""

    name = "lcus1"
    board_timed = False
    max_pulse_ms = 25_000
    """No limit of the board's: the most that door.pulse_ms allows."""
    pulse_step_ms = 1

    def __init__(self, settings: DoorSettings) -> None:
        self.channels = settings.channels

    def off(self, channel: int) -> Exchange:
        """Switch one relay off. No answer."""
        return Exchange(_frame(channel, _OFF), None, 0, repeatable=True)

    def on(self, channel: int) -> Exchange:
        """Switch one relay on. No answer."""
        return Exchange(_frame(channel, _ON), None, 0)

    def timed_pulse(self, channel: int, pulse_ms: int) -> Exchange:
        """Raise BadPulse: the board has no timer."""
        raise BadPulse(pulse_ms, channel, self.name, "the board has no timer of its own")

    def all_off(self) -> tuple[Exchange, ...]:
        """Switch each relay off, twice: nobody would report a frame that was lost on the way."""
        return tuple(self.off(channel) for channel in range(1, self.channels + 1)) * 2

    def read(self) -> Exchange | None:
        """Return None: the board does not tell its state."""
        return None

    def decode(self, reply: bytes) -> tuple[bool, ...] | None:
        """Return None: nothing this board could send means anything."""
        return None


def _frame(channel: int, state: int) -> bytes:
    return bytes((_HEAD, channel, state, (_HEAD + channel + state) & 0xFF))
