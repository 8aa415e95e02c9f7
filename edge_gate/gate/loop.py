# SPDX-License-Identifier: Apache-2.0
"""The gate's loop: one thread that waits for whatever is first, lets each part do what is due, and waits again."""

from __future__ import annotations

import selectors
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from edge_gate.core.errors import StoreError

# How often the loop turns when nothing happens: consents expire, approaches end, the watchdog is fed.
IDLE_S: Final = 0.25


class Loop:
    """Waits on a selector whose entries carry the function to call. It knows nothing of what it calls."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self.selector = selector
        self._stopping = False
        self._calls: deque[Callable[[], object]] = deque()
        # A pair of sockets by which a signal handler, or another thread, wakes the loop.
        self._waker, self._wake = socket.socketpair()
        self._waker.setblocking(False)
        self._wake.setblocking(False)
        selector.register(self._waker, selectors.EVENT_READ, lambda: self._waker.recv(4096))

    def run(
        self,
        turn: Callable[[], None],
        patience_s: Sequence[Callable[[], float | None]],
        on_fault: Callable[[StoreError], None],
        alive: Callable[[], None],
    ) -> None:
        """Serve until `stop`. ``turn()`` does what time makes due; each of ``patience_s`` says in how many seconds.

        ``on_fault`` gets what the store could not do; the next turn tries again. ``alive()`` feeds the watchdog.
        """
        while not self._stopping:
            due = (each() for each in patience_s)
            wait_s = min((max(0.0, each) for each in due if each is not None), default=IDLE_S)
            try:
                for key, _ in self.selector.select(min(IDLE_S, wait_s)):
                    key.data()
                turn()
                while self._calls:
                    self._calls.popleft()()
            except StoreError as error:
                on_fault(error)
            alive()

    def stop(self) -> None:
        """End soon. A signal handler may call this."""
        self._stopping = True
        self.wake()

    def call(self, function: Callable[[], object]) -> None:
        """Have the loop's own thread call this after its next turn. Any thread may ask."""
        self._calls.append(function)
        self.wake()

    def wake(self) -> None:
        """Let the loop turn now."""
        with suppress(OSError):  # it is awake already, or has ended meanwhile
            self._wake.send(b"x")

    def close(self) -> None:
        """Let go of selector and sockets."""
        self.selector.close()
        self._waker.close()
        self._wake.close()
