# SPDX-License-Identifier: Apache-2.0
"""Waveshare's Modbus RTU relay boards, which time a pulse themselves.

Frames after the "Development Protocol V2" of Waveshare's wiki, "Modbus RTU Relay" (9600 8N1 as delivered)::

    address 05 00 cc FF 00 crc crc    relay cc on (cc counts from 0); 00 00 for off; echoed
    address 05 00 FF 00 00 crc crc    every relay off; echoed
    address 05 02 cc tt tt crc crc    relay cc on for tt tt x 100 ms ("flash on"), at most 7F FF; echoed
    address 01 00 00 00 nn crc crc    state of nn relays -> address 01 bytes bits... crc crc, lowest bit first

The CRC is that of "MODBUS over Serial Line" V1.02, 6.2.2, low byte first. Eight bytes need no Modbus library.
"""

from __future__ import annotations

from dataclasses import replace

from edge_gate.relays.framing import Exchange, round_up
from edge_gate.settings.config import DoorSettings

_READ_COILS = 0x01
_WRITE_COIL = 0x05
_ON = 0xFF00
_OFF = 0x0000
_ALL_RELAYS = 0x00FF
_FLASH_ON = 0x0200
_FLASH_LONGEST = 0x7FFF


class WaveshareModbus:
    """The entry point ``modbus-waveshare``."""

    name = "modbus-waveshare"
    board_timed = True
    pulse_step_ms = 100
    max_pulse_ms = _FLASH_LONGEST * pulse_step_ms

    def __init__(self, settings: DoorSettings) -> None:
        self.channels = settings.channels
        self._address = settings.address

    def off(self, channel: int) -> Exchange:
        """Switch one relay off; a pulse that is running is meant to end with it."""
        return self._write(channel - 1, _OFF, repeatable=True)

    def on(self, channel: int) -> Exchange:
        """Switch one relay on until it is switched off."""
        return self._write(channel - 1, _ON)

    def timed_pulse(self, channel: int, pulse_ms: int) -> Exchange:
        """Switch one relay on for the pulse, rounded up to whole steps of 100 ms and measured by the board."""
        steps = round_up(pulse_ms, self.pulse_step_ms) // self.pulse_step_ms
        return self._write(_FLASH_ON + channel - 1, steps)

    def all_off(self) -> tuple[Exchange, ...]:
        """Switch every relay off, then read that they are.

        The reading is more than care: a line adapter that returns what it sends looks like a board that echoes every
        write, but it cannot make up the answer to a question.
        """
        everything_off = bytes(-(-self.channels // 8))
        expected = self._frame(_READ_COILS, bytes((len(everything_off),)) + everything_off)
        question = replace(self.read(), reply=expected)
        return self._write(_ALL_RELAYS, _OFF, repeatable=True), question

    def read(self) -> Exchange:
        """Ask for the state of every relay; `decode` reads the answer."""
        length = 5 + -(-self.channels // 8)
        return Exchange(self._question(), None, length, repeatable=True, asks=True, recognise=self._recognise)

    def decode(self, reply: bytes) -> tuple[bool, ...] | None:
        """Return each relay's state, or None where this is not this board's answer to `read`."""
        n_bytes = -(-self.channels // 8)
        head = bytes((self._address, _READ_COILS, n_bytes))
        if len(reply) != 5 + n_bytes or not reply.startswith(head) or reply[-2:] != crc16(reply[:-2]):
            return None
        bits = int.from_bytes(reply[3:-2], "little")
        return tuple(bool(bits >> place & 1) for place in range(self.channels))

    def _recognise(self, frame: bytes) -> bool:
        return self.decode(frame) is not None

    def _question(self) -> bytes:
        return self._frame(_READ_COILS, (0).to_bytes(2, "big") + self.channels.to_bytes(2, "big"))

    def _write(self, coil: int, value: int, *, repeatable: bool = False) -> Exchange:
        frame = self._frame(_WRITE_COIL, coil.to_bytes(2, "big") + value.to_bytes(2, "big"))
        return Exchange(frame, frame, len(frame), repeatable)

    def _frame(self, function: int, data: bytes) -> bytes:
        body = bytes((self._address, function)) + data
        return body + crc16(body)


def crc16(body: bytes) -> bytes:
    """Return the two check bytes that end an RTU frame (polynomial A001 reflected, start FFFF, low byte first)."""
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc.to_bytes(2, "little")
