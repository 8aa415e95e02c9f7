# SPDX-License-Identifier: Apache-2.0
"""The process that ends a pulse when the gate no longer can: a child of the gate, or a unit of its own.

    python -I -S guard_process.py PORT              descriptor 0 is a socket to the gate
    python -I -m edge_gate.relays.guard_process     systemd hands it the socket on which it listens (sd_listen_fds(3))

The gate speaks in SOCK_SEQPACKET messages. ``A``, a deadline, the baud rate and the "off" frames mean that a relay goes
on. The open device comes with it (SCM_RIGHTS): the guard holds the board itself, whatever its name leads to by then.
The first nine bytes are sent back to say that it is watched. ``D``: it is off. The guard says ``R`` once, when it
listens. When the gate's end closes while armed, or the deadline has passed, the frames are written, in rounds.
Deadlines are CLOCK_BOOTTIME in ns, so that the time of a suspend counts.

As a unit it leaves device and frames with systemd for as long as it is armed (FDSTORE=1, sd_notify(3)). Killed, or
stopped and then killed by the watchdog, it is started again with both, and switches off before anything else.

It imports next to nothing, so it is small and starts in milliseconds, and it holds no key.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import stat
import struct
import sys
import termios
import time
from collections.abc import Mapping
from contextlib import suppress

ROUNDS = 3
PAUSE_NS = 60_000_000
GIVE_UP_NS = 5_000_000_000
"""A device that stays away so long was unplugged, and a USB relay without its port has no current either."""
ARMED_WAIT_MS = 100
"""poll(2) does not count a suspend, so nobody waits for long while a relay is on."""
ALIVE_MS = 500
"""How often systemd is told that the guard lives; the unit's WatchdogSec= is four times that."""
ARMING = struct.Struct("<c Q I")
ANSWER_BYTES = 9
MOST_BYTES = 4096
FIRST_DESCRIPTOR = 3
"""Where systemd puts the first of what it hands over."""
KEPT = "relay"


class Manager:
    """Systemd, where the guard is a unit of its own: it keeps what a guard that is started again needs."""

    def __init__(self, address: str = "") -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) if address else None
        self._told_ns = 0

    def keep(self, message: bytes, device: int) -> None:
        """Have device and message kept, instead of those before."""
        self.let_go()
        if self._socket is not None:
            memory = os.memfd_create(KEPT, os.MFD_CLOEXEC)
            try:
                os.write(memory, message)
                self._say(f"FDSTORE=1\nFDNAME={KEPT}", device, memory)
            finally:
                os.close(memory)

    def let_go(self) -> None:
        """Have nothing kept."""
        self._say(f"FDSTOREREMOVE=1\nFDNAME={KEPT}")

    def alive(self) -> None:
        """Feed the watchdog, where it is time."""
        now_ns = time.monotonic_ns()
        if now_ns - self._told_ns >= ALIVE_MS * 1_000_000:
            self._told_ns = now_ns
            self._say("WATCHDOG=1")

    def ready(self) -> None:
        """Tell that the guard listens."""
        self._say("READY=1")

    def _say(self, state: str, *descriptors: int) -> None:
        if self._socket is not None:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(descriptors)}i", *descriptors))]
            with suppress(OSError):  # a manager that does not listen must not stop the guard
                self._socket.sendmsg([state.encode()], rights if descriptors else [], 0, self._address)


