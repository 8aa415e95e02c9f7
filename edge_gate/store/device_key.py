# SPDX-License-Identifier: Apache-2.0
"""The key with which this device signs: derived from the store's key, so that there is nothing more to keep.

A stored private key would have to lie in the store, where whoever has the store's key reads it all the same; derived,
it cannot be lost, copied or forgotten in a backup apart from that key, and it comes back with the paper copy of it.
HKDF (RFC 5869) keeps the two apart: from a signature, or from the signing key itself, nothing leads back to the
store's key. The limit is the same either way: who has the store's key can sign in this device's name.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_INFO: Final = b"edge-gate device signing key v1"


def signing_key(store_key: bytes) -> Ed25519PrivateKey:
    """Return the Ed25519 key (RFC 8032) that belongs to this store's key; the same one every time."""
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(store_key)
    return Ed25519PrivateKey.from_private_bytes(seed)
