# SPDX-License-Identifier: Apache-2.0
"""How a file comes into being: whole, private, durable and never over another one; and how one is replaced."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from edge_gate.core.access import is_there, nearest, own_name, why_closed
from edge_gate.core.errors import AccessDenied, AlreadyInitialised, StoreError, StoreForbidden, StoreFull, StoreReadOnly

PRIVATE: Final = 0o600

# What a write-ahead log needs to begin: 32 KiB of shared memory and a few pages.
_TRIAL_BYTES: Final = 64 * 1024


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield an empty 0600 draft beside ``path``; what the block wrote into it then appears at ``path`` in one step.

    A hard link is that step: unlike a rename it refuses to replace. A power cut at any moment leaves nothing at
    ``path``, or all of it; at worst a draft (``.NAME.*.new``) stays, which the next call clears away.
    Raises AlreadyInitialised, StoreFull, StoreReadOnly, StoreForbidden, or StoreError where the folder is not there.
    """
    draft = _draft_of(path)
    try:
        clear_drafts(path)
        _create(draft)
        try:
            yield draft
            sync(draft)
            os.link(draft, path)
        finally:
            clear_drafts(path)
        sync(path.parent)
    except (StoreError, AlreadyInitialised):  # some of which are OSErrors too
        raise
    except FileExistsError as error:
        raise AlreadyInitialised(path) from error
    except OSError as error:
        raise explain(path, error) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an empty 0600 draft; what the block wrote into it then replaces the file at ``path``, durably.

    A power cut at any moment leaves the old file or the new one. The old bytes are then overwritten where they lay, so
    that neither the file system nor an image of the card gives them back; worn flash cells still may.
    Raises StoreFull, StoreReadOnly, StoreForbidden or StoreError; then the old file is there.
    """
    draft = _draft_of(path)
    try:
        clear_drafts(path)
        with path.open("r+b") as old:
            _create(draft)
            own_like(draft, path)
            yield draft
            sync(draft)
            draft.rename(path)
            sync(path.parent)
            with suppress(OSError):  # what had to happen has happened
                _overwrite(old.fileno())
    except OSError as error:
        raise explain(path, error) from error
    finally:
        with suppress(OSError):
            clear_drafts(path)


def replace(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of what a file holds, as `replacing` does."""
    with replacing(path) as draft:
        draft.write_bytes(content)


def remove(path: Path) -> None:
    """Overwrite a file and remove its name; durable on return. A file that is not there is as good as removed."""
    try:
        with suppress(FileNotFoundError), path.open("r+b") as file:
            _overwrite(file.fileno())
        path.unlink(missing_ok=True)
        sync(path.parent)
    except OSError as error:
        raise explain(path, error) from error


def _overwrite(descriptor: int) -> None:
    os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
    os.fsync(descriptor)


def own_like(path: Path, model: Path) -> None:
    """Where root writes for the gate, give the file to the gate's user: whoever owns ``model``."""
    wanted, has = model.stat(), path.stat()
    if os.geteuid() == 0 and (has.st_uid, has.st_gid) != (wanted.st_uid, wanted.st_gid):
        os.chown(path, wanted.st_uid, wanted.st_gid)


def sync(path: Path) -> None:
    """Return when what a file holds, or which names a folder holds, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def trouble_beside(path: Path) -> StoreError | None:
    """Try to write a little file beside ``path``, and return what the disk said: full, read-only, failing, or None.

    Only an attempt tells: a file system that Linux took read-only after an error may still call itself writable.
    """
    draft = _draft_of(path)
    try:
        _create(draft)
        draft.write_bytes(bytes(_TRIAL_BYTES))
        sync(draft)
    except OSError as error:
        return explain(path, error)
    finally:
        with suppress(OSError):
            draft.unlink()
    return None


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")


def clear_drafts(path: Path) -> None:
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


def refuse_stranger(path: Path) -> None:
    """Raise StoreForbidden or StoreReadOnly where a file, or its folder, is there and closed to this user."""
    for place, rights in ((path.parent, os.R_OK | os.W_OK | os.X_OK), (path, os.R_OK | os.W_OK)):
        try:
            closed = is_there(place) and not os.access(place, rights, effective_ids=True)
        except AccessDenied as error:
            raise forbidden(place) from error
        if closed:
            raise forbidden(place)


def forbidden(path: Path) -> StoreError:
    """Return what it means that the path is closed to this user: it is somebody else's, or has the wrong mode."""
    seen = nearest(path)
    if seen is not None and seen[1].st_uid == os.geteuid():
        return StoreReadOnly(path, f"{seen[0]} has mode {stat.S_IMODE(seen[1].st_mode):04o}")
    return StoreForbidden(own_name(), why_closed(path))


def explain(path: Path, error: OSError) -> StoreError:
    """Return what a fault of the disk means for the store."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, AccessDenied):
        return forbidden(path)
    reason = error.strerror or str(error)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return StoreFull(path)
        case errno.EACCES if os.geteuid() != 0:
            return forbidden(path)
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return StoreReadOnly(path, reason)
        case errno.ENOENT | errno.ENOTDIR:
            return StoreError(path, f"there is no folder {path.parent}")
        case _:
            return StoreError(path, reason)
