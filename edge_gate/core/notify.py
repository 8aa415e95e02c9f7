# SPDX-License-Identifier: Apache-2.0
"""Tells the service manager how this process is, in the protocol of sd_notify(3), and never waits for it.

A manager that does not read its socket must not stop a gate: what it does not take is dropped. (The libraries for this
send blocking.)
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress


class ServiceNotifier:
    """Speaks to $NOTIFY_SOCKET; silent where there is none."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)

    def notify(self, state: str) -> None:
        """Send lines such as ``READY=1`` or ``WATCHDOG=1``."""
        if self._address:
            with suppress(OSError):
                self._socket.sendto(state.encode(), self._address)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
