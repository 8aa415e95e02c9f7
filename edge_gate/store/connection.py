# SPDX-License-Identifier: Apache-2.0
"""One SQLCipher connection with the settings that the store's promises rest on.

SQLCipher 4 encrypts each 4096-byte page with AES-256-CBC and authenticates it with HMAC-SHA512
(zetetic.net/sqlcipher/design). The key is given raw, so no password hashing delays the start.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, Final, Literal

from sqlcipher3 import dbapi2

from edge_gate.core.access import find
from edge_gate.core.errors import KeyMalformed, StoreCorrupt, StoreError, StoreMissing, WrongKey
from edge_gate.core.plain_files import ANY_LENGTH, open_plain
from edge_gate.store.faults import faults, why_unwritable
from edge_gate.store.files import explain
from edge_gate.store.keys.source import KEY_BYTES

Mode = Literal["ro", "rw"]
BUSY_TIMEOUT_S: Final = 5.0
PAGE_BYTES: Final = 4096
_PLAIN: Final = b"SQLite format 3\0"

_BEFORE_KEY: Final = (
    "PRAGMA cipher_log_level = NONE",  # otherwise each fault is also several lines on stderr, in SQLCipher's words
    # To wipe and lock all of its memory takes two system calls for each piece, and makes it three times as slow. Its
    # keys are wiped in any case, and the gate keeps all of its memory out of swap and dumps (edge_gate/seal).
    "PRAGMA cipher_memory_security = OFF",
)
_AFTER_KEY: Final = (
    "PRAGMA synchronous = FULL",  # a commit is on the disk before it is acknowledged
    "PRAGMA secure_delete = ON",  # freed pages and cells are zeroed (schema.py says what that misses)
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",  # nothing is sorted in a file that is not encrypted
    "PRAGMA cache_size = -2000",  # KiB, of the gate's 56 MB
    "PRAGMA trusted_schema = OFF",
)


def reader(path: Path, key: bytes) -> Any:
    """Return a connection that only reads, for one other thread, and keeps little in memory. Raises StoreError."""
    with faults(path):
        connection = connect(path, key, "ro", one_thread=False)
        connection.execute("PRAGMA cache_size = -256")
    return connection


def connect(path: Path, key: bytes, mode: Mode, *, one_thread: bool = True) -> Any:
    """Return a connection in autocommit mode to a file that exists, empty or opened by this key.

    Raises KeyMalformed where the key is not 32 bytes, else what `faults` makes of SQLCipher's errors.
    """
    if len(key) != KEY_BYTES:
        raise KeyMalformed("its source")
    connection = dbapi2.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_TIMEOUT_S,
        check_same_thread=one_thread,
    )
    try:
        for pragma in _BEFORE_KEY:
            connection.execute(pragma)
        connection.set_key(f"x'{key.hex()}'")
        for pragma in _AFTER_KEY:
            connection.execute(pragma)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # decrypts the first page
    except BaseException:
        connection.close()
        raise
    return connection


def look(path: Path, key: bytes) -> Any:
    """Return a read-only connection to a store that this key opens, and that could be written too.

    Without write access SQLite neither moves the write-ahead log into the database nor deletes it when the
    connection closes, so a file that the key does not open stays exactly as it was. Raises StoreMissing,
    StoreReadOnly, StoreForbidden, WrongKey or StoreCorrupt.
    """
    try:
        _judge_file(path)
    except OSError as error:
        raise explain(path, error) from error
    try:
        with faults(path):
            return connect(path, key, "ro")
    except WrongKey:
        with open_plain(path, ANY_LENGTH) as file:
            start = file.read(len(_PLAIN))
        if start == _PLAIN:
            raise StoreCorrupt(path, "it is a SQLite file without encryption, so not ours") from None
        raise


def _judge_file(path: Path) -> None:
    """Name the faults that SQLCipher would report as a wrong key, or not at all.

    The file is not opened here: closing it would drop the locks of any other connection of this process
    (sqlite.org/howtocorrupt.html, 2.2).
    """
    found, log = find(path), find(path.with_name(path.name + "-wal"))
    if found is None:
        raise StoreMissing(path)
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(path, "it is not a file")
    if reason := why_unwritable(path):
        raise reason
    size = found.st_size
    may_be_mended = log is not None and log.st_size > 0  # a power cut came while it was moved into the file
    if not size:
        raise StoreCorrupt(path, "it is empty")
    if size < PAGE_BYTES or (size % PAGE_BYTES and not may_be_mended):
        raise StoreCorrupt(path, f"it ends in the middle of a page, after {size} bytes")
