# SPDX-License-Identifier: Apache-2.0
"""Where a pulse guard comes from: a child of this process, or a unit of its own, on whose socket one is called.

The child is a fresh interpreter, not a fork: it holds no copy of the store's key and none of the gate's descriptors. It
starts before the gate seals itself (edge_gate.seal). The unit (systemd/edge-gate-guard.socket) has a user of its own,
whom the gate's user cannot kill, and may be called on after the seal as well.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_gate.core.errors import GuardLost, RelayError

SOCKET_VARIABLE: Final = "EDGE_GATE_GUARD"
"""Where the gate's unit says that the guard is a unit of its own, and on which socket."""
_SCRIPT: Final = Path(__file__).with_name("guard_process.py")


@dataclass(frozen=True, slots=True)
class Started:
    """A guard that was started or called: the socket to it, and its process where that is a child."""

    channel: socket.socket
    child: subprocess.Popen[bytes] | None = None


Start = Callable[[], Started]
"""Raises RelayError where that is not possible, GuardLost where this process may start no program any more."""


def guard_of(port: str, environ: Mapping[str, str]) -> Start:
    """Return how to come by a guard for the board at ``port``."""
    address = environ.get(SOCKET_VARIABLE, "")
    return (lambda: _call(port, address)) if address else (lambda: _spawn(port))


def _call(port: str, address: str) -> Started:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel.setblocking(False)
    try:
        channel.connect(address)
    except OSError as error:
        channel.close()
        why = f"the pulse guard cannot be called at {address} ({error.strerror or error})"
        raise RelayError(port, f"{why}: systemctl status edge-gate-guard.socket") from error
    return Started(channel)


def _spawn(port: str) -> Started:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            child = subprocess.Popen(  # noqa: S603 - our own script, no shell, arguments from the configuration
                [sys.executable, "-I", "-S", str(_SCRIPT), port],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                close_fds=True,
                start_new_session=True,
            )
        except PermissionError as error:
            ours.close()
            raise GuardLost(port) from error
        except OSError as error:
            ours.close()
            raise RelayError(port, f"the pulse guard could not be started ({error})") from error
    ours.setblocking(False)
    return Started(ours, child)
