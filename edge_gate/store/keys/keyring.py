# SPDX-License-Identifier: Apache-2.0
"""The keyring: each resident's data key, in a file of its own beside the store that no backup contains.

    +-----------+----------+-------------------------------------------------------------+----------+
    | "EGRING2" | nonce    | ciphertext                                                  | tag      |
    | 00        | 12 bytes |                                                             | 16 bytes |
    +-----------+----------+-------------------------------------------------------------+----------+
                            signing seed, 32 bytes; the templates' secret is derived from it
                            generation, 8 bytes
                            number of keys, 4 bytes | (resident's id, 16 bytes; data key, 32 bytes) ...
                            number of tombstones, 4 bytes | (resident's id, 16 bytes) ...

The whole is sealed at once (AES-256-GCM-SIV, sealing.py) under a key that is derived from the store's, so no key can be
taken out, put in or exchanged without the store's key. Numbers are little-endian.

**Why a file of its own.** Somebody's key has to be gone for every copy of their rows. Keys in the database would be in
each copy of it. Here a copy of the database alone is a backup: whom the keyring has lost since, no backup brings back.
Whoever copied both files, or the whole card, before somebody was forgotten still has them, and no program can change
that.

**How a key is destroyed.** The file is written anew without it, and with a tombstone, in one step (files.replace):
there is no moment in which one holds without the other. Then the old file's bytes are overwritten. Worn flash cells
may keep them all the same, sealed under the store's key.

**How an older one is noticed that was put back.** Each change of what it holds counts the generation up. The file is
written first and the database then, whose audit log has the generation in the rows of these changes and of starts
(generation.py). So a keyring that is ahead of the database is one of a power cut or of a restored backup; one that is
behind was put back. Nothing is then removed for want of a key, so that the right one can be put back; the next change
counts on from the generation that was known, so that from then on the newer one is the one behind. A file of before,
"EGRING1", has no generation and reads as 0; the next change writes it in the present form.

A tombstone is a random identifier that says nothing but that its rows must not be. It is kept for good, because a
backup may come back after years.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_gate.core.access import is_taken
from edge_gate.core.errors import AlreadyInitialised, KeyringDamaged, KeyringMissing, ResidentUnknown
from edge_gate.core.plain_files import ANY_LENGTH, open_descriptor, read_plain
from edge_gate.store.files import appearing, clear_drafts, explain, replace
from edge_gate.store.keys.sealing import KEY_BYTES, DoesNotOpen, decrypt, derive, encrypt

MAGIC: Final = b"EGRING2\0"
# Of more people than any gate knows: what is larger is not read at all.
LARGEST_BYTES: Final = 1 << 28
_MAGIC_BEFORE: Final = b"EGRING1\0"
_PURPOSE: Final = "keyring 1"
_TEMPLATES: Final = "template protection 1"
_ID_BYTES: Final = 16
_COUNT: Final = struct.Struct("<I")
_GENERATION: Final = struct.Struct("<Q")


def keyring_path(store_path: Path) -> Path:
    """Return where the keyring of a store is."""
    return store_path.with_name(store_path.name + ".keyring")


class Keyring:
    """An open keyring. What it says was on the disk when it was opened or last changed it itself.

    ``generation`` counts its changes; ``known`` is the highest that it is known to have had. ``suspect`` says why it is
    not the newest one of this store, or nothing; it stays as long as the keyring is open.
    """

    __slots__ = (
        "_digest",
        "_keys",
        "_sealing_key",
        "_secrets",
        "_seed",
        "_tombstones",
        "generation",
        "known",
        "path",
        "suspect",
    )

    def __init__(self, path: Path, store_key: bytes) -> None:
        self.path = path
        self._sealing_key = derive(store_key, _PURPOSE)
        self._seed = os.urandom(KEY_BYTES)
        self._secrets: dict[str, bytes] = {}
        self._keys: dict[bytes, bytes] = {}
        self._tombstones: set[bytes] = set()
        self._digest = b""
        self.generation = self.known = 1
        self.suspect = ""

    @classmethod
    def create(cls, path: Path, store_key: bytes) -> Self:
        """Make an empty keyring. One that a power cut left empty, without a store, is taken as it is.

        Raises AlreadyInitialised where there is one of another key, or one that holds something.
        """
        if is_taken(path):
            try:
                found = cls.open(path, store_key)
            except (KeyringDamaged, KeyringMissing) as error:
                raise AlreadyInitialised(path) from error
            if found._keys or found._tombstones:
                raise AlreadyInitialised(path)
            clear_drafts(path)
            return found
        made = cls(path, store_key)
        with appearing(path) as draft:
            draft.own_like(path.parent.stat())
            draft.write(made._sealed())
        return made

    @classmethod
    def open(cls, path: Path, store_key: bytes) -> Self:
        """Open a keyring. Raises KeyringMissing, KeyringDamaged (also for another key) or StoreError."""
        opened = cls(path, store_key)
        opened.known = 0
        opened.reload()
        return opened

    def expect(self, generation: int) -> None:
        """Say which generation this keyring is known to have had; where it has not reached it, it is `suspect`."""
        self.known = max(self.known, generation)
        if self.generation < self.known:
            self.suspect = f"an older one was put back: generation {self.generation}, but {self.known} was known"

    def data_key(self, resident_id: str) -> bytes | None:
        """Return a resident's key, or None where there is none (any more)."""
        return self._keys.get(uuid.UUID(resident_id).bytes)

    def buried(self, resident_id: str) -> bool:
        """Tell whether this resident was forgotten."""
        return uuid.UUID(resident_id).bytes in self._tombstones

    def counts(self) -> tuple[int, int]:
        """Return how many residents have a key, and how many tombstones there are."""
        return len(self._keys), len(self._tombstones)

    def ensure(self, resident_ids: Iterable[str]) -> None:
        """See to it that each of these has a key, on the disk before anything is sealed under it.

        Raises ResidentUnknown for somebody who was forgotten, or StoreError.
        """
        wanted = {uuid.UUID(each).bytes for each in resident_ids}
        if wanted <= self._keys.keys() and not wanted & self._tombstones:
            return

        def add() -> None:
            if gone := wanted & self._tombstones:
                raise ResidentUnknown(str(uuid.UUID(bytes=min(gone))))
            self._keys |= {each: os.urandom(KEY_BYTES) for each in wanted - self._keys.keys()}

        self._change(add)

    def destroy(self, resident_id: str, *, forgotten: bool) -> bool:
        """Destroy a resident's key for good, and where they are ``forgotten`` leave a tombstone; durable on return.

        Returns whether there was a key.
        """
        name = uuid.UUID(resident_id).bytes
        self.reload()
        had = name in self._keys
        if not had and (not forgotten or name in self._tombstones):
            return had

        def remove() -> None:
            self._keys.pop(name, None)
            if forgotten:
                self._tombstones.add(name)

        self._change(remove)
        return had

    def sealed_again(self, store_key: bytes) -> None:
        """Write the same keyring under another store key (rotation.py)."""

        def reseal() -> None:
            self._sealing_key = derive(store_key, _PURPOSE)

        self._change(reseal, counts=False)

    def signer(self) -> Ed25519PrivateKey:
        """Return the key with which this device signs receipts and the audit log.

        It stays when the store's key changes; a new keyring has another.
        """
        return Ed25519PrivateKey.from_private_bytes(self._seed)

    def template_secret(self) -> bytes:
        """Return what the key of the templates' transform is made from (templates/). It is derived from the signing
        seed, so it stays when the store's key changes, and no backup of the database has it."""
        return derive(self._seed, _TEMPLATES)

    def secret(self, purpose: str) -> bytes:
        """Return a key for one purpose, derived from the signing seed, as the templates' secret is."""
        if purpose not in self._secrets:
            self._secrets[purpose] = derive(self._seed, purpose)
        return self._secrets[purpose]

    def reload(self) -> None:
        """Read the file again. Raises KeyringMissing, KeyringDamaged or StoreError; then nothing has changed here.

        A file that is the one of before, bit by bit, is not opened again: that grows with everybody.
        """
        try:
            content = read_plain(self.path, LARGEST_BYTES)
        except FileNotFoundError as error:
            raise KeyringMissing(self.path) from error
        except OSError as error:
            raise explain(self.path, error) from error
        except ValueError as error:
            raise KeyringDamaged(self.path) from error
        digest = hashlib.sha256(content).digest()
        if digest == self._digest:
            return
        magic = content[: len(MAGIC)]
        if magic not in (MAGIC, _MAGIC_BEFORE):
            raise KeyringDamaged(self.path)
        try:
            plain = decrypt(self._sealing_key, content[len(MAGIC) :], magic)
            seed, generation, keys, tombstones = _parsed(plain, counts=magic == MAGIC)
        except (DoesNotOpen, ValueError) as error:
            raise KeyringDamaged(self.path) from error
        self._seed, self.generation, self._keys, self._tombstones = seed, generation, keys, tombstones
        self._digest, self._secrets = digest, {}
        self.expect(self.generation)

    def _change(self, what: Callable[[], None], *, counts: bool = True) -> None:
        """Do ``what`` to the file's present state, so that two processes never undo each other's changes."""
        with self._alone():
            self.reload()
            before = (dict(self._keys), set(self._tombstones), self._sealing_key, self.generation)
            try:
                what()
                if counts:
                    self.generation = self.known + 1
                content = self._sealed()
                replace(self.path, content)
            except BaseException:
                self._keys, self._tombstones, self._sealing_key, self.generation = before
                raise
            self._digest = hashlib.sha256(content).digest()
            self.known = max(self.known, self.generation)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the file's lock: that of the file which has the name now, for each change gives it to another."""
        while True:
            try:
                file = open_descriptor(self.path, ANY_LENGTH)
            except OSError as error:
                raise KeyringMissing(self.path) from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(file), self.path.stat()):
                    yield
                    return
            finally:
                os.close(file)

    def _sealed(self) -> bytes:
        pairs = b"".join(name + key for name, key in self._keys.items())
        stones = b"".join(sorted(self._tombstones))
        counted = _COUNT.pack(len(self._keys)) + pairs + _COUNT.pack(len(self._tombstones)) + stones
        plain = self._seed + _GENERATION.pack(self.generation) + counted
        return MAGIC + encrypt(self._sealing_key, plain, MAGIC)


