# SPDX-License-Identifier: Apache-2.0
"""Verifies signatures of the tool `minisign` (https://jedisct1.github.io/minisign/): Ed25519 in a file of four lines.

Which keys are trusted, and what follows when something does not verify, is not decided here
(edge_gate/provenance/cards.py). There is nothing here that signs.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from dataclasses import dataclass
from typing import Final, Self

# What is signed: the bytes themselves (how minisign signed until 2021, and with -l), or their BLAKE2b-512.
LEGACY: Final = b"Ed"
PREHASHED: Final = b"ED"

LONGEST_BYTES: Final = 16_384  # minisign writes 8 KiB of trusted comment at most
_UNTRUSTED: Final = b"untrusted comment: "
_TRUSTED: Final = b"trusted comment: "


class Malformed(ValueError):
    """What was read is no minisign key or signature; the text says why."""


class Mismatch(ValueError):
    """A signature is not that of this message by this key; the text says which part of it does not match."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: 8 bytes by which signatures name it, and the 32 bytes of Ed25519 that count."""

    number: bytes
    point: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the one line that `minisign -G` shows and `minisign -P` takes: ``RW`` and 54 characters more.

        Raises Malformed.
        """
        content = _decode(text.encode(), 42)
        if content[:2] != LEGACY:
            raise Malformed("it is of another algorithm")
        return cls(content[2:10], content[10:])

    @property
    def key_id(self) -> str:
        """The number as minisign writes it: up to 16 hexadecimal digits."""
        return _key_id(self.number)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature file. ``comment`` is signed too; nothing in it may be believed before `verify` has returned."""

    algorithm: bytes
    number: bytes
    signature: bytes
    comment: bytes
    comment_signature: bytes

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a `.minisig` file. Raises Malformed."""
        if len(content) > LONGEST_BYTES:
            raise Malformed("it is too long")
        lines = [line.rstrip(b"\r") for line in content.removesuffix(b"\n").split(b"\n")]
        if len(lines) != 4:
            raise Malformed(f"it should have four lines, not {len(lines)}")
        if not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
            raise Malformed("its comments are not where they should be")
        head = _decode(lines[1], 74)
        if head[:2] not in (LEGACY, PREHASHED):
            raise Malformed("it is of another algorithm")
        return cls(head[:2], head[2:10], head[10:], lines[2].removeprefix(_TRUSTED), _decode(lines[3], 64))

    @property
    def key_id(self) -> str:
        """The id of the key that it claims to be by, as minisign writes it."""
        return _key_id(self.number)

    @property
    def trusted_comment(self) -> str:
        """The signed comment, fit for a terminal."""
        text = self.comment.decode(errors="replace")
        return "".join(each if each.isprintable() else " " for each in text)

    def verify(self, message: bytes, key: PublicKey) -> None:
        """Return if this is ``key``'s signature of ``message`` and of its own trusted comment. Raises Mismatch."""
        # Here, because most of what reads a configuration, and with it a key, verifies nothing.
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        signed = message if self.algorithm == LEGACY else hashlib.blake2b(message).digest()
        verifier = Ed25519PublicKey.from_public_bytes(key.point)
        try:
            verifier.verify(self.signature, signed)
        except InvalidSignature as error:
            raise Mismatch("it is not a signature of this text") from error
        try:
            verifier.verify(self.comment_signature, self.signature + self.comment)
        except InvalidSignature as error:
            raise Mismatch("its trusted comment was changed") from error


def _decode(line: bytes, length: int) -> bytes:
    try:
        content = b64decode(line, validate=True)
    except ValueError as error:
        raise Malformed("it is not written in Base64") from error
    if len(content) != length:
        raise Malformed(f"it should hold {length} bytes, not {len(content)}")
    return content


def _key_id(number: bytes) -> str:
    return f"{int.from_bytes(number, 'little'):X}"  # no leading zeros, because the tool shows none
