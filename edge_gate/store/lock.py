# SPDX-License-Identifier: Apache-2.0
"""One gate to a store: it holds a lock while it runs, and what may only be done to a store at rest takes the same lock.

The lock is the kernel's (flock(2) on the store's folder), so it ends with its process and leaves no file behind.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge_gate.core.errors import AlreadyRunning, StoreMissing
from edge_gate.store.files import explain

_LOCKS: Final = Path("/proc/locks")


def find_holder(store_path: Path) -> int | None:
    """Return the process that holds the store, as everybody may see; None where it cannot be told, or nobody does."""
    try:
        folder = store_path.parent.stat()
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return None
    place = f"{os.major(folder.st_dev):02x}:{os.minor(folder.st_dev):02x}:{folder.st_ino}"
    for fields in map(str.split, lines):
        if fields[1] == "FLOCK" and place in fields:
            return int(fields[fields.index(place) - 1])
    return None


@contextmanager
def sole_use(store_path: Path) -> Iterator[int]:
    """Hold the store alone. Yields the descriptor that holds it.

    Raises AlreadyRunning at once where a gate or another command holds it, StoreMissing or StoreForbidden.
    """
    try:
        folder = os.open(store_path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreMissing(store_path) from error
    except OSError as error:
        raise explain(store_path, error) from error
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(store_path, find_holder(store_path) or "its number is not known") from error
        yield folder
    finally:
        os.close(folder)
