# SPDX-License-Identifier: Apache-2.0
"""A process's end of its link to the gate: it sends while the gate listens, and never waits for it.

A message that cannot be sent at once is lost on purpose. It is worth nothing a second later, and a gate that hangs must
not stall the process. While there is no gate, the client tries again and again, more and more slowly.
"""

from __future__ import annotations

import logging
import select
import socket
import time
from pathlib import Path
from typing import Final, Generic, TypeVar

from edge_gate.core.clock import Clock
from edge_gate.core.errors import WireError
from edge_gate.wire.frame import Direction, Link, decode, encode

FIRST_PAUSE_NS: Final = 100_000_000
LONGEST_PAUSE_NS: Final = 2_000_000_000
_BATCH: Final = 16
_log = logging.getLogger(__name__)

SaidT = TypeVar("SaidT")
HeardT = TypeVar("HeardT")


class PeerClient(Generic[SaidT, HeardT]):
    """A SOCK_SEQPACKET UNIX client of the gate's socket at ``path``, on which one link is spoken."""

    def __init__(self, link: Link[SaidT, HeardT], path: Path, clock: Clock) -> None:
        self.lost = 0
        self.connections = 0
        self._link = link
        self._path = path
        self._clock = clock
        self._socket: socket.socket | None = None
        self._pause_ns = FIRST_PAUSE_NS
        self._retry_ns = 0
        self._told = False
        self._last_words: list[bytes] = []

    @property
    def connected(self) -> bool:
        """Whether the gate was there when last looked."""
        return self._socket is not None

    def receive(self) -> list[HeardT]:
        """Return the messages that have come, connecting first where it is time to. Never waits."""
        if self._socket is None and not self._last_words:  # no call returns what two connections said
            self._connect()
        heard: list[bytes] = []
        for _ in range(_BATCH):
            if (data := self._next()) is None:
                break
            heard.append(data)
        heard, self._last_words = [*heard, *self._last_words], []
        messages: list[HeardT] = []
        for data in heard:
            try:
                messages.append(decode(self._link, Direction.FROM_GATE, data))
            except WireError as error:
                _log.warning("%s", error)
        return messages

    def send(self, message: SaidT) -> bool:
        """Send one message if the gate can take it now; otherwise it is lost, and False is returned.

        Raises WireError where no frame fits the message.
        """
        data = encode(self._link, Direction.TO_GATE, message)
        if self._socket is None:
            return False
        try:
            self._socket.send(data)
        except BlockingIOError:
            self.lost += 1
            return False
        except OSError as error:
            self._drop(error.strerror or str(error))
            return False
        return True

    def wait(self, timeout_s: float) -> None:
        """Wait until the gate says something, or for ``timeout_s``."""
        if self._socket is None:
            time.sleep(timeout_s)
        else:
            select.select([self._socket], [], [], timeout_s)

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _next(self) -> bytes | None:
        if self._socket is None:
            return None
        try:
            data = self._socket.recv(self._link.longest(Direction.FROM_GATE) + 1)
        except BlockingIOError:
            return None
        except OSError as error:
            self._drop(error.strerror or str(error))
            return None
        if not data:
            self._drop("it hung up")
            return None
        return data

    def _connect(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._retry_ns:
            return
        attempt = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        attempt.setblocking(False)
        try:
            attempt.connect(str(self._path))
        except OSError as error:
            attempt.close()
            self._retry_ns = now_ns + self._pause_ns
            self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSE_NS)
            if not self._told:
                _log.warning("no gate at %s yet (%s); trying on", self._path, error.strerror or error)
                self._told = True
            return
        self._socket, self._pause_ns, self._told = attempt, FIRST_PAUSE_NS, False
        self.connections += 1
        _log.info("connected to the gate at %s", self._path)

    def _drop(self, reason: str) -> None:
        _log.warning("the gate at %s has gone: %s", self._path, reason)
        self._hear_last_words()
        self.close()
        # A gate that takes the peer and turns it away at once must not be called in a tight loop.
        self._retry_ns = self._clock.monotonic_ns() + FIRST_PAUSE_NS

    def _hear_last_words(self) -> None:
        """Keep what the gate said before it hung up: the reason, mostly. An error of the socket is told before it."""
        for _ in range(_BATCH):
            try:
                data = self._socket.recv(self._link.longest(Direction.FROM_GATE) + 1) if self._socket else b""
            except BlockingIOError:
                return
            except OSError:
                continue
            if not data:
                return
            self._last_words.append(data)
