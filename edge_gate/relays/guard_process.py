# SPDX-License-Identifier: Apache-2.0
"""The child that ends a pulse when the gate no longer can: run as a script by PulseGuard, in an interpreter of its own.

    python -I -S guard_process.py PORT BAUD MARGIN_MS OFF_FRAME_HEX...

Descriptor 0 is a SOCK_SEQPACKET socket to the gate. Nine bytes a message: ``A`` and a little-endian CLOCK_BOOTTIME
deadline in ns ("a relay goes on"), sent back to say that it is watched; or ``D`` and eight zeros ("it is off"). The
child says ``R`` once, when no signal but SIGKILL can end it any more. When the gate's end closes while armed, or the
deadline plus the margin has passed, the off frames are written, in rounds. It imports next to nothing, so it is small
and starts in milliseconds, and it knows nothing but its arguments.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time

ROUNDS = 3
PAUSE_NS = 60_000_000
GIVE_UP_NS = 5_000_000_000
"""A port that stays away so long was unplugged, and a USB relay without its port has no current either."""
LONGEST_WAIT_MS = 60_000
"""poll(2) takes no more than 31 bits: a deadline that makes no sense must not end the guard."""
MESSAGE_BYTES = 9


def _now_ns() -> int:
    """Return the gate's own clock (edge_gate/core/clock.py), which counts while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Guard:
    """What is to be switched off, when, and how often still. Times are CLOCK_BOOTTIME in ns."""

    def __init__(self, port: str, baud: int, margin_ns: int, frames: list[bytes]) -> None:
        self.port = port
        self.baud = baud
        self.margin_ns = margin_ns
        self.frames = frames
        self.due_ns: int | None = None
        self._give_up_ns = 0
        self._rounds_left = 0

    def hear(self, message: bytes) -> bytes:
        """Take one message and return what to answer, empty for nothing."""
        if len(message) != MESSAGE_BYTES or message[:1] not in (b"A", b"D"):
            return b""
        if message[:1] == b"D":
            self.due_ns = None
            return b""
        self._plan(int.from_bytes(message[1:], "little") + self.margin_ns)
        return message

    def abandoned(self) -> bool:
        """The gate is gone: switch off now. Returns whether there is anything to do."""
        if self.due_ns is not None:
            self._plan(_now_ns())
        return self.due_ns is not None

    def act(self) -> None:
        """Write the off frames where that is due, and plan the next round."""
        now_ns = _now_ns()
        if self.due_ns is None or now_ns < self.due_ns:
            return
        if write_frames(self.port, self.baud, self.frames):
            self._rounds_left -= 1
        done = self._rounds_left == 0 or now_ns > self._give_up_ns
        self.due_ns = None if done else now_ns + PAUSE_NS

    def wait_ms(self) -> int | None:
        """Return for how long there is nothing to do, None for until further notice; long waits come in pieces."""
        if self.due_ns is None:
            return None
        return min(LONGEST_WAIT_MS, max(0, -(-(self.due_ns - _now_ns()) // 1_000_000)))

    def _plan(self, due_ns: int) -> None:
        self.due_ns = due_ns
        self._give_up_ns = due_ns + GIVE_UP_NS
        self._rounds_left = ROUNDS


def write_frames(port: str, baud: int, frames: list[bytes]) -> bool:
    """Open the port beside whoever holds it, write the frames apart, and return whether all were taken."""
    try:
        line = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        attributes = termios.tcgetattr(line)
        speed = getattr(termios, f"B{baud}")
        raw_8n1 = termios.CS8 | termios.CREAD | termios.CLOCAL
        termios.tcsetattr(line, termios.TCSANOW, [0, 0, raw_8n1, 0, speed, speed, attributes[6]])
        # A gate that hung may have left an "on" in the buffer: it must not come after our "off".
        termios.tcflush(line, termios.TCOFLUSH)
        taken = True
        for frame in frames:
            taken = os.write(line, frame) == len(frame) and taken
            time.sleep(0.01 + 10 * len(frame) / baud)
        return taken
    except (OSError, termios.error):
        return False
    finally:
        os.close(line)


def serve(guard: Guard, channel: int) -> None:
    """Watch until the gate has closed its end and nothing is left to switch off."""
    poller = select.poll()
    poller.register(channel, select.POLLIN)
    listening = True
    os.write(channel, b"R")
    while listening or guard.due_ns is not None:
        if listening and poller.poll(guard.wait_ms()):
            try:
                message = os.read(channel, 64)
                if message and (answer := guard.hear(message)):
                    os.write(channel, answer)
            except OSError:
                message = b""
            listening = bool(message)
            if not listening and not guard.abandoned():
                return
        elif not listening:
            time.sleep((guard.wait_ms() or 0) / 1000)
        guard.act()


def main(arguments: list[str]) -> None:
    """Run the guard. What asks the gate's process group to end must not end this one before its work is done."""
    for number in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGABRT", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM"):
        signal.signal(getattr(signal, number), signal.SIG_IGN)
    port, baud, margin_ms, *frames = arguments
    serve(Guard(port, int(baud), int(margin_ms) * 1_000_000, [bytes.fromhex(frame) for frame in frames]), 0)


if __name__ == "__main__":
    main(sys.argv[1:])
