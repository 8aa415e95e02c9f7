# SPDX-License-Identifier: Apache-2.0
"""Brings an older store up to date in a short process of its own, before a process that serves opens it.

sqlite-utils and the packages that it brings stay out of the process that holds the keys for months. The other process
is started before there is a key, and waits for it; it inherits the caller's lock. Where it ends half-way, through a
power cut too, the store is as it was.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import StoreError
from edge_gate.core.forked import fork
from edge_gate.store.connection import look
from edge_gate.store.database import Store
from edge_gate.store.faults import reading
from edge_gate.store.keys.pending import keys_in_use
from edge_gate.store.keys.source import KEY_BYTES
from edge_gate.store.schema import SCHEMA, applied_steps

_log = logging.getLogger(__name__)


def prepare_upgrade(path: Path, confine: Callable[[], object]) -> Callable[[bytes], None]:
    """Start the other process, and return what has it apply, with the key, the steps that the store has not had.

    ``confine`` takes from the other process what it does not need, before it has the key. What is returned is called
    once. It raises SystemExit with the failure's own code where the other process has told what failed, StoreError
    where it could not, and what `connection.look` raises.
    """
    other = fork(partial(_upgrade, path, confine))

    def upgrade(key: bytes) -> None:
        try:
            if needed := lacks_steps(path, key):
                _log.info("the store is of an earlier version; it is brought up to date")
                other.say(key)
        finally:
            ended = other.wait()
        if needed and ended < 0:
            told = f"bringing it up to date was ended by {signal.Signals(-ended).name}; it is as it was"
            raise StoreError(path, told)
        if ended:
            raise SystemExit(ended)

    return upgrade


def lacks_steps(path: Path, key: bytes) -> bool:
    """Tell whether this is a store of ours that has not had every step. `Store.open` judges all else."""
    with closing(look(path, keys_in_use(path, key)[0])) as seen, reading(path):
        applied = applied_steps(seen)
    return bool(applied) and not set(SCHEMA.known_steps()) <= set(applied)


def _upgrade(path: Path, confine: Callable[[], object], caller: socket.socket) -> None:
    confine()
    if key := caller.recv(KEY_BYTES):  # nothing where the caller hangs up: there is nothing to do
        Store.open(path, key, SystemClock()).close()
