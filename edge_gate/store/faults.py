# SPDX-License-Identifier: Apache-2.0
"""What SQLCipher says when something is wrong, turned into the error that says what to do.

The result codes are SQLite's (sqlite.org/rescode.html); sqlcipher3's exceptions carry them, but are no subclasses of
``sqlite3.Error``. Some codes have several causes that only the disk can tell apart, so the disk is asked.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlcipher3 import dbapi2

from edge_gate.core.access import is_there
from edge_gate.core.errors import EdgeGateError, StoreCorrupt, StoreError, StoreFull, StoreReadOnly, WrongKey
from edge_gate.store.files import explain, forbidden, trouble_beside


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn sqlcipher3's errors inside the block into subclasses of StoreError that name ``path``."""
    try:
        yield
    except dbapi2.Error as error:
        raise _explained(path, error) from error
    except UnicodeEncodeError as error:
        raise StoreError(path, "a text that is not Unicode cannot be stored") from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while the rows of a store are made into values into StoreCorrupt.

    A row that this program wrote can be read. One that cannot is somebody else's, who has the key: in a backup that was
    put back, say. Nothing but reading belongs inside the block.
    """
    try:
        with faults(path):
            yield
    except EdgeGateError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError, struct.error) as error:
        raise StoreCorrupt(path, f"a row was not written by edge-gate ({error})") from error


def why_unwritable(path: Path) -> StoreError | None:
    """Return why this process could not write the file or beside it, or None if it could. Raises OSError."""
    for place, rights in ((path.parent, os.R_OK | os.W_OK | os.X_OK), (path, os.R_OK | os.W_OK)):
        if place == path and not is_there(path):
            return None
        if os.statvfs(place).f_flag & os.ST_RDONLY:
            return StoreReadOnly(path, f"the file system of {place} is read-only")
        if not os.access(place, rights, effective_ids=True):
            return forbidden(place)
    return None


def _explained(path: Path, error: dbapi2.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bits are the extended code
    match code:
        case dbapi2.SQLITE_NOTADB:
            return WrongKey(path)
        case dbapi2.SQLITE_CORRUPT:
            return StoreCorrupt(path, str(error))
        case dbapi2.SQLITE_FULL:
            return StoreFull(path)
        case dbapi2.SQLITE_READONLY | dbapi2.SQLITE_IOERR | dbapi2.SQLITE_CANTOPEN:
            return _asked_of_the_disk(path, error, code)
        case dbapi2.SQLITE_BUSY | dbapi2.SQLITE_LOCKED:
            return StoreError(path, "another process is using it and did not let go in time")
        case _:
            return StoreError(path, str(error))


def _asked_of_the_disk(path: Path, error: dbapi2.Error, code: int) -> StoreError:
    try:
        if reason := why_unwritable(path):
            return reason
    except OSError as gone:
        return explain(path, gone)
    if trouble := trouble_beside(path):
        return trouble
    if code == dbapi2.SQLITE_READONLY:
        # SQLCipher refuses all writes after it met a page that it could not decrypt.
        return StoreCorrupt(path, "a page does not decrypt")
    return StoreError(path, f"{error} ({getattr(error, 'sqlite_errorname', 'no code')})")
