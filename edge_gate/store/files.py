# SPDX-License-Identifier: Apache-2.0
"""How a file comes into being: whole, private, durable and never over another one; and how one is replaced.

Root does this too, in the folder of the gate's user, who may put anything in a name's place at any moment. So a file
is written, given away and synced through the descriptor that made it, no link is followed, and in such a folder only
that user's files are overwritten.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_gate.core.access import is_there, nearest, own_name, user_name, why_closed
from edge_gate.core.errors import AccessDenied, AlreadyInitialised, StoreError, StoreForbidden, StoreFull, StoreReadOnly

PRIVATE: Final = 0o600

# What a write-ahead log needs to begin: 32 KiB of shared memory and a few pages.
_TRIAL_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that was just made, and is held open. ``path`` is for SQLite, which opens by name only."""

    path: Path
    descriptor: int

    def write(self, content: bytes) -> None:
        """Append."""
        with os.fdopen(self.descriptor, "ab", closefd=False) as file:
            file.write(content)

    def own_like(self, model: os.stat_result) -> None:
        """Where root writes for the gate, give the file to the gate's user: whoever owns ``model``."""
        has = os.fstat(self.descriptor)
        if os.geteuid() == 0 and (has.st_uid, has.st_gid) != (model.st_uid, model.st_gid):
            os.fchown(self.descriptor, model.st_uid, model.st_gid)

    def allow(self, mode: int) -> None:
        """Give the file another mode than 0600."""
        os.fchmod(self.descriptor, mode)

    def sync(self) -> None:
        """Return when what the file holds is on the disk."""
        os.fsync(self.descriptor)

    def has_name(self, path: Path) -> bool:
        """Tell whether this file, and no link to it, is what has the name now."""
        try:
            return os.path.samestat(os.fstat(self.descriptor), path.lstat())
        except FileNotFoundError:
            return False


@contextmanager
def _drawn(path: Path) -> Iterator[Draft]:
    """Yield a draft beside ``path``, and close it afterwards."""
    name = _draft_of(path)
    draft = Draft(name, _create(name))
    try:
        yield draft
    finally:
        os.close(draft.descriptor)


@contextmanager
def appearing(path: Path) -> Iterator[Draft]:
    """Yield an empty 0600 draft beside ``path``; what the block wrote into it then appears at ``path`` in one step.

    A hard link is that step: unlike a rename it refuses to replace. A power cut at any moment leaves nothing at
    ``path``, or all of it; at worst a draft (``.NAME.*.new``) stays, which the next call clears away.
    Raises AlreadyInitialised, StoreFull, StoreReadOnly, StoreForbidden, or StoreError where the folder is not there.
    """
    try:
        clear_drafts(path)
        with _drawn(path) as draft:
            try:
                yield draft
                draft.sync()
                os.link(draft.path, path, follow_symlinks=False)
                if not draft.has_name(path):
                    raise _exchanged(path)
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
def replacing(path: Path) -> Iterator[Draft]:
    """Yield an empty 0600 draft; what the block wrote into it then replaces the file at ``path``, durably.

    A power cut at any moment leaves the old file or the new one. The old bytes are then overwritten where they lay, so
    that neither the file system nor an image of the card gives them back; worn flash cells still may.
    Raises StoreFull, StoreReadOnly, StoreForbidden or StoreError; then the old file is there.
    """
    try:
        clear_drafts(path)
        with _old(path) as old, _drawn(path) as draft:
            draft.own_like(os.fstat(old))
            yield draft
            draft.sync()
            if not draft.has_name(draft.path):
                raise _exchanged(path)
            draft.path.rename(path)
            sync(path.parent)
            with suppress(OSError):  # what had to happen has happened
                _overwrite(old)
    except OSError as error:
        raise explain(path, error) from error
    finally:
        with suppress(OSError):
            clear_drafts(path)


def replace(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of what a file holds, as `replacing` does."""
    with replacing(path) as draft:
        draft.write(content)


def remove(path: Path) -> None:
    """Overwrite a file and remove its name; durable on return. A file that is not there is as good as removed."""
    try:
        with suppress(FileNotFoundError), _old(path) as file:
            _overwrite(file)
        path.unlink(missing_ok=True)
        sync(path.parent)
    except OSError as error:
        raise explain(path, error) from error


def _overwrite(descriptor: int) -> None:
    os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
    os.fsync(descriptor)


@contextmanager
def _old(path: Path) -> Iterator[int]:
    """Yield the descriptor of a file that may be overwritten. Raises OSError, or StoreError for what is none.

    Who owns a folder could lay somebody else's file into it under a second name, for root to overwrite.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found, folder = os.fstat(descriptor), path.parent.stat()
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(path, "it is not a file")
        if os.geteuid() == 0 and folder.st_uid not in (0, found.st_uid):
            whose = f"it belongs to {user_name(found.st_uid)}, and its folder to {user_name(folder.st_uid)}"
            raise StoreError(path, f"{whose}; give both to one user with chown")
        yield descriptor
    finally:
        os.close(descriptor)


def _exchanged(path: Path) -> StoreError:
    return StoreError(path, "another program changed it while it was written; look who else may write to its folder")


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
    try:
        with _drawn(path) as draft:
            try:
                draft.write(bytes(_TRIAL_BYTES))
                draft.sync()
            finally:
                with suppress(OSError):
                    draft.path.unlink()
    except OSError as error:
        return explain(path, error)
    return None


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")


def clear_drafts(path: Path) -> None:
    """Remove drafts, also those of an attempt that a power cut ended, with what SQLite laid beside them."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.new(-journal|-wal|-shm)?")
    for each in path.parent.iterdir():
        if ours.fullmatch(each.name):
            each.unlink(missing_ok=True)


def _create(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    try:
        os.fchmod(descriptor, PRIVATE)  # whatever the umask took away
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


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
        case errno.ELOOP:
            return StoreError(path, "a link lies in its place; put the file itself there")
        case errno.ENOENT | errno.ENOTDIR:
            return StoreError(path, f"there is no folder {path.parent}")
        case _:
            return StoreError(path, reason)
