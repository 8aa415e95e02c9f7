# SPDX-License-Identifier: Apache-2.0
"""Makes sure that a pulse which the host times ends even if the host process does not live to end it.

A small process (guard_process.py) holds one end of a socket. Before a relay is switched on it is told until when, and
is handed the open device, so that it ends the pulse on this board whatever the port's name leads to by then. The relay
is only switched on once it has answered; the gate's loop does not wait for that answer (machine.py). When the gate dies
(SIGKILL included) the kernel closes the gate's end and the guard switches the relays off at once; when the gate hangs,
it does so MARGIN_MS after the deadline. With several relays on, the earliest deadline counts.

It is a child of the gate, or on a device a unit of its own (guard_start.py). It is not sealed as the gate is: the
sandbox of its unit is its only wall, and that has no device, no file and no network.
"""

from __future__ import annotations

import select
import selectors
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import RelayError
from edge_gate.relays.guard_process import ANSWER_BYTES, ARMING
from edge_gate.relays.guard_start import Start, Started, guard_of
from edge_gate.relays.machine import Wake, Watch, settle

MARGIN_MS: Final = 200
"""How long after its deadline a pulse may last before the guard ends it: more than a busy gate needs for a tick."""

_START_TIMEOUT_NS: Final = 5_000_000_000
_ANSWER_TIMEOUT_NS: Final = 250_000_000
_FAREWELL_TIMEOUT_S: Final = 1.0
_DISARM: Final = b"D"

Armed = Callable[[RelayError | None], None]
"""Told None once the guard watches the pulse, or why none does: then nothing may be switched on."""


@dataclass(slots=True, eq=False)
class _Request:
    """A deadline that the guard has to confirm; ``guard_left`` says whether one more guard may be tried for it."""

    message: bytes
    done: Armed
    guard_left: bool = True


