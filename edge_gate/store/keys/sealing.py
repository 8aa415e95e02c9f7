# SPDX-License-Identifier: Apache-2.0
"""A biometric row, sealed under its resident's own data key, so that it is worth nothing once that key is destroyed.

What stands in the column ``template.sealed``:

    +---------+----------+------------------------------+----------+
    | version | nonce    | ciphertext                   | tag      |
    | 1 byte  | 12 bytes | as long as the plain content | 16 bytes |
    +---------+----------+------------------------------+----------+

What the tag vouches for besides, and what is not stored again:

    "edge-gate" 00 | table 00 | resident's id, 16 bytes | model id, 8 bytes | version

The version says what was sealed: 1 a vector (float16, little-endian, length 1), as earlier versions stored it; 2 the
number of dimensions (16 bits, little-endian) and the code that edge_gate.rules.protection made. The tag vouches for it,
so a vector never opens as a code.

So a row that is moved to another resident, another model or another table does not open.

The cipher is AES-256-GCM-SIV (RFC 8452). Data keys are random and seal a handful of rows each, for which AES-GCM with
a random nonce would do; but a device may be cloned from an image or woken from a snapshot, and a nonce that comes
twice costs GCM its authentication key, and GCM-SIV only the fact that two plaintexts were equal. It needs OpenSSL 3.2,
which `cryptography` brings in its wheels. The same cipher seals the keyring (keyring.py).
"""

from __future__ import annotations

import os
import uuid
from typing import Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edge_gate.core.errors import CipherMissing

KEY_BYTES: Final = 32
VECTOR: Final = b"\x01"
CODE: Final = b"\x02"
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16


class DoesNotOpen(Exception):
    """This key does not open these bytes in this place."""


def derive(key: bytes, purpose: str) -> bytes:
    """Return a key of 32 bytes for one purpose alone (HKDF-SHA256, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"edge-gate {purpose}".encode()).derive(key)


def encrypt(key: bytes, plain: bytes, vouched: bytes) -> bytes:
    """Return nonce, ciphertext and tag; ``vouched`` has to be the same at `decrypt`. Raises CipherMissing."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, plain, vouched)


def decrypt(key: bytes, sealed: bytes, vouched: bytes) -> bytes:
    """Return the plaintext. Raises DoesNotOpen or CipherMissing."""
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise DoesNotOpen
    try:
        return _cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], vouched)
    except InvalidTag as error:
        raise DoesNotOpen from error


def seal_row(key: bytes, table: str, resident_id: str, model_id: bytes, plain: bytes, version: bytes = CODE) -> bytes:
    """Return the bytes for a sealed column, bound to their place and to what they are."""
    return version + encrypt(key, plain, _place(table, resident_id, model_id, version))


def open_row(key: bytes, table: str, resident_id: str, model_id: bytes, sealed: bytes, version: bytes = CODE) -> bytes:
    """Return what `seal_row` was given. Raises DoesNotOpen for another key, place or version."""
    if sealed[:1] != version:
        raise DoesNotOpen
    return decrypt(key, sealed[1:], _place(table, resident_id, model_id, version))


def _place(table: str, resident_id: str, model_id: bytes, version: bytes) -> bytes:
    return b"\0".join((b"edge-gate", table.encode(), uuid.UUID(resident_id).bytes + model_id + version))


def _cipher(key: bytes) -> AESGCMSIV:
    try:
        return AESGCMSIV(key)
    except UnsupportedAlgorithm as error:
        raise CipherMissing from error
