# SPDX-License-Identifier: Apache-2.0
"""The store's key, locked with a passphrase: what lies in the key's place, where a site chose that.

    +-----------+--------+--------+-------+---------+-----------------------------+---------+
    | "EGLOCK1" | memory | passes | lanes | salt    | the key, sealed: nonce,     | check   |
    | 00        | KiB    |        |       |         | ciphertext, tag             |         |
    | 8 bytes   | 4      | 4      | 4     | 16      | 12 + 32 + 16                | 8 bytes |
    +-----------+--------+--------+-------+---------+-----------------------------+---------+

Argon2id (RFC 9106) makes a key from passphrase and salt; under that the store's key is sealed (AES-256-GCM-SIV,
sealing.py). Everything before the sealed key is vouched for by its tag, so nobody makes a guess cheaper by changing the
numbers. The check, the first bytes of a SHA-256 over all before it, is no secret and no wall: it tells a damaged card
from a mistyped passphrase. Numbers are little-endian.

The file lies where the plain key would: in a key file, or inside the systemd credential. So the tiers add up.
"""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import astuple, dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm

from edge_gate.core.errors import CipherMissing, LockDamaged, PassphraseWrong
from edge_gate.store.keys.sealing import KEY_BYTES, NONCE_BYTES, TAG_BYTES, DoesNotOpen, decrypt, encrypt

MAGIC: Final = b"EGLOCK1\0"
_COST: Final = struct.Struct("<III")
_SALT_BYTES: Final = 16
_CHECK_BYTES: Final = 8
_SEALED_AT: Final = len(MAGIC) + _COST.size + _SALT_BYTES
_CHECK_AT: Final = _SEALED_AT + NONCE_BYTES + KEY_BYTES + TAG_BYTES
LENGTH: Final = _CHECK_AT + _CHECK_BYTES


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess costs: KiB of memory, passes over it, and lanes that may be computed side by side."""

    memory_kib: int
    passes: int
    lanes: int


# RFC 9106, section 4, the second recommended choice, for machines with little memory.
COST: Final = Cost(64 * 1024, 3, 4)
# What a file may ask for: more would let a damaged or hostile one take all memory or an hour. Less than the least is
# no file of ours.
MOST: Final = Cost(256 * 1024, 16, 16)
LEAST: Final = Cost(8 * 1024, 1, 1)


def is_locked(content: bytes) -> bool:
    """Tell whether this is a locked key, sound or not, rather than a plain one."""
    return content.startswith(MAGIC)


def lock(key: bytes, passphrase: str, cost: Cost = COST) -> bytes:
    """Return the file for a key of 32 bytes. Raises CipherMissing."""
    head = MAGIC + _COST.pack(*astuple(cost)) + os.urandom(_SALT_BYTES)
    body = head + encrypt(_derived(head, passphrase, cost), key, head)
    return body + _check(body)


def unlock(content: bytes, passphrase: str, place: object) -> bytes:
    """Return the key. ``place`` is where the content comes from, for messages.

    Raises LockDamaged, which no passphrase mends; PassphraseWrong; or CipherMissing.
    """
    if not is_locked(content) or len(content) != LENGTH:
        raise LockDamaged(place, f"{len(content)} bytes instead of {LENGTH}")
    if _check(content[:_CHECK_AT]) != content[_CHECK_AT:]:
        raise LockDamaged(place, "its check does not fit")
    head = content[:_SEALED_AT]
    cost = Cost(*_COST.unpack_from(head, len(MAGIC)))
    if not all(low <= asked <= high for low, asked, high in zip(*map(astuple, (LEAST, cost, MOST)), strict=True)):
        raise LockDamaged(place, f"it asks for {cost.memory_kib} KiB, {cost.passes} passes and {cost.lanes} lanes")
    try:
        return decrypt(_derived(head, passphrase, cost), content[_SEALED_AT:_CHECK_AT], head)
    except DoesNotOpen as error:
        raise PassphraseWrong from error


def _check(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:_CHECK_BYTES]


def _derived(head: bytes, passphrase: str, cost: Cost) -> bytes:
    # Not at the top: the gate reads MAGIC from here and never derives (docs/why.md).
    import unicodedata

    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        function = Argon2id(
            salt=head[-_SALT_BYTES:],
            length=KEY_BYTES,
            iterations=cost.passes,
            lanes=cost.lanes,
            memory_cost=cost.memory_kib,
        )
    except UnsupportedAlgorithm as error:
        raise CipherMissing from error
    # One keyboard sends é as one character, another as two.
    return function.derive(unicodedata.normalize("NFC", passphrase).encode())
