# SPDX-License-Identifier: Apache-2.0
"""What ends each removal: the personal tables are written anew and the log of their old pages is emptied, in slices."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Final

from edge_gate.core.errors import StoreError
from edge_gate.store import rebuilding
from edge_gate.store.database import Store

# Somebody else who reads the store, such as a backup, keeps the log from being emptied: tried again so often.
TRIES: Final = 50
PAUSE_S: Final = 0.1
_log = logging.getLogger(__name__)


def slices(store: Store) -> Generator[float | None, None, bool]:
    """Do it, a slice at each step (edge_gate/gate/jobs.py). Returns whether no trace is left.

    Where the store fails the rows are gone all the same, and the next removal or start tries again.
    """
    try:
        yield from rebuilding.slices(store)
        for _ in range(TRIES):
            if store.empty_log(wait=False):
                return True
            yield PAUSE_S
    except StoreError as error:
        _log.error("what was removed has left traces in old pages until the next start: %s", error)
    return False
