# SPDX-License-Identifier: Apache-2.0
"""Makes sure that a pulse which the host times ends even if the host process does not live to end it.

A small child (guard_process.py) holds one end of a socket. Before a relay is switched on it is told until when, and
the relay is only switched on once the child has answered; the gate's loop does not wait for that answer (machine.py).
When the gate dies (SIGKILL included) the kernel closes the gate's end and the child switches the relays off at once;
when the gate hangs, it does so MARGIN_MS after the deadline. With several relays on, the earliest deadline counts.

The child is a fresh interpreter, not a fork: it holds no copy of the store's key, none of the gate's descriptors and
not the port. It starts before the gate seals itself (edge_gate.seal), and is not sealed itself: the unit's sandbox is
its only wall. Under systemd it needs ``KillMode=control-group`` (the default): it outlives SIGTERM and ends by itself,
while ``KillMode=mixed`` kills it the moment the gate has died.
"""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import GuardLost, RelayError
from edge_gate.relays.machine import Wake, Watch, settle

MARGIN_MS: Final = 200
"""How long after its deadline a pulse may last before the guard ends it: more than a busy gate needs for a tick."""

_SCRIPT: Final = Path(__file__).with_name("guard_process.py")
_START_TIMEOUT_NS: Final = 5_000_000_000
_ANSWER_TIMEOUT_NS: Final = 250_000_000
_FAREWELL_TIMEOUT_S: Final = 1.0
_DISARM: Final = b"D" + bytes(8)

Armed = Callable[[RelayError | None], None]
"""Told None once the child watches the pulse, or why none does: then nothing may be switched on."""


@dataclass(slots=True, eq=False)
class _Request:
    """A deadline that the child has to confirm; ``child_left`` says whether one more child may be tried for it."""

    message: bytes
    done: Armed
    child_left: bool = True


class PulseGuard:
    """The gate's side. ``off_frames`` are written, in order, by the child when it has to act."""

    def __init__(
        self, port: str, baud: int, off_frames: Iterable[bytes], clock: Clock, margin_ms: int = MARGIN_MS
    ) -> None:
        """Start the child and wait until it is ready: here alone, before there is a loop.

        Raises RelayError where that is not possible: a pulse without a guard is not offered.
        """
        self._port = port
        self._clock = clock
        self._arguments = [port, str(baud), str(margin_ms), *(frame.hex() for frame in off_frames)]
        self._watch = Watch()
        self._requests: deque[_Request] = deque()
        self._ended: list[subprocess.Popen[bytes]] = []
        self._socket: socket.socket | None = None
        self._ready = False
        self._give_up_ns = 0
        self._child = self._start()
        settle(self, clock)
        if not self._ready:
            self._drop()
            self.close()
            raise RelayError(port, "the pulse guard did not start")

    @property
    def pid(self) -> int:
        """The child's process id, for `status` and for the systemd unit's tests."""
        return self._child.pid

    @property
    def busy(self) -> bool:
        """Whether an answer of the child is awaited."""
        return bool(self._requests) or (self._socket is not None and not self._ready)

    @property
    def due_ns(self) -> int | None:
        """When the child's answer is overdue; None where none is awaited."""
        if self._requests and self._socket is None:
            return self._clock.monotonic_ns()
        return self._give_up_ns if self.busy else None

    def arm(self, deadline_ns: int, done: Armed) -> None:
        """Have the child switch off after ``deadline_ns`` (CLOCK_BOOTTIME) unless it is told otherwise before.

        ``done`` is called once, by a later `tick`. A child that is gone or stuck is replaced once. The error is
        GuardLost in a sealed gate, which may start no program.
        """
        self._requests.append(_Request(_arming(deadline_ns), done))
        if len(self._requests) == 1:
            self._ask()

    def watch_until(self, deadline_ns: int) -> None:
        """Move the deadline of what is watched already. A child that cannot hear it would switch off earlier."""
        self._say(_arming(deadline_ns))

    def disarm(self) -> None:
        """Tell the child that the relays are off. A child that cannot hear it does no harm: it would switch off."""
        self._say(_DISARM)

    def tick(self) -> None:
        """Take the child's answers; replace a child that is gone or gives none."""
        if self._socket is not None:
            self._hear(self._socket)
        if self._requests and (self._socket is None or self._clock.monotonic_ns() >= self._give_up_ns):
            self._replace()
        elif self.busy and self._clock.monotonic_ns() >= self._give_up_ns:
            self._drop()
        self._ended = [child for child in self._ended if child.poll() is None]

    def attach(self, selector: selectors.BaseSelector, wake: Wake) -> None:
        """Keep the socket to the child registered with ``wake`` as its data, also to the next child."""
        self._watch.attach(selector, wake)

    def detach(self) -> None:
        """Take the socket back from the selector."""
        self._watch.detach()

    def close(self) -> None:
        """Let the child end. One that is still armed does its work first, beyond this call if need be.

        This may wait a second; it is the last thing that a gate does with its relay.
        """
        requests, self._requests = self._requests, deque()
        self._hang_up()
        for request in requests:
            request.done(RelayError(self._port, "the pulse guard was let go"))
        for child in {*self._ended, self._child}:
            with suppress(subprocess.TimeoutExpired):  # the port is away and it keeps trying; it ends by itself
                child.wait(_FAREWELL_TIMEOUT_S)

    def _ask(self) -> None:
        """Put the first request to the child, where there is one that listens."""
        if self._ready and self._requests:
            self._give_up_ns = self._clock.monotonic_ns() + _ANSWER_TIMEOUT_NS
            self._say(self._requests[0].message)

    def _say(self, message: bytes) -> None:
        if self._socket is None or not self._ready:
            return
        try:
            self._socket.send(message)
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
        elif self._requests and answer == self._requests[0].message:
            request = self._requests.popleft()
            self._ask()
            request.done(None)

    def _replace(self) -> None:
        """Try the first request with another child, or tell that there is none."""
        started = self._socket is None or self._ready
        self._drop()
        request = self._requests[0]
        try:
            if not request.child_left:
                what = "does not answer, so the relay was not switched on" if started else "did not start"
                raise RelayError(self._port, f"the pulse guard {what}")
            request.child_left = False
            self._child = self._start()
        except RelayError as error:
            self._requests.popleft().done(error)

    def _drop(self) -> None:
        """Give the child up. In a sealed gate, which may signal nobody, the closed socket ends it."""
        self._hang_up()
        if self._child not in self._ended:
            with suppress(PermissionError):
                self._child.kill()
            self._ended.append(self._child)

    def _hang_up(self) -> None:
        self._watch.forget()
        channel, self._socket, self._ready = self._socket, None, False
        if channel is not None:
            channel.close()

    def _start(self) -> subprocess.Popen[bytes]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                child = subprocess.Popen(  # noqa: S603 - our own script, no shell, arguments from the configuration
                    [sys.executable, "-I", "-S", str(_SCRIPT), *self._arguments],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    close_fds=True,
                    start_new_session=True,
                )
            except PermissionError as error:
                ours.close()
                raise GuardLost(self._port) from error
            except OSError as error:
                ours.close()
                raise RelayError(self._port, f"the pulse guard could not be started ({error})") from error
        ours.setblocking(False)
        self._socket, self._ready = ours, False
        self._watch.follow(ours.fileno())
        self._give_up_ns = self._clock.monotonic_ns() + _START_TIMEOUT_NS
        return child


def _arming(deadline_ns: int) -> bytes:
    return b"A" + deadline_ns.to_bytes(8, "little")
