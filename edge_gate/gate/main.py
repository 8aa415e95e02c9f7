# SPDX-License-Identifier: Apache-2.0
"""Starts the gate: opens the relay, the key and the store, serves until told to stop, and leaves the door secure."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

from edge_gate.core.clock import Clock, SystemClock
from edge_gate.core.notify import ServiceNotifier
from edge_gate.core.token_bucket import TokenBucket
from edge_gate.gate.door.door import Door
from edge_gate.gate.loop import Gate
from edge_gate.relays.board import open_board
from edge_gate.seal import enforce, policy
from edge_gate.settings.config import Config, StoreSettings
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.keys.source import load_key
from edge_gate.store.lock import sole_use

# How often the watchdog is fed; the unit's WatchdogSec= is ten times that.
FEED_S: Final = 1.0
_log = logging.getLogger(__name__)
Loader = Callable[[StoreSettings, Mapping[str, str]], bytes]


@contextmanager
def open_gate(
    config: Config, written_by: int = 0, load: Loader = load_key, clock: Clock | None = None
) -> Iterator[Gate]:
    """Yield a gate whose door is secure and whose sockets listen; closes everything afterwards.

    ``written_by`` is the user who owns the configuration file; a second person is anybody else. ``load`` gets the key.
    Without a ``clock`` the machine's own is used.

    The relay comes first: its pulse guard has to be started while this process is small and holds no key.
    """
    clock = clock or SystemClock()
    with ExitStack() as stack:
        door = Door(open_board(config.door, clock), config.door, clock)
        stack.callback(door.close)
        door.secure()
        stack.enter_context(sole_use(config.store.path))
        key = load(config.store, os.environ)
        store = stack.enter_context(Store.open(config.store.path, key, clock))
        gate = Gate(config, store, AuditLog(store, store.keyring.signer()), door, clock, written_by)
        stack.callback(gate.close)
        gate.start()
        yield gate


def serve(config: Config, *, written_by: int = 0, load: Loader = load_key) -> None:
    """Run the gate until SIGTERM or SIGINT. The arguments are as in `opened`. Raises EdgeGateError."""
    notifier = ServiceNotifier(os.environ)
    with open_gate(config, written_by, load) as gate:
        gate.sealed = enforce(policy.gate(config), config.seal.required)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: gate.stop())

        fed = TokenBucket(1, 1 / FEED_S, gate.clock.monotonic_ns())

        def alive() -> None:
            if fed.spend(gate.clock.monotonic_ns()):  # however fast a flood makes the loop turn
                notifier.notify("WATCHDOG=1")

        _log.info("serving %s; door %s", config.site.name, gate.door.state.value)
        notifier.notify("READY=1\nSTATUS=Watching the door")
        gate.run(alive)
        notifier.notify("STOPPING=1")
    notifier.close()
