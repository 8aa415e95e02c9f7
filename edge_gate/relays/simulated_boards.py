# SPDX-License-Identifier: Apache-2.0
"""Relay boards as their makers describe them: bytes come in, relays move, bytes go out.

Written from the datasheets (shared with no framing module, so that a mistake there cannot hide in a test): LCUS after
the vendor's pages, chinalctech.com; Waveshare after its wiki, "Modbus RTU Relay", Development Protocol V2, and the
"MODBUS Application Protocol" V1.1b3 for exceptions. Time is passed in; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Relays:
    """The relays of one board: which are on, and which will change by themselves. Channels count from 1."""

    def __init__(self, channels: int, moved: Callable[[int, int, bool], None]) -> None:
        """``moved(at_ns, channel, on)`` is called for each change."""
        self.on = [False] * channels
        self._moved = moved
        self._timers: dict[int, tuple[int, bool]] = {}

    def switch(self, now_ns: int, channel: int, on: bool) -> None:
        """Switch one relay until further notice; a timer that ran for it is gone."""
        self._timers.pop(channel, None)
        self._move(now_ns, channel, on)

    def flash(self, now_ns: int, channel: int, on: bool, length_ns: int) -> None:
        """Switch one relay for a time and then back; during a flash the time starts anew."""
        self._timers[channel] = (now_ns + length_ns, not on)
        self._move(now_ns, channel, on)

    def lose_power(self, now_ns: int) -> None:
        """Let every relay fall."""
        for channel in range(1, len(self.on) + 1):
            self.switch(now_ns, channel, False)

    def next_ns(self) -> int | None:
        """Return when the next timer ends, None if none runs."""
        return min((at_ns for at_ns, _ in self._timers.values()), default=None)

    def expire(self, now_ns: int) -> None:
        """Move the relays whose timers have ended."""
        for channel, (at_ns, on) in sorted(self._timers.items(), key=lambda item: item[1][0]):
            if at_ns <= now_ns:
                del self._timers[channel]
                self._move(at_ns, channel, on)

    def _move(self, at_ns: int, channel: int, on: bool) -> None:
        if self.on[channel - 1] != on:
            self.on[channel - 1] = on
            self._moved(at_ns, channel, on)


class Board(Protocol):
    """A board's firmware."""

    bus_powered: bool
    """Whether pulling the plug also takes the current from the relays."""

    def hear(self, now_ns: int, data: bytes) -> list[tuple[bytes, bytes]]:
        """Take bytes as they come; return each whole request with the answer to it, empty for none."""
        ...

    def differently(self, answer: bytes) -> bytes:
        """Return a well-formed answer that is not this one."""
        ...


class LcusBoard:
    """LCUS-1, -2, -4, -8: A0, channel, 0 or 1, sum. Obeys in silence; what has no valid sum is skipped."""

    bus_powered = True

    def __init__(self, relays: Relays) -> None:
        self._relays = relays
        self._pending = b""

    def hear(self, now_ns: int, data: bytes) -> list[tuple[bytes, bytes]]:
        """Take bytes; there is never an answer."""
        self._pending += data
        heard = []
        while len(self._pending) >= 4:
            frame = self._pending[:4]
            if frame[0] != 0xA0 or sum(frame[:3]) % 256 != frame[3]:
                self._pending = self._pending[1:]
                continue
            self._pending = self._pending[4:]
            if 1 <= frame[1] <= len(self._relays.on) and frame[2] in (0, 1):
                self._relays.switch(now_ns, frame[1], frame[2] == 1)
            heard.append((frame, b""))
        return heard

    def differently(self, answer: bytes) -> bytes:
        """Return nothing: there is no answer to change."""
        return b""


class WaveshareBoard:
    """Waveshare Modbus RTU Relay: functions 1 and 5, flash on and off, all relays. Powered by itself."""

    bus_powered = False

    def __init__(self, relays: Relays, address: int) -> None:
        self._relays = relays
        self._address = address
        self._pending = b""

    def hear(self, now_ns: int, data: bytes) -> list[tuple[bytes, bytes]]:
        """Take bytes; requests with a wrong check, or to another address, get no answer."""
        self._pending += data
        heard = []
        while len(self._pending) >= 8:  # both functions have requests of eight bytes
            frame = self._pending[:8]
            if _check(frame) != (0, 0):
                self._pending = self._pending[1:]
                continue
            self._pending = self._pending[8:]
            if frame[0] in (0, self._address):
                answer = self._obey(now_ns, frame)
                heard.append((frame, answer if frame[0] else b""))  # a broadcast is not answered
        return heard

    def differently(self, answer: bytes) -> bytes:
        """Return the answer with other contents and a check that is right for them."""
        return _checked(answer[:-3] + bytes((answer[-3] ^ 0x02,)))

    def refusal(self, request: bytes, code: int) -> bytes:
        """Return a Modbus exception: 1 illegal function, 2 illegal address, 3 illegal value, 4 device failure."""
        return _checked(bytes((self._address, request[1] | 0x80, code)))

    def _obey(self, now_ns: int, frame: bytes) -> bytes:
        coil, value = frame[2] << 8 | frame[3], frame[4] << 8 | frame[5]
        if frame[1] == 1:
            return self._states(frame, coil, value)
        if frame[1] != 5:
            return self.refusal(frame, 1)
        block, relay = divmod(coil, 0x100)
        everything = block == 0 and relay == 0xFF
        if not everything and (block not in (0, 2, 4) or relay >= len(self._relays.on)):
            return self.refusal(frame, 2)
        for channel in range(1, len(self._relays.on) + 1) if everything else (relay + 1,):
            if block:
                self._relays.flash(now_ns, channel, block == 2, value * 100_000_000)
            elif value in (0x0000, 0xFF00, 0x5500):
                on = not self._relays.on[channel - 1] if value == 0x5500 else value == 0xFF00
                self._relays.switch(now_ns, channel, on)
            else:
                return self.refusal(frame, 3)
        return frame

    def _states(self, frame: bytes, first: int, count: int) -> bytes:
        asked = self._relays.on[first : first + count]
        if not count or len(asked) != count:
            return self.refusal(frame, 2)
        data = bytearray((count + 7) // 8)
        for place, on in enumerate(asked):
            data[place // 8] |= on << place % 8
        return _checked(bytes((self._address, 1, len(data))) + data)


def _check(message: bytes) -> tuple[int, int]:
    """CRC-16/MODBUS, four bits at a time; of a message with its own check the result is (0, 0)."""
    low_nibbles = (0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
                   0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400)  # fmt: skip
    check = 0xFFFF
    for byte in message:
        check = low_nibbles[(check ^ byte) & 15] ^ check >> 4
        check = low_nibbles[(check ^ byte >> 4) & 15] ^ check >> 4
    return check & 255, check >> 8


def _checked(body: bytes) -> bytes:
    return body + bytes(_check(body))
