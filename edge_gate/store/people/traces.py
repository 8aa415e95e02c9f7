# SPDX-License-Identifier: Apache-2.0
"""Looks for what is left of somebody in a store's files, page by page, whether SQLite still uses a page or not.

Each page of the database and each frame of its write-ahead log is decrypted here, without SQLCipher, and searched for
bytes: an identifier, a name. Free pages, the slack of used ones and stale frames are searched like any other.

What a search shows is that these bytes stand in none of these files. It cannot look for a template, which nobody
knows once it is gone, nor into worn flash cells, or copies that nobody names.

SQLCipher 4 (zetetic.net/sqlcipher/design): a page ends with 16 bytes of IV and 64 of HMAC-SHA512 over ciphertext, IV
and page number; the file's first 16 bytes are the salt of the HMAC's key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import unicodedata
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from edge_gate.core.access import is_there
from edge_gate.core.errors import StoreCorrupt, StoreMissing, WrongKey
from edge_gate.core.plain_files import ANY_LENGTH, open_plain
from edge_gate.spec import registry
from edge_gate.spec.model import Act, PersonalTable
from edge_gate.store.connection import look
from edge_gate.store.faults import faults
from edge_gate.store.files import explain

PAGE_BYTES: Final = 4096
_IV_BYTES, _MAC_BYTES, _SALT_BYTES = 16, 64, 16
_LOG_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_MAC_SALT_MASK: Final = 0x3A

Words = Mapping[str, tuple[bytes, ...]]


@dataclass(slots=True)
class Found:
    """How many pages of a store were searched, and on how many each word stands; ``unread`` did not decrypt.

    ``log``: whether a write-ahead log lay beside it, whose pages are among them.
    """

    path: Path
    log: bool = False
    pages: int = 0
    unread: int = 0
    hits: dict[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Tell whether every page was read and has none of the words."""
        return not self.hits and not self.unread


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows a table has in all, and how many of each resident an act should have ended there and did not."""

    rows: int
    left: dict[str, int]


def words_for(text: str) -> Words:
    """Return the forms in which an identifier or a name may stand in a store."""
    text = unicodedata.normalize("NFC", text).strip()
    # An argument that is not UTF-8 is searched for as the bytes that it was.
    forms = {text.encode(errors="surrogateescape"), json.dumps(text)[1:-1].encode()}
    with suppress(ValueError):
        forms |= {str(uuid.UUID(text)).encode(), uuid.UUID(text).bytes}
    return {text: tuple(sorted(forms))}


def search(path: Path, key: bytes, words: Words) -> Found:
    """Search a store, or a copy of one, with its write-ahead log. Raises StoreMissing, StoreCorrupt or WrongKey.

    A running gate may be writing: what does not decrypt is read again.
    """
    for patience in (2, 1, 0):
        found = _searched(path, key, words)
        if not found.unread or not patience:
            return found
    return found


def rows_left(
    path: Path,
    key: bytes,
    act: Act,
    resident_ids: Collection[str],
    tables: Iterable[PersonalTable] = tuple(registry.TABLES.values()),
) -> dict[str, Counted]:
    """Count the rows that are left of residents after an act, in each table in which the act ends them.

    Raises what `connection.look` raises. A withdrawal leaves name and identifier, so a search of pages cannot tell.
    """
    found: dict[str, Counted] = {}
    with closing(look(path, key)) as database, faults(path):

        def count(table: PersonalTable, where: str, *values: str) -> int:
            counted = f"SELECT count(*) FROM {table.name} WHERE {where}"  # noqa: S608 - declared
            return int(database.execute(counted, values).fetchone()[0])

        made = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}  # of an earlier version: fewer
        for table in tables:
            if table.name in made and (theirs := table.not_ended(act)) is not None:
                left = {each: count(table, theirs, each) for each in resident_ids}
                found[table.name] = Counted(count(table, "true"), left)
    return found


def _searched(path: Path, key: bytes, words: Words) -> Found:
    found = Found(path)
    log = _log_of(path)
    found.log = is_there(log)
    for page in _pages(path, log, key):
        found.pages += 1
        if page is None:
            found.unread += 1
            continue
        for word, forms in words.items():
            if any(form in page for form in forms):
                found.hits[word] = found.hits.get(word, 0) + 1
    return found


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _pages(path: Path, log: Path, key: bytes) -> Iterator[bytes | None]:
    """Yield every page in the clear, None for one that does not decrypt."""
    try:
        with open_plain(path, ANY_LENGTH) as file:
            first = file.read(PAGE_BYTES)
            if len(first) < PAGE_BYTES:
                raise StoreCorrupt(path, "it is shorter than a page")
            mac_salt = bytes(byte ^ _MAC_SALT_MASK for byte in first[:_SALT_BYTES])
            mac_key = hashlib.pbkdf2_hmac("sha512", key, mac_salt, 2, 32)
            if _clear(first, 1, key, mac_key) is None:
                raise WrongKey(path)
            page, number = first, 1
            while page:
                yield _clear(page, number, key, mac_key)
                page, number = file.read(PAGE_BYTES), number + 1
        if not is_there(log):
            return
        with open_plain(log, ANY_LENGTH) as file:
            file.read(_LOG_HEADER_BYTES)
            while frame := file.read(_FRAME_HEADER_BYTES + PAGE_BYTES):
                number = int.from_bytes(frame[:4], "big")
                yield _clear(frame[_FRAME_HEADER_BYTES:], number, key, mac_key)
    except FileNotFoundError as error:
        raise StoreMissing(path) from error
    except OSError as error:
        raise explain(path, error) from error


def _clear(page: bytes, number: int, key: bytes, mac_key: bytes) -> bytes | None:
    start = _SALT_BYTES if number == 1 else 0
    body, iv = page[start : -_IV_BYTES - _MAC_BYTES], page[-_IV_BYTES - _MAC_BYTES : -_MAC_BYTES]
    mac = hmac.digest(mac_key, body + iv + number.to_bytes(4, "little"), "sha512")
    if not hmac.compare_digest(mac, page[-_MAC_BYTES:]):
        return None
    decryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).decryptor()
    return decryptor.update(body) + decryptor.finalize()
