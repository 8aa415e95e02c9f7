# SPDX-License-Identifier: Apache-2.0
"""What line, guard, board and door have in common: each is a machine that a loop turns and that never waits.

The loop asks for `due_ns`, waits in its selector no longer than that, and calls `tick`. Where there is no loop, before
it runs and after it ended, `settle` turns the same machine for a bounded time.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable
from typing import Final, Protocol

from edge_gate.core.clock import Clock

SETTLE_S: Final = 5.0
"""More than the longest way to switch off a board that answers late to every question."""

Wake = Callable[[], object]


class Machine(Protocol):
    """Turned by `tick` whenever one of its descriptors is ready or `due_ns` has come; no call waits."""

    @property
    def busy(self) -> bool:
        """Whether something was begun and has not come to its end."""
        ...

    @property
    def due_ns(self) -> int | None:
        """When `tick` has something to do at the latest (CLOCK_BOOTTIME); None where nothing is planned."""
        ...

    def tick(self) -> None:
        """Do what has become possible or due."""
        ...

    def attach(self, selector: selectors.BaseSelector, wake: Wake) -> None:
        """Keep every descriptor registered with ``wake`` as its data, over each reopening, until `detach`."""
        ...

    def detach(self) -> None:
        """Take every descriptor back from the selector."""
        ...


class Watch:
    """Keeps one descriptor registered with whichever selector is attached at the time."""

    def __init__(self) -> None:
        self._selector: selectors.BaseSelector | None = None
        self._wake: Wake = lambda: None
        self._descriptor: int | None = None
        self._events = selectors.EVENT_READ

    def attach(self, selector: selectors.BaseSelector, wake: Wake) -> None:
        """Use this selector from now on."""
        self.detach()
        self._selector, self._wake = selector, wake
        self._register()

    def detach(self) -> None:
        """Use no selector; the descriptor stays known."""
        self._unregister()
        self._selector = None

    def follow(self, descriptor: int) -> None:
        """Watch this descriptor, for reading, instead of the one before."""
        self._unregister()
        self._descriptor, self._events = descriptor, selectors.EVENT_READ
        self._register()

    def forget(self) -> None:
        """Watch nothing; called before the descriptor is closed, as its number may come again at once."""
        self._unregister()
        self._descriptor = None

    def want_write(self, wanted: bool) -> None:
        """Wake also when the descriptor takes bytes, or no longer."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wanted else 0)
        if events != self._events:
            self._events = events
            if self._selector is not None and self._descriptor is not None:
                self._selector.modify(self._descriptor, events, self._wake)

    def _register(self) -> None:
        if self._selector is not None and self._descriptor is not None:
            self._selector.register(self._descriptor, self._events, self._wake)

    def _unregister(self) -> None:
        if self._selector is not None and self._descriptor is not None:
            self._selector.unregister(self._descriptor)


def settle(machine: Machine, clock: Clock, timeout_s: float = SETTLE_S) -> bool:
    """Turn a machine until it is at rest, no longer than the timeout; return whether it came to rest.

    The machine leaves the selector that it was attached to. A tick that raises ends the wait with its error.
    """
    give_up_ns = clock.monotonic_ns() + int(timeout_s * 1e9)
    with selectors.DefaultSelector() as selector:
        machine.attach(selector, lambda: None)
        try:
            while machine.busy and (left_ns := give_up_ns - clock.monotonic_ns()) > 0:
                due_ns = machine.due_ns
                if due_ns is not None:
                    left_ns = min(left_ns, max(0, due_ns - clock.monotonic_ns()))
                selector.select(left_ns / 1e9)
                machine.tick()
        finally:
            machine.detach()
    return not machine.busy
