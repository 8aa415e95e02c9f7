# SPDX-License-Identifier: Apache-2.0
"""Between two keys: what is on the disk while the store's key is being changed (rotation.py).

Database, keyring and the key's own place are three files, and no rename changes three files at once. So the first step
of a change writes down both keys, each sealed under the other:

    +-----------+------------------------------------+------------------------------------+
    | "EGROTA1" | the new key, under one that is     | the old key, under one that is     |
    | 00        | derived from the old, 60 bytes     | derived from the new, 60 bytes     |
    +-----------+------------------------------------+------------------------------------+

Whichever key the gate is given at its start, it has both while this file is there, and opens each file with the one
that fits. The last step of a change removes it. Until then the old key is as good as the new one.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_gate.core.errors import KeyringDamaged, WrongKey
from edge_gate.core.plain_files import ANY_LENGTH, open_plain
from edge_gate.store import connection
from edge_gate.store.files import appearing, explain
from edge_gate.store.keys.keyring import Keyring, keyring_path
from edge_gate.store.keys.sealing import KEY_BYTES, NONCE_BYTES, TAG_BYTES, DoesNotOpen, decrypt, derive, encrypt

MAGIC: Final = b"EGROTA1\0"
_SLOT_BYTES: Final = NONCE_BYTES + KEY_BYTES + TAG_BYTES
_BYTES: Final = len(MAGIC) + 2 * _SLOT_BYTES


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the store's key that has begun and not ended."""

    old: bytes
    new: bytes


def pending_path(store_path: Path) -> Path:
    """Return where a change that is under way is written down."""
    return store_path.with_name(store_path.name + ".rotation")


def write(store_path: Path, change: Change) -> None:
    """Begin a change; durable on return."""
    to_new = encrypt(derive(change.old, "rotation, new key 1"), change.new, MAGIC)
    to_old = encrypt(derive(change.new, "rotation, old key 1"), change.old, MAGIC)
    with appearing(pending_path(store_path)) as draft:
        draft.own_like(store_path.stat())
        draft.write(MAGIC + to_new + to_old)


def read(store_path: Path, key: bytes) -> Change | None:
    """Return the change that is under way, by its old or its new key; None where there is none for this key."""
    path = pending_path(store_path)
    try:
        with open_plain(path, ANY_LENGTH) as file:
            content = file.read(_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explain(path, error) from error
    if len(content) != _BYTES or not content.startswith(MAGIC):
        return None
    first, second = content[len(MAGIC) :][:_SLOT_BYTES], content[len(MAGIC) + _SLOT_BYTES :]
    try:
        return Change(old=key, new=decrypt(derive(key, "rotation, new key 1"), first, MAGIC))
    except DoesNotOpen:
        pass
    try:
        return Change(old=decrypt(derive(key, "rotation, old key 1"), second, MAGIC), new=key)
    except DoesNotOpen:
        return None


def keys_in_use(store_path: Path, key: bytes) -> tuple[bytes, bytes]:
    """Return the key of the database and that of the keyring: the given one, but for a change that is under way."""
    change = read(store_path, key)
    if change is None:
        return key, key
    return (
        change.new if opens_database(store_path, change.new) else change.old,
        change.new if opens_keyring(store_path, change.new) else change.old,
    )


def opens_database(store_path: Path, key: bytes) -> bool:
    """Tell whether this key opens the database. Raises what `connection.look` raises for other faults."""
    try:
        with closing(connection.look(store_path, key)):
            return True
    except WrongKey:
        return False


def opens_keyring(store_path: Path, key: bytes) -> bool:
    """Tell whether this key opens the keyring. Raises KeyringMissing."""
    try:
        Keyring.open(keyring_path(store_path), key)
    except KeyringDamaged:
        return False
    return True
