# SPDX-License-Identifier: Apache-2.0
"""The store's key: 32 bytes, written as 64 hexadecimal digits in a systemd credential or, for a trial, a file. A site
that wants a passphrase at the start has the key there locked (locked.py); then nothing here opens it.

The credential is systemd's to protect: it lies in memory, in a folder that only the unit's user may enter, and is
owned by that user or by root with an access list (systemd.exec(5), "CREDENTIALS"). A key file has to protect itself,
so its owner and mode are judged strictly. Both are read through one descriptor, so that what was judged is what is
read. A process that seals itself opens the place before, and reads it afterwards.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_gate.core.access import denied, user_name
from edge_gate.core.errors import KeyLocked, KeyMalformed, KeyMissing, KeyNotOurs, KeyUnsafe
from edge_gate.core.plain_files import ANY_LENGTH, open_descriptor
from edge_gate.settings.config import StoreSettings
from edge_gate.store.files import appearing
from edge_gate.store.keys.locked import LENGTH, is_locked

KEY_BYTES: Final = 32
CREDENTIAL: Final = "store-key"

_DIGITS: Final = re.compile(rb"[0-9a-fA-F]{64}\n?")
_LONGEST_DIGITS: Final = 2 * KEY_BYTES + 1
_LONGEST: Final = max(_LONGEST_DIGITS + 1, LENGTH + 1)


def load_key(settings: StoreSettings, environ: Mapping[str, str]) -> bytes:
    """Return the 32 bytes of the key file, where one is set, or else of the credential.

    Raises KeyMissing, KeyUnsafe (a key file that is not ours alone), KeyMalformed or KeyLocked.
    """
    return plain_key(*as_it_lies(settings, environ))


def as_it_lies(settings: StoreSettings, environ: Mapping[str, str]) -> tuple[bytes, Path]:
    """Return what is in the key's place, digits or a locked key, and where that is. Raises KeyMissing or KeyUnsafe."""
    with held(settings, environ) as place:
        return place.read(), place.path


@dataclass(frozen=True, slots=True)
class HeldPlace:
    """The key's place, judged and held open, and not read yet."""

    path: Path
    descriptor: int

    @property
    def is_locked(self) -> bool:
        """Whether a locked key lies there, as its length tells: nothing of a plain one is read for that."""
        return os.fstat(self.descriptor).st_size > _LONGEST_DIGITS

    def read(self) -> bytes:
        """Return what lies there."""
        return os.pread(self.descriptor, _LONGEST, 0)


@contextmanager
def held(settings: StoreSettings, environ: Mapping[str, str]) -> Iterator[HeldPlace]:
    """Yield the key's place, held open. Raises KeyMissing, KeyUnsafe or AccessDenied."""
    path, of_root_too = _place(settings, environ)
    descriptor = _open_private(path, shared_with_root=of_root_too)
    try:
        yield HeldPlace(path, descriptor)
    finally:
        os.close(descriptor)


def _place(settings: StoreSettings, environ: Mapping[str, str]) -> tuple[Path, bool]:
    if settings.key_file != Path():
        return settings.key_file, False
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    if not folder:
        raise KeyMissing(
            f"the systemd credential `{CREDENTIAL}` was not passed, as `sudo systemctl start edge-gate` does, and"
            " store.key_file is not set"
        )
    return Path(folder) / CREDENTIAL, True


def plain_key(content: bytes, place: Path) -> bytes:
    """Return the key that these digits are. Raises KeyLocked or KeyMalformed."""
    if is_locked(content):
        raise KeyLocked(place)
    if not _DIGITS.fullmatch(content):
        raise KeyMalformed(place)
    return bytes.fromhex(content.decode("ascii"))


def create_key_file(path: Path) -> None:
    """Write a new random key that only its owner may read. Raises AlreadyInitialised rather than replace a file."""
    write_key_file(path, secrets.token_bytes(KEY_BYTES))


def write_key_file(path: Path, key: bytes) -> None:
    """Write a key that only its owner may read. Raises AlreadyInitialised rather than replace a file."""
    with appearing(path) as draft:
        draft.write(key.hex().encode() + b"\n")


def read_private(path: Path, *, shared_with_root: bool) -> bytes:
    """Return what a file holds that nobody else may touch. Raises KeyMissing, KeyUnsafe or AccessDenied."""
    descriptor = _open_private(path, shared_with_root=shared_with_root)
    try:
        return os.pread(descriptor, _LONGEST, 0)
    finally:
        os.close(descriptor)


def _open_private(path: Path, *, shared_with_root: bool) -> int:
    try:
        descriptor = open_descriptor(path, ANY_LENGTH, follow=False)  # what is too long is told as malformed
    except PermissionError as error:
        raise denied(path) from error
    except OSError as error:
        raise KeyMissing(f"{path}: {error.strerror}") from error
    try:
        _judge(path, os.fstat(descriptor), shared_with_root=shared_with_root)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _judge(path: Path, status: os.stat_result, *, shared_with_root: bool) -> None:
    mode = stat.S_IMODE(status.st_mode)
    # With an access list the group bits show its mask, not a group's rights: only "others" tells anything then.
    owners, forbidden = ({0, os.geteuid()}, 0o007) if shared_with_root else ({os.geteuid()}, 0o177)
    if status.st_uid not in owners:
        raise KeyNotOurs(path, user_name(status.st_uid))
    if mode & forbidden:
        raise KeyUnsafe(path, f"{mode:04o}")
