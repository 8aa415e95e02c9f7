# SPDX-License-Identifier: Apache-2.0
"""The serial line: opening, timeouts, checking and re-opening, written once for every protocol.

Every wait here has an end, because the gate's only thread waits with it. What could not be sent is thrown away, never
left in a buffer where it might open the door minutes later, with nobody there to close it.
"""

from __future__ import annotations

import errno
import os
import termios
import time
from pathlib import Path

import serial

from edge_gate.core.clock import Clock
from edge_gate.core.errors import RelayError, RelayGarbled, RelayMissing, RelaySilent
from edge_gate.relays.framing import Exchange, hex_spaced

REPLY_TIMEOUT_MS = 250
"""Beyond the time that the bytes need on the line; boards answer within a few tens of ms."""

_GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO)
_BITS_PER_BYTE = 10
_GAP_CHARACTERS = 4
"""RTU frames are 3.5 characters of silence apart ("MODBUS over Serial Line" V1.02, 2.5.1.1)."""
_GAP_LEAST_MS = 10.0
_TICK_S = 0.001


class SerialPort:
    """One board's line, 8N1, held exclusively, opened when it is first needed.

    ``on_open`` is exchanged after every opening before anything else; where that fails the port is closed again, so
    nothing else can come first. The port is neither thread-safe nor meant to be shared.
    """

    def __init__(
        self,
        path: str,
        baud: int,
        clock: Clock,
        on_open: tuple[Exchange, ...] = (),
        reply_timeout_ms: int = REPLY_TIMEOUT_MS,
    ) -> None:
        self.path = path
        self._baud = baud
        self._clock = clock
        self._on_open = on_open
        self._reply_timeout_ms = reply_timeout_ms
        self._serial: serial.Serial | None = None
        self._quiet_until_ns = 0

    def open(self) -> None:
        """Open the port where it is not open or was unplugged, and exchange ``on_open``.

        Raises RelayMissing, RelayError (held by another process, no permission, not a serial port), or what `exchange`
        raises.
        """
        if self._serial is not None and self._alive(self._serial):
            return
        self._serial = self._connected()
        try:
            for exchange in self._on_open:
                self._persistent(exchange)
        except RelayError:
            self.close()
            raise

    def exchange(self, exchange: Exchange) -> bytes | None:
        """Send the request and return the answer, None for a board that gives none.

        A repeatable request whose answer was missing or wrong is sent once more; anything else is sent once, whatever
        comes of it. Raises RelaySilent, RelayGarbled (the port stays open), RelayMissing, RelayError (it is closed;
        the next exchange opens it).
        """
        self.open()
        return self._persistent(exchange)

    def close(self) -> None:
        """Close the port, throwing away what had not been sent."""
        if self._serial is None:
            return
        handle, self._serial = self._serial, None
        try:
            # Otherwise closing waits for a line that takes no bytes, and a late "on" may still go out.
            handle.reset_output_buffer()
        except (OSError, termios.error):
            pass  # unplugged: there is nothing left to throw away
        finally:
            handle.close()

    def _persistent(self, exchange: Exchange) -> bytes | None:
        try:
            return self._once(exchange)
        except (RelaySilent, RelayGarbled):
            if not exchange.repeatable:
                raise
        return self._once(exchange)

    def _once(self, exchange: Exchange) -> bytes | None:
        handle = self._serial
        if handle is None:
            raise RelayError(self.path, "the port was closed")
        self._keep_gap()
        try:
            handle.reset_input_buffer()  # an answer that came too late is no answer to this
            handle.write(exchange.request)
            self._drain(handle)
            reply = handle.read(exchange.reply_length) if exchange.reply_length else b""
        except serial.SerialTimeoutException as error:
            self.close()
            raise RelayError(self.path, "the line does not take bytes; check flow control and the adapter") from error
        except (OSError, termios.error) as error:
            self.close()
            raise self._failure(error) from error
        self._start_gap()
        return self._checked(exchange, reply)

    def _checked(self, exchange: Exchange, reply: bytes) -> bytes | None:
        if not exchange.reply_length:
            return None
        if not reply:
            raise RelaySilent(self.path, self._reply_timeout_ms)
        if exchange.reply is not None and reply != exchange.reply:
            raise RelayGarbled(self.path, hex_spaced(reply), hex_spaced(exchange.reply))
        if len(reply) != exchange.reply_length:
            raise RelayGarbled(self.path, hex_spaced(reply), f"{exchange.reply_length} bytes")
        return reply

    def _connected(self) -> serial.Serial:
        longest = 64 * _BITS_PER_BYTE / self._baud  # no request and answer together are longer than 64 bytes
        timeout_s = self._reply_timeout_ms / 1000 + longest
        try:
            return serial.Serial(
                self.path, self._baud, timeout=timeout_s, write_timeout=timeout_s, exclusive=True
            )  # 8N1 without flow control is pyserial's default
        except (OSError, termios.error) as error:
            raise self._failure(error) from error

    def _alive(self, handle: serial.Serial) -> bool:
        """Tell whether the device behind the open port is still there; nothing is sent to find out."""
        try:
            handle.reset_input_buffer()
        except (OSError, termios.error):
            self.close()
            return False
        return True

    def _drain(self, handle: serial.Serial) -> None:
        """Wait, not for ever as tcdrain(3) would, until the bytes have left this machine."""
        for _ in range(int((handle.write_timeout or 0) / _TICK_S)):
            if not handle.out_waiting:
                return
            time.sleep(_TICK_S)
        raise serial.SerialTimeoutException

    def _start_gap(self) -> None:
        gap_ms = max(_GAP_LEAST_MS, 1000 * _GAP_CHARACTERS * _BITS_PER_BYTE / self._baud)
        self._quiet_until_ns = self._clock.monotonic_ns() + int(gap_ms * 1e6)

    def _keep_gap(self) -> None:
        left_ns = self._quiet_until_ns - self._clock.monotonic_ns()
        if left_ns > 0:
            time.sleep(left_ns / 1e9)

    def _failure(self, error: Exception) -> RelayError:
        number = error.errno if isinstance(error, OSError) else error.args[0] if error.args else None
        if number == errno.EAGAIN:
            return RelayError(self.path, "another process holds it")
        reason = os.strerror(number) if isinstance(number, int) else str(error)
        if number in _GONE or not Path(self.path).exists():
            return RelayMissing(self.path, reason)
        return RelayError(self.path, reason)
