# SPDX-License-Identifier: Apache-2.0
"""How a file comes into being: whole, private, durable and never over another one."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge_gate.errors import AlreadyInitialised, StoreError, StoreFull, StoreReadOnly

PRIVATE: Final = 0o600


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield an empty 0600 draft beside ``path``; what the block wrote into it then appears at ``path`` in one step.

    A hard link is that step: unlike a rename it refuses to replace. A power cut at any moment leaves nothing at
    ``path``, or all of it; at worst a draft (``.NAME.*.new``) stays, which the next call clears away.
    Raises AlreadyInitialised, StoreFull, StoreReadOnly, or StoreError where the folder is not there.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        _clear_drafts(path)
        _create(draft)
        try:
            yield draft
            sync(draft)
            os.link(draft, path)
        finally:
            _clear_drafts(path)
        sync(path.parent)
    except OSError as error:
        raise _explained(path, error) from error


def sync(path: Path) -> None:
    """Return when what a file holds, or which names a folder holds, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear_drafts(path: Path) -> None:
    """Remove drafts, also those of an attempt that a power cut ended, with what SQLite laid beside them."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.new(-journal|-wal|-shm)?")
    for each in path.parent.iterdir():
        if ours.fullmatch(each.name):
            each.unlink(missing_ok=True)


def _create(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    try:
        os.fchmod(descriptor, PRIVATE)  # whatever the umask took away
    finally:
        os.close(descriptor)


def _explained(path: Path, error: OSError) -> Exception:
    if isinstance(error, StoreError | AlreadyInitialised):
        return error
    reason = error.strerror or str(error)
    match error.errno:
        case errno.EEXIST:
            return AlreadyInitialised(path)
        case errno.ENOSPC | errno.EDQUOT:
            return StoreFull(path)
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return StoreReadOnly(path, reason)
        case errno.ENOENT | errno.ENOTDIR:
            return StoreError(path, f"there is no folder {path.parent}")
        case _:
            return StoreError(path, reason)
