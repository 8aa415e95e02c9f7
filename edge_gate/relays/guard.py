# SPDX-License-Identifier: Apache-2.0
"""Makes sure that a pulse which the host times ends even if the host process does not live to end it.

A small child (guard_process.py) holds one end of a socket. Before a relay is switched on it is told until when, and
the relay is only switched on once the child has answered. When the gate dies (SIGKILL included) the kernel closes the
gate's end and the child switches the relays off at once; when the gate hangs, it does so MARGIN_MS after the deadline.

The child is a fresh interpreter, not a fork: it holds no copy of the store's key, none of the gate's descriptors and
not the port. It starts before the gate seals itself (edge_gate.seal), and is not sealed itself: the unit's sandbox is
its only wall. Under systemd it needs ``KillMode=control-group`` (the default): it outlives SIGTERM and ends by itself,
while ``KillMode=mixed`` kills it the moment the gate has died.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from edge_gate.core.errors import GuardLost, RelayError

MARGIN_MS = 200
"""How long after its deadline a pulse may last before the guard ends it: more than a busy gate needs for a tick."""

_SCRIPT = Path(__file__).with_name("guard_process.py")
_START_TIMEOUT_S = 5.0
_ANSWER_TIMEOUT_S = 0.25
_FAREWELL_TIMEOUT_S = 1.0


class PulseGuard:
    """The gate's side. ``off_frames`` are written, in order, by the child when it has to act."""

    def __init__(self, port: str, baud: int, off_frames: Iterable[bytes], margin_ms: int = MARGIN_MS) -> None:
        """Start the child. Raises RelayError where that is not possible: a pulse without a guard is not offered."""
        self._port = port
        self._arguments = [port, str(baud), str(margin_ms), *(frame.hex() for frame in off_frames)]
        self._child, self._socket = self._started()

    @property
    def pid(self) -> int:
        """The child's process id, for `status` and for the systemd unit's tests."""
        return self._child.pid

    def arm(self, deadline_ns: int) -> None:
        """Have the child switch off after ``deadline_ns`` (CLOCK_MONOTONIC) unless `disarm` comes first.

        Returns when the child has confirmed it. A child that is gone or stuck is replaced once. Raises RelayError
        where there is still none: then nothing may be switched on. Raises GuardLost in a sealed gate, which may start
        no program.
        """
        message = b"A" + deadline_ns.to_bytes(8, "little")
        if self._confirmed(message):
            return
        _end(self._child, self._socket)
        self._child, self._socket = self._started()
        if not self._confirmed(message):
            raise RelayError(self._port, "the pulse guard does not answer, so the relay was not switched on")

    def disarm(self) -> None:
        """Tell the child that the relays are off. A child that cannot hear it does no harm: it would switch off."""
        with suppress(OSError):  # the next `arm` replaces it
            self._socket.send(b"D" + bytes(8))

    def close(self) -> None:
        """Let the child end. One that is still armed does its work first, beyond this call if need be."""
        self._socket.close()
        with suppress(subprocess.TimeoutExpired):  # the port is away and it keeps trying; it ends by itself
            self._child.wait(_FAREWELL_TIMEOUT_S)

    def _started(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
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
        ours.settimeout(_START_TIMEOUT_S)
        if not _heard(ours, b"R"):
            _end(child, ours)
            raise RelayError(self._port, "the pulse guard did not start")
        ours.settimeout(_ANSWER_TIMEOUT_S)
        return child, ours

    def _confirmed(self, message: bytes) -> bool:
        try:
            self._socket.send(message)
        except OSError:
            return False
        return _heard(self._socket, message)


def _heard(channel: socket.socket, wanted: bytes) -> bool:
    """Wait for one message; older answers, to something given up, are passed over."""
    try:
        while answer := channel.recv(64):
            if answer == wanted:
                return True
    except OSError:
        return False
    return False


def _end(child: subprocess.Popen[bytes], channel: socket.socket) -> None:
    channel.close()
    with suppress(PermissionError):  # a sealed gate may signal nobody; the closed socket ends the child
        child.kill()
    with suppress(subprocess.TimeoutExpired):
        child.wait(_FAREWELL_TIMEOUT_S)
