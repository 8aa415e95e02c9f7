# SPDX-License-Identifier: Apache-2.0
"""One relay board as the door sees it: a pulse, its certain end, and nothing that could outlast it.

A pulse ends in one of two ways. The board times it where it can; otherwise the host does, and then a PulseGuard ends
it should the host die. Either way the host follows up with "all off" when the pulse ought to be over, so that a board
that only pretends to have a timer is closed as well, and a failed pulse is followed by "all off" at once. An "off" that
could not be delivered is tried again until it was.
"""

from __future__ import annotations

import enum
from contextlib import suppress

from edge_gate.core import drivers
from edge_gate.core.clock import Clock
from edge_gate.core.errors import BadPulse, RelayError, RelayGarbled
from edge_gate.relays.framing import Framing, hex_spaced, round_up
from edge_gate.relays.guard import PulseGuard
from edge_gate.relays.port import SerialPort
from edge_gate.settings.config import DoorSettings

BACKSTOP_MS = 250
"""How long after a board-timed pulse ought to have ended the host switches off all the same."""
RETRY_MS = 500
"""How soon an "off" that could not be delivered is tried again."""


class Confirmation(enum.Enum):
    """What is known of a pulse that raised no error."""

    CONFIRMED = "confirmed"
    """The board answered as it should."""
    UNCONFIRMED = "unconfirmed"
    """The protocol has no answer: the bytes left this machine, more cannot be known."""


class RelayBoard:
    """What the door uses. Not thread-safe: the gate's event loop is its only caller.

    The loop calls `tick` no later than `due_ns`. Each call takes milliseconds while the board answers; a silent one
    costs at most four reply timeouts, about 1.2 s.
    """

    def __init__(self, framing: Framing, port: SerialPort, clock: Clock, guard: PulseGuard | None = None) -> None:
        self._framing = framing
        self._port = port
        self._clock = clock
        self._guard = guard
        self._channel = 0
        self._due_ns: int | None = None

    @property
    def due_ns(self) -> int | None:
        """When `tick` has something to do (CLOCK_MONOTONIC), None while every relay is at rest."""
        return self._due_ns

    def all_off(self) -> None:
        """Switch every relay off, ending any pulse. Raises RelayError and its kinds; then it is tried again by `tick`.

        Without a pulse this is also how to find out whether the board is there.
        """
        try:
            for exchange in self._framing.all_off():
                self._port.exchange(exchange)
        except RelayError:
            if self._due_ns is not None:
                self._due_ns = self._clock.monotonic_ns() + RETRY_MS * 1_000_000
            raise
        self._due_ns = None
        if self._guard:
            self._guard.disarm()

    def pulse(self, channel: int, pulse_ms: int) -> Confirmation:
        """Switch one relay on for ``pulse_ms``, rounded up to the board's step, from now.

        A pulse during a pulse of the same channel starts its time anew: the last one decides, times never add up.
        Raises BadPulse for what is not possible (nothing was sent), and RelayError and its kinds when the board was
        not reached or did not answer as it should; then everything was switched off, or will be by `tick`, and the
        pulse is **not** sent again, because a board whose answer was lost would open twice.
        """
        self._refuse_impossible(channel, pulse_ms)
        self._port.open()
        length_ns = round_up(pulse_ms, self._framing.pulse_step_ms) * 1_000_000
        if self._framing.board_timed:
            exchange = self._framing.timed_pulse(channel, pulse_ms)
            after_ns = length_ns + BACKSTOP_MS * 1_000_000
        else:
            exchange = self._framing.on(channel)
            after_ns = length_ns
        self._channel = channel
        self._due_ns = self._clock.monotonic_ns() + after_ns
        try:
            if self._guard:
                self._guard.arm(self._clock.monotonic_ns() + length_ns)
            self._port.exchange(exchange)
        except RelayError:
            self._end_quietly()
            raise
        self._due_ns = self._clock.monotonic_ns() + after_ns
        return Confirmation.CONFIRMED if exchange.reply is not None else Confirmation.UNCONFIRMED

    def tick(self) -> None:
        """End a pulse that is due; otherwise do nothing. Raises what `all_off` raises, and is then due again."""
        if self._due_ns is not None and self._clock.monotonic_ns() >= self._due_ns:
            self.all_off()

    def read(self) -> tuple[bool, ...] | None:
        """Return whether each relay is on, channel 1 first; None for a board that cannot tell. Raises RelayError."""
        question = self._framing.read()
        if question is None:
            return None
        reply = self._port.exchange(question) or b""
        states = self._framing.decode(reply)
        if states is None:
            raise RelayGarbled(self._port.path, hex_spaced(reply), f"the state of {self._framing.channels} relays")
        return states

    def close(self) -> None:
        """Switch everything off as far as that is possible, and let go of the port and the guard.

        Where switching off failed during a pulse, the guard is left armed and goes on trying for some seconds.
        """
        self._end_quietly()
        self._port.close()
        if self._guard:
            self._guard.close()

    def _end_quietly(self) -> None:
        with suppress(RelayError):  # the caller has a better error to tell, and `tick` or the guard goes on trying
            self.all_off()

    def _refuse_impossible(self, channel: int, pulse_ms: int) -> None:
        framing = self._framing
        reason = ""
        if not 1 <= channel <= framing.channels:
            reason = f"it has {framing.channels} channels"
        elif not 1 <= pulse_ms <= framing.max_pulse_ms:
            reason = f"the pulse must last 1 to {framing.max_pulse_ms} ms"
        elif self._due_ns is not None and channel != self._channel:
            reason = f"the pulse on channel {self._channel} has not ended"
        if reason:
            raise BadPulse(pulse_ms, channel, framing.name, reason)


def open_board(settings: DoorSettings, clock: Clock) -> RelayBoard:
    """Return the board that the configuration names. Nothing is sent yet, and the port may be missing.

    Starts the pulse guard where the host has to time pulses: call it before the process starts threads or gives up
    its right to start programs. Raises UnknownDriver, or RelayError where the guard cannot be started.
    """
    framing: Framing = drivers.load("edge_gate.relays", settings.relay)(settings)
    rest = framing.all_off()
    port = SerialPort(settings.port, settings.baud, clock, on_open=rest)
    guard = None
    if not framing.board_timed:
        guard = PulseGuard(settings.port, settings.baud, (each.request for each in rest))
    return RelayBoard(framing, port, clock, guard)