class Guard:
    """What is to be switched off, when, and how often still. Times are CLOCK_BOOTTIME in ns.

    ``port``: by which name to look for a board that is gone, empty for not at all.
    """

    def __init__(self, port: str = "", manager: Manager | None = None) -> None:
        self.due_ns: int | None = None
        self.device: int | None = None
        self._port = port
        self._manager = manager or Manager()
        self._frames: list[bytes] = []
        self._baud = 0
        self._give_up_ns: int | None = None
        self._rounds_left = 0

    def hear(self, message: bytes, device: int | None = None) -> bytes:
        """Take one message, and the device that came with it. Return what to answer, empty for nothing."""
        if message == b"D":
            self._rest()
        frames = _read_frames(message)
        if not frames:
            _close(device)
            return b""
        if device is not None:
            self._hold(message, device)
        if self.device is None and not self._port:
            return b""
        self._frames = frames
        _, due_ns, self._baud = ARMING.unpack_from(message)
        self._plan(due_ns)
        return message[:ANSWER_BYTES]

    def abandoned(self) -> bool:
        """The gate is gone: switch off now. Returns whether there is anything to do."""
        if self.due_ns is not None:
            self._plan(now())
            if self.device is not None:
                with suppress(OSError):  # the next gate may use it
                    fcntl.flock(self.device, fcntl.LOCK_UN)
        return self.due_ns is not None

    def act(self) -> None:
        """Write the off frames where that is due, and plan the next round."""
        now_ns = now()
        if self.due_ns is None or now_ns < self.due_ns:
            return
        if self._give_up_ns is None:  # not when it was planned: the deadline may have passed in a suspend
            self._give_up_ns = now_ns + GIVE_UP_NS
        if self._switch_off():
            self._rounds_left -= 1
        if self._rounds_left == 0 or now_ns > self._give_up_ns:
            self._rest()
        else:
            self.due_ns = now_ns + PAUSE_NS

    def wait_ms(self) -> int | None:
        """Return for how long there is nothing to do, None for until further notice."""
        if self.due_ns is None:
            return None
        return min(ARMED_WAIT_MS, max(0, -(-(self.due_ns - now()) // 1_000_000)))

    def _hold(self, message: bytes, device: int) -> None:
        if self.device is not None and os.path.sameopenfile(device, self.device):
            os.close(device)
            return
        _close(self.device)
        self.device = device
        self._manager.keep(message, device)

    def _switch_off(self) -> bool:
        if self.device is not None and write_frames(self.device, self._baud, self._frames):
            return True
        if self._port and (self.device is None or is_gone(self.device)):
            _close(self.device)
            self.device = open_port(self._port, self._baud)
            return self.device is not None and write_frames(self.device, self._baud, self._frames)
        return False

    def _plan(self, due_ns: int) -> None:
        self.due_ns = due_ns
        self._give_up_ns = None
        self._rounds_left = ROUNDS

    def _rest(self) -> None:
        self.due_ns = None
        if self.device is not None:
            os.close(self.device)
            self.device = None
            self._manager.let_go()


def now() -> int:
    """Return CLOCK_BOOTTIME in ns."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _read_frames(message: bytes) -> list[bytes]:
    """Return the frames of an ``A``, none where it is none, or not well formed."""
    frames, at = [], ARMING.size
    if len(message) < at or message[:1] != b"A" or not ARMING.unpack_from(message)[2]:
        return []
    while at < len(message):
        length = message[at]
        frames.append(message[at + 1 : at + 1 + length])
        at += 1 + length
    return frames if at == len(message) and all(frames) else []


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def is_gone(line: int) -> bool:
    """Tell whether a device that is held was unplugged."""
    try:
        termios.tcgetattr(line)
        return not os.fstat(line).st_nlink
    except (OSError, termios.error):
        return True


def open_port(port: str, baud: int) -> int | None:
    """Open a port by its name, beside whoever holds it; None where it is no port, or is not there."""
    try:
        line = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        attributes = termios.tcgetattr(line)
        speed = getattr(termios, f"B{baud}")
        raw_8n1 = termios.CS8 | termios.CREAD | termios.CLOCAL
        termios.tcsetattr(line, termios.TCSANOW, [0, 0, raw_8n1, 0, speed, speed, attributes[6]])
    except (OSError, termios.error):
        os.close(line)
        return None
    return line


def write_frames(line: int, baud: int, frames: list[bytes]) -> bool:
    """Write the frames apart, and return whether all were taken."""
    try:
        # A gate that hung may have left an "on" in the buffer: it must not come after our "off".
        termios.tcflush(line, termios.TCOFLUSH)
        taken = True
        for frame in frames:
            taken = os.write(line, frame) == len(frame) and taken
            time.sleep(0.01 + 10 * len(frame) / baud)
        return taken
    except (OSError, termios.error):
        return False


class Watch:
    """Serves one gate after the other on ``listener``, or the one at ``gate``. `end` may be called by a signal."""

    def __init__(
        self, guard: Guard, manager: Manager, gate: socket.socket | None, listener: socket.socket | None = None
    ) -> None:
        self._guard = guard
        self._manager = manager
        self._gate = gate
        self._listener = listener
        self._ending = False

    def end(self) -> None:
        """End once nothing is left to switch off."""
        self._ending = True

    def run(self) -> None:
        """Watch until the gate has hung up, or until `end`, and nothing is left to switch off."""
        if self._gate is not None:
            self._gate.send(b"R")
        self._manager.ready()
        while self._gate is not None or self._listener is not None or self._guard.due_ns is not None:
            self._manager.alive()
            self._wait()
            if self._ending:
                self._listener = None
                self._hang_up()
            self._guard.act()

    def _wait(self) -> None:
        poller = select.poll()
        # There is one gate at a time. The next one waits until the one before was heard to its end.
        waited_for = self._listener if self._gate is None else self._gate
        if waited_for is not None:
            poller.register(waited_for, select.POLLIN)
        wait_ms = self._guard.wait_ms()
        if self._listener is not None:
            wait_ms = ALIVE_MS if wait_ms is None else min(ALIVE_MS, wait_ms)
        ready = {descriptor for descriptor, _ in poller.poll(wait_ms)}
        if self._gate is not None and self._gate.fileno() in ready:
            self._hear(self._gate)
        elif self._listener is not None and self._listener.fileno() in ready:
            self._accept(self._listener)

    def _hear(self, gate: socket.socket) -> None:
        try:
            message, rights, _, _ = gate.recvmsg(MOST_BYTES, socket.CMSG_LEN(4), socket.MSG_CMSG_CLOEXEC)
            descriptors = [struct.unpack_from("i", data)[0] for *_, data in rights]
            if message and (answer := self._guard.hear(message, descriptors[0] if descriptors else None)):
                gate.send(answer)
        except OSError:
            message = b""
        if not message:
            self._hang_up()

    def _accept(self, listener: socket.socket) -> None:
        self._gate, _ = listener.accept()
        try:
            self._gate.send(b"R")
        except OSError:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._gate is not None:
            self._gate.close()
            self._gate = None
            self._guard.abandoned()


def handed_over(environ: Mapping[str, str]) -> tuple[socket.socket | None, list[int]]:
    """Return the socket that systemd listens on for us, and what it kept of a guard before."""
    count = int(environ.get("LISTEN_FDS", "0")) if environ.get("LISTEN_PID") == str(os.getpid()) else 0
    every = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + count)
    listeners = [each for each in every if stat.S_ISSOCK(os.fstat(each).st_mode)]
    return socket.socket(fileno=listeners[0]) if listeners else None, [each for each in every if each not in listeners]


def take_up(guard: Guard, kept: list[int]) -> None:
    """Switch off what the guard before this one was armed for: whether its gate lives is not known."""
    files = [each for each in kept if stat.S_ISREG(os.fstat(each).st_mode)]
    messages = [os.pread(each, MOST_BYTES, 0) for each in files]
    devices = [each for each in kept if stat.S_ISCHR(os.fstat(each).st_mode)]
    if messages and devices and guard.hear(messages[0], devices[0]):
        guard.abandoned()
        guard.act()
    for each in files:
        os.close(each)


def main(arguments: list[str], environ: Mapping[str, str]) -> None:
    """Run the guard. What asks the gate's process group to end must not end this one before its work is done."""
    for number in ("SIGINT", "SIGHUP", "SIGQUIT", "SIGABRT", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM"):
        signal.signal(getattr(signal, number), signal.SIG_IGN)
    listener, kept = handed_over(environ)
    if listener is None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        Watch(Guard(arguments[0]), Manager(), socket.socket(fileno=0)).run()
        return
    manager = Manager(environ.get("NOTIFY_SOCKET", ""))
    guard = Guard(manager=manager)
    watch = Watch(guard, manager, None, listener)
    signal.signal(signal.SIGTERM, lambda *_: watch.end())
    take_up(guard, kept)
    watch.run()


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