def _parsed(plain: bytes, *, counts: bool) -> tuple[bytes, int, dict[bytes, bytes], set[bytes]]:
    """Take apart what was sealed: seed, generation (0 where it ``counts`` none), keys and tombstones.

    Raises ValueError for what this module does not write, though the key fits.
    """
    seed, rest = plain[:KEY_BYTES], plain[KEY_BYTES:]
    generation = 0
    if counts:
        (generation,) = _GENERATION.unpack(rest[: _GENERATION.size].ljust(_GENERATION.size, b"\0"))
        rest = rest[_GENERATION.size :]
    record = _ID_BYTES + KEY_BYTES
    start = _COUNT.size
    (count,) = _COUNT.unpack(rest[:start].ljust(_COUNT.size, b"\0"))
    end = start + count * record
    (stone_count,) = _COUNT.unpack(rest[end : end + _COUNT.size].ljust(_COUNT.size, b"\0"))
    if len(rest) != end + _COUNT.size + stone_count * _ID_BYTES:
        raise ValueError("its length does not fit what it counts")
    keys = {rest[at : at + _ID_BYTES]: rest[at + _ID_BYTES : at + record] for at in range(start, end, record)}
    stones = {rest[at : at + _ID_BYTES] for at in range(end + _COUNT.size, len(rest), _ID_BYTES)}
    return seed, generation, keys, stones