class PulseGuard:
    """The gate's side. ``off_frames`` are written, in order, by the guard when it has to act.

    ``device`` tells the descriptor of the open port, if it is open. ``start`` is how to come by a guard.
    """

    def __init__(
        self,
        port: str,
        baud: int,
        off_frames: Iterable[bytes],
        clock: Clock,
        *,
        device: Callable[[], int | None] = lambda: None,
        start: Start | None = None,
        margin_ms: int = MARGIN_MS,
    ) -> None:
        """Start the guard and wait until it is ready: here alone, before there is a loop.

        Raises RelayError where that is not possible: a pulse without a guard is not offered.
        """
        self._port = port
        self._clock = clock
        self._baud = baud
        self._off_frames = b"".join(bytes((len(each),)) + each for each in off_frames)
        self._margin_ns = margin_ms * 1_000_000
        self._device = device
        self._start = start or guard_of(port, {})
        self._watch = Watch()
        self._requests: deque[_Request] = deque()
        self._ended: list[subprocess.Popen[bytes]] = []
        self._socket: socket.socket | None = None
        self._ready = False
        self._give_up_ns = 0
        self._guard = self._begin()
        settle(self, clock)
        if not self._ready:
            self._drop()
            self.close()
            raise RelayError(port, "the pulse guard did not start")

    @property
    def pid(self) -> int | None:
        """The guard's process id, where it is a child."""
        return self._guard.child.pid if self._guard.child else None

    @property
    def watching(self) -> bool:
        """Whether there is a guard. One that hung up may not have been heard yet."""
        if self._socket is None or not self._ready:
            return False
        poller = select.poll()
        poller.register(self._socket, select.POLLRDHUP)
        return not poller.poll(0)

    @property
    def busy(self) -> bool:
        """Whether an answer of the guard is awaited."""
        return bool(self._requests) or (self._socket is not None and not self._ready)

    @property
    def due_ns(self) -> int | None:
        """When the guard's answer is overdue; None where none is awaited."""
        if self._requests and self._socket is None:
            return self._clock.monotonic_ns()
        return self._give_up_ns if self.busy else None

    def arm(self, deadline_ns: int, done: Armed) -> None:
        """Have the guard switch off after ``deadline_ns`` (CLOCK_BOOTTIME) unless it is told otherwise before.

        ``done`` is called once, by a later `tick`. A guard that is gone or stuck is replaced once. The error is
        GuardLost in a sealed gate, which may start no program.
        """
        self._requests.append(_Request(self._arming(deadline_ns), done))
        if len(self._requests) == 1:
            self._ask()

    def watch_until(self, deadline_ns: int) -> None:
        """Move the deadline of what is watched already. A guard that cannot hear it would switch off earlier."""
        self._say(self._arming(deadline_ns))

    def disarm(self) -> None:
        """Tell the guard that the relays are off. A guard that cannot hear it does no harm: it would switch off."""
        self._say(_DISARM)

    def tick(self) -> None:
        """Take the guard's answers; replace a guard that is gone or gives none."""
        if self._socket is not None:
            self._hear(self._socket)
        if self._requests and (self._socket is None or self._clock.monotonic_ns() >= self._give_up_ns):
            self._replace()
        elif self.busy and self._clock.monotonic_ns() >= self._give_up_ns:
            self._drop()
        self._ended = [child for child in self._ended if child.poll() is None]

    def attach(self, selector: selectors.BaseSelector, wake: Wake) -> None:
        """Keep the socket to the guard registered with ``wake`` as its data, also to the next guard."""
        self._watch.attach(selector, wake)

    def detach(self) -> None:
        """Take the socket back from the selector."""
        self._watch.detach()

    def close(self) -> None:
        """Let the guard end. One that is still armed does its work first, beyond this call if need be.

        This may wait a second; it is the last thing that a gate does with its relay.
        """
        requests, self._requests = self._requests, deque()
        self._hang_up()
        for request in requests:
            request.done(RelayError(self._port, "the pulse guard was let go"))
        last = [self._guard.child] if self._guard.child else []
        for child in {*self._ended, *last}:
            with suppress(subprocess.TimeoutExpired):  # the port is away and it keeps trying; it ends by itself
                child.wait(_FAREWELL_TIMEOUT_S)

    def _ask(self) -> None:
        """Put the first request to the guard, where there is one that listens."""
        if self._ready and self._requests:
            self._give_up_ns = self._clock.monotonic_ns() + _ANSWER_TIMEOUT_NS
            self._say(self._requests[0].message)

    def _say(self, message: bytes) -> None:
        if self._socket is None or not self._ready:
            return
        device = self._device()
        try:
            if device is None or message == _DISARM:
                self._socket.send(message)
            else:
                socket.send_fds(self._socket, [message], [device])
        except OSError:  # gone, or so stuck that its buffer is full
            self._drop()

    def _hear(self, channel: socket.socket) -> None:
        try:
            while self._socket is channel and (answer := channel.recv(64)):
                self._take(answer)
        except BlockingIOError:
            return
        except OSError:
            pass
        if self._socket is channel:
            self._drop()

    def _take(self, answer: bytes) -> None:
        """Take one message; older answers, to something given up, are passed over."""
        if not self._ready:
            self._ready = answer == b"R"
            self._ask()
        elif self._requests and answer == self._requests[0].message[:ANSWER_BYTES]:
            request = self._requests.popleft()
            self._ask()
            request.done(None)

    def _replace(self) -> None:
        """Try the first request with another guard, or tell that there is none."""
        started = self._socket is None or self._ready
        self._drop()
        request = self._requests[0]
        try:
            if not request.guard_left:
                what = "does not answer, so the relay was not switched on" if started else "did not start"
                raise RelayError(self._port, f"the pulse guard {what}")
            request.guard_left = False
            self._guard = self._begin()
        except RelayError as error:
            self._requests.popleft().done(error)

    def _drop(self) -> None:
        """Give the guard up. In a sealed gate, which may signal nobody, the closed socket ends it."""
        self._hang_up()
        child = self._guard.child
        if child is not None and child not in self._ended:
            with suppress(PermissionError):
                child.kill()
            self._ended.append(child)

    def _hang_up(self) -> None:
        self._watch.forget()
        channel, self._socket, self._ready = self._socket, None, False
        if channel is not None:
            channel.close()

    def _begin(self) -> Started:
        started = self._start()
        self._socket, self._ready = started.channel, False
        self._watch.follow(started.channel.fileno())
        self._give_up_ns = self._clock.monotonic_ns() + _START_TIMEOUT_NS
        return started

    def _arming(self, deadline_ns: int) -> bytes:
        left_ns = deadline_ns - self._clock.monotonic_ns() + self._margin_ns
        due_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + left_ns
        return ARMING.pack(b"A", max(0, due_ns), self._baud) + self._off_frames
