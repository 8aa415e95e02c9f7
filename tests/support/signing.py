# SPDX-License-Identifier: Apache-2.0
"""Signs cards for the tests with py-minisign: code that is not ours, so that verifying is tried against a peer."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from minisign import KeyPair


@cache
def own_pair() -> KeyPair:
    """Return the pair of keys that the tests' own cards are signed with; another in each run."""
    return KeyPair.generate()


def text_of(pair: KeyPair) -> str:
    """Return a public key as a configuration has it."""
    return bytes(pair.public_key.to_base64()).decode()


def own_key() -> str:
    """Return the public key that the tests' own cards are signed with."""
    return text_of(own_pair())


def sign(card: Path, pair: KeyPair | None = None, *, prehash: bool = True, comment: str = "for a test") -> Path:
    """Sign a card as it is now and return the signature's file."""
    signed = (pair or own_pair()).secret_key.sign(card.read_bytes(), prehash=prehash, trusted_comment=comment)
    beside = card.with_name(f"{card.name}.minisig")
    beside.write_bytes(bytes(signed) + b"\n")
    return beside
