# SPDX-License-Identifier: Apache-2.0
"""The anchor: what this device knows of its own records, in a small file beside the keyring that no backup contains.

    +-----------+----------+------------------------------------------------------+----------+
    | "EGANCH1" | nonce    | ciphertext                                           | tag      |
    | 00        | 12 bytes |                                                      | 16 bytes |
    +-----------+----------+------------------------------------------------------+----------+
                            a JSON object:
                            log, events   two points each, [number, hash in hexadecimal]:
                                          from where they are vouched for, and how far they were known to reach
                            policy        the settings that held then, as an audit row has them; null: none yet

It is sealed under a key from the keyring's seed. So whoever has the database and its key, and not the keyring, can
empty the audit log, but cannot make the device forget that there was one, nor what two people had agreed to.

**It is a floor.** Log and events are committed first and the anchor is written after them, now and then. So a power cut
leaves records that are longer than it says, which is well: the chain goes on from the point it knows. Shorter, or
another hash at that number, is what an honest device never has, unless an older database was put back.

**It is not in the keyring**, which has the residents' keys: each writing of those leaves another copy of them in worn
flash cells. It names nobody, and nothing in it leads to anybody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from edge_gate.core.access import is_taken
from edge_gate.core.plain_files import read_plain
from edge_gate.store.files import appearing, replace
from edge_gate.store.keys.keyring import Keyring
from edge_gate.store.keys.sealing import DoesNotOpen, decrypt, encrypt

MAGIC: Final = b"EGANCH1\0"
# A policy is at most the detail of an audit row; the rest is four hashes.
LARGEST_BYTES: Final = 16384
HASH_BYTES: Final = 32
_PURPOSE: Final = "anchor 1"


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a chain: the row with this number has this hash."""

    seq: int = 0
    hash: bytes = bytes(HASH_BYTES)  # what the first row is chained to

    def written(self) -> list[int | str]:
        """Return the point as JSON has it."""
        return [self.seq, self.hash.hex()]

    @classmethod
    def read(cls, said: Any) -> Self:
        """Read what `written` wrote. Raises ValueError or TypeError."""
        seq, digest = said
        found = cls(seq, bytes.fromhex(digest))
        if type(seq) is not int or seq < 0 or len(found.hash) != HASH_BYTES:
            raise ValueError("it is no point of a chain")
        return found


@dataclass(frozen=True, slots=True)
class Span:
    """What is known of a chain: it is vouched for behind ``base``, and reached at least to ``head``."""

    base: Point = Point()
    head: Point = Point()

    @classmethod
    def from_here(cls, point: Point) -> Self:
        """Return what is known of a chain that is vouched for from here on."""
        return cls(point, point)


@dataclass(frozen=True, slots=True)
class Known:
    """What the anchor says. ``policy`` is None where no settings were ever in force."""

    log: Span = Span()
    events: Span = Span()
    policy: dict[str, Any] | None = None

    def plain(self) -> bytes:
        """Return it as it is sealed."""
        spans = {name: [span.base.written(), span.head.written()] for name, span in self._spans().items()}
        return json.dumps({**spans, "policy": self.policy}, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def read(cls, plain: bytes) -> Self:
        """Read what `plain` wrote. Raises ValueError."""
        try:
            said = json.loads(plain)
            policy = said["policy"]
            if policy is not None and not isinstance(policy, dict):
                raise ValueError("its policy is no object")
            log, events = (Span(*map(Point.read, said[name])) for name in ("log", "events"))
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError("it is not what an anchor holds") from error
        return cls(log, events, policy)

    def _spans(self) -> dict[str, Span]:
        return {"log": self.log, "events": self.events}


class Anchor:
    """The anchor of an open store. ``fault`` says why nothing is known, or nothing."""

    __slots__ = ("_keyring", "fault", "known", "path")

    def __init__(self, path: Path, keyring: Keyring) -> None:
        """Read it. What is missing or does not open is a `fault` and no exception: the gate has to run to say so."""
        self._keyring = keyring
        self.path = path
        self.known = Known()
        self.fault = ""
        try:
            self.known = self._read()
        except FileNotFoundError:
            self.fault = f"{self.path} is missing"
        except (OSError, ValueError, DoesNotOpen):
            self.fault = f"{self.path} is damaged, or of another keyring"

    def begin(self, known: Known) -> None:
        """Make the file. Raises AlreadyInitialised where there is one, or StoreError."""
        with appearing(self.path) as draft:
            draft.own_like(self._keyring.path.stat())
            draft.write(self._sealed(known))
        self.known, self.fault = known, ""

    def put(self, known: Known) -> None:
        """Write it, in the place of what was there; durable on return. Raises StoreError; then nothing has changed."""
        if known == self.known and not self.fault:
            return
        if not is_taken(self.path):
            self.begin(known)
            return
        replace(self.path, self._sealed(known))
        self.known, self.fault = known, ""

    def _read(self) -> Known:
        content = read_plain(self.path, LARGEST_BYTES)
        if not content.startswith(MAGIC):
            raise ValueError("it does not begin as an anchor does")
        return Known.read(decrypt(self._keyring.secret(_PURPOSE), content[len(MAGIC) :], MAGIC))

    def _sealed(self, known: Known) -> bytes:
        return MAGIC + encrypt(self._keyring.secret(_PURPOSE), known.plain(), MAGIC)


def anchor_path(store_path: Path) -> Path:
    """Return where the anchor of a store is."""
    return store_path.with_name(store_path.name + ".anchor")
