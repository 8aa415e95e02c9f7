# SPDX-License-Identifier: Apache-2.0
"""Brings an older store up to date in a short process of its own, before a process that serves opens it.

sqlite-utils and the packages that it brings stay out of the process that holds the keys for months. The other process
gets the key through a pipe, and the caller's lock. Where it ends half-way, through a power cut too, the store is as it
was.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from edge_gate.core.clock import SystemClock
from edge_gate.core.ending import end_well
from edge_gate.core.errors import StoreError
from edge_gate.seal.apply import keep_in_memory
from edge_gate.store.connection import look
from edge_gate.store.database import Store
from edge_gate.store.faults import reading
from edge_gate.store.keys.pending import keys_in_use
from edge_gate.store.keys.source import KEY_BYTES
from edge_gate.store.schema import SCHEMA, applied_steps

_log = logging.getLogger(__name__)


def upgrade_apart(path: Path, key: bytes, lock: int) -> None:
    """Have another process apply the steps that this store has not had, where there are any.

    ``lock`` is the descriptor that holds the store (lock.sole_use): if this process is killed, the other one holds it.

    Raises SystemExit with the failure's own code where the other process has told what failed, StoreError where it
    could not, and what `connection.look` raises.
    """
    if not lacks_steps(path, key):
        return
    _log.info("the store is of an earlier version; it is brought up to date")
    command = [sys.executable, "-P", "-m", __name__, str(path.absolute())]
    ended = subprocess.run(command, input=key, check=False, pass_fds=(lock,)).returncode  # noqa: S603 - ourselves
    if ended < 0:
        raise StoreError(path, f"bringing it up to date was ended by {signal.Signals(-ended).name}; it is as it was")
    if ended:
        raise SystemExit(ended)


def lacks_steps(path: Path, key: bytes) -> bool:
    """Tell whether this is a store of ours that has not had every step. `Store.open` judges all else."""
    with closing(look(path, keys_in_use(path, key)[0])) as seen, reading(path):
        applied = applied_steps(seen)
    return bool(applied) and not set(SCHEMA.known_steps()) <= set(applied)


def main() -> int:
    """Open the store that is named, with the key on standard input, and close it."""
    keep_in_memory()
    return end_well(
        "edge-gate", lambda: Store.open(Path(sys.argv[1]), sys.stdin.buffer.read(KEY_BYTES), SystemClock()).close()
    )


if __name__ == "__main__":
    sys.exit(main())
