# SPDX-License-Identifier: Apache-2.0
"""What a relay protocol is: a pure translation between wishes and bytes. Nothing here touches a port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what the board has to answer.

    ``reply`` is the one right answer, byte for byte, or None where the answer carries news (or where there is none);
    ``reply_length`` counts the bytes to wait for, 0 for a board that never answers. ``repeatable`` says that sending
    it twice does no more than sending it once. Only what switches off or reads may claim that: a board that obeyed an
    opening but whose answer was lost would, asked again, hold the door open for longer than one pulse.

    ``asks`` marks a question that moves nothing. ``recognise`` tells whether ``reply_length`` bytes are a whole answer,
    its check included: with it an answer that carries news is found behind noise and behind the line's own echo.
    """

    request: bytes
    reply: bytes | None
    reply_length: int
    repeatable: bool = False
    asks: bool = False
    recognise: Callable[[bytes], bool] | None = None

    def accepts(self, frame: bytes) -> bool:
        """Tell whether these bytes could be the answer, the unwelcome ones of a question included."""
        if len(frame) != self.reply_length or not frame:
            return False
        if self.recognise is not None:
            return self.recognise(frame)
        return self.reply is None or frame == self.reply

    def resembles(self, other: Exchange) -> bool:
        """Tell whether an answer to one could pass for an answer to the other."""
        if not self.reply_length or not other.reply_length:
            return False
        replies = (
            self.reply is not None and other.accepts(self.reply),
            other.reply is not None and self.accepts(other.reply),
        )
        return self.request == other.request or any(replies)


class Framing(Protocol):
    """One relay protocol. Constructed as ``Framing(settings: edge_gate.settings.config.DoorSettings)``; channels count
    from 1.

    ``board_timed`` boards end a pulse themselves; for the others the host switches off, watched by a PulseGuard.
    ``pulse_step_ms`` is the board's unit of time: a pulse is rounded **up** to a whole number of steps, so that a lock
    is never released for less than was configured. ``max_pulse_ms`` is the longest pulse that is possible at all.
    """

    name: str
    channels: int
    board_timed: bool
    max_pulse_ms: int
    pulse_step_ms: int

    def off(self, channel: int) -> Exchange:
        """Switch one relay off."""
        ...

    def on(self, channel: int) -> Exchange:
        """Switch one relay on until it is switched off."""
        ...

    def timed_pulse(self, channel: int, pulse_ms: int) -> Exchange:
        """Switch one relay on for a time that the board measures. Raises BadPulse where the board has no timer."""
        ...

    def all_off(self) -> tuple[Exchange, ...]:
        """Switch every relay off and, where the protocol allows, see that they are. Sent first after every opening."""
        ...

    def read(self) -> Exchange | None:
        """Ask for the state of every relay; None where the board cannot tell."""
        ...

    def decode(self, reply: bytes) -> tuple[bool, ...] | None:
        """Return the state of each channel from the answer to `read`; None for bytes that are no such answer."""
        ...


def round_up(pulse_ms: int, step_ms: int) -> int:
    """Return the shortest whole number of steps, in ms, that is not shorter than the pulse."""
    return -(-pulse_ms // step_ms) * step_ms


def hex_spaced(message: bytes) -> str:
    """Return bytes the way datasheets print them: ``A0 01 01 A2``."""
    return message.hex(" ").upper()
