# SPDX-License-Identifier: Apache-2.0
"""The audit log as mathematics: what a row's hash covers, what a checkpoint's signature covers, and what they show.

    row k-1 ── hash ──> row k: previous │ seq at actor role verb subject detail ── SHA-256 ──> hash ──> row k+1
                                                                                     │
                                           checkpoint, end: seq, at, hash, key ── Ed25519 ──> signature

A checkpoint is signed now and then and stays. The end is signed with each row, and the one before it goes: so a log
whose end was cut off has no end.

A row's bytes never change, also when a resident is forgotten: ``subject`` is a commitment to whom it is about, made
with a salt of theirs that is kept elsewhere (edge_gate/store/audit/log.py).

This module needs no store. Whoever reads rows from the gate, or from a backup, judges them here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge_gate.core.errors import BadCheckpoint

GENESIS: Final = bytes(32)
# A checkpoint is due at each multiple of this, and at each start and stop of the gate.
CHECKPOINT_ROWS: Final = 64
STARTED: Final = "started"
KEY_CHANGED: Final = "device key changed"
NEW_KEYRING: Final = "new-keyring"
END_LOST: Final = "end not signed"
# Two people took an earlier time for the right one: the only row that may be dated before the one that it follows.
TIME_ACCEPTED: Final = "clock-accept"
# In the detail of a start since which no row is dated before another; and of each row of a time that is not trusted.
TIME_KEPT: Final = "time_kept"
UNTRUSTED_TIME: Final = MappingProxyType({"time": "not trusted"})
# Rows with these verbs say with which key the log is signed from there on.
ANNOUNCING: Final = (STARTED, KEY_CHANGED, NEW_KEYRING)
_ROW: Final = b"edge-gate audit row 1\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the log. ``actor`` is "uid 1000" or "gate"; ``detail`` a JSON object, as the text that was hashed."""

    seq: int
    at: str
    actor: str
    role: str
    verb: str
    subject: bytes | None
    detail: str
    previous: bytes
    hash: bytes = b""

    def digest(self) -> bytes:
        """Return what ``hash`` has to be: SHA-256 over a JSON list of everything else, which has one spelling only."""
        subject = None if self.subject is None else self.subject.hex()
        told = [self.seq, self.at, self.actor, self.role, self.verb, subject, self.detail, self.previous.hex()]
        return hashlib.sha256(_ROW + json.dumps(told, separators=(",", ":")).encode("ascii")).digest()

    @property
    def said(self) -> dict[str, Any]:
        """The detail as an object, without what is said of the time; empty where it is none, for then it was tampered
        with, which `examine` finds."""
        found = self._read()
        return {name: value for name, value in found.items() if name not in UNTRUSTED_TIME}

    @property
    def time_trusted(self) -> bool:
        """Whether the row does not say that its time is not trusted."""
        return not UNTRUSTED_TIME.items() <= self._read().items()

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.detail)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def shown(self) -> dict[str, Any]:
        """Return the row in the form in which the control socket carries it."""
        return {
            "seq": self.seq,
            "at": self.at,
            "actor": self.actor,
            "role": self.role,
            "verb": self.verb,
            "subject": None if self.subject is None else self.subject.hex(),
            "detail": self.detail,
            "previous": self.previous.hex(),
            "hash": self.hash.hex(),
        }

    @classmethod
    def of(cls, shown: dict[str, Any]) -> Row:
        """Return the row that `shown` wrote."""
        subject = shown["subject"]
        hidden = {name: bytes.fromhex(shown[name]) for name in ("previous", "hash")}
        return cls(**{**shown, **hidden, "subject": None if subject is None else bytes.fromhex(subject)})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """This device's word that row ``seq`` had ``hash``. ``key`` is the public key, 32 bytes (RFC 8032)."""

    KIND: ClassVar[str] = "edge-gate-checkpoint-1"

    seq: int
    at: str
    hash: bytes
    key: bytes
    signature: bytes = b""

    def _said(self) -> str:
        return ",".join((self.KIND, str(self.seq), self.at, self.hash.hex(), self.key.hex()))

    def signed(self, key: Ed25519PrivateKey) -> Self:
        """Return the same with the signature of ``key``, whose public part it must name."""
        return type(self)(self.seq, self.at, self.hash, self.key, key.sign(self._said().encode()))

    @property
    def genuine(self) -> bool:
        """Whether the signature is by the key that the checkpoint names."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(self.signature, self._said().encode())
        except (InvalidSignature, ValueError):
            return False
        return True

    def line(self) -> str:
        """Return it as one line without spaces, to be kept away from the device."""
        return f"{self._said()},{self.signature.hex()}"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read what `line` wrote. Raises BadCheckpoint where it is no such line or the signature does not fit it."""
        found = cls.read(line)
        if not found.genuine:
            raise BadCheckpoint("its signature does not fit: the line was changed")
        return found

    @classmethod
    def read(cls, line: str) -> Self:
        """Read what `line` wrote, whether the signature fits or not. Raises BadCheckpoint."""
        try:
            kind, seq, at, *rest = line.strip().split(",")
            digest, key, signature = map(bytes.fromhex, rest)
            found = cls(int(seq), at, digest, key, signature)
        except ValueError as error:
            raise BadCheckpoint("it is not one whole line of `edge-gate audit checkpoint`") from error
        if kind != cls.KIND or found.line() != line.strip():
            raise BadCheckpoint("it is not one whole line of `edge-gate audit checkpoint`")
        return found


@dataclass(frozen=True, slots=True)
class End(Checkpoint):
    """This device's word that row ``seq`` was the last one. It is signed as another kind of text than a checkpoint, so
    that no checkpoint passes for the end of a log that was cut there."""

    KIND: ClassVar[str] = "edge-gate-end-1"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and at which row."""

    seq: int
    text: str


@dataclass(slots=True)
class Examined:
    """What an examination saw.

    ``vouched`` is the last row that a good checkpoint of the log itself covers. ``keys`` has each public key that was
    announced, with the row that did. ``backwards`` are rows that are dated before the one that they follow and may be:
    two people agreed, or the log did not keep time then. ``untrusted`` are rows of a time that was not trusted.
    """

    rows: int = 0
    last: int = 0
    vouched: int = 0
    keys: list[tuple[int, str]] = field(default_factory=list)
    backwards: list[int] = field(default_factory=list)
    untrusted: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, seq: int, text: str) -> None:
        """Note a finding, the first one of each row only: the others follow from it."""
        if all(each.seq != seq for each in self.findings):
            self.findings.append(Finding(seq, text))


def examine(
    rows: Iterable[Row],
    checkpoints: Sequence[Checkpoint],
    end: End | None,
    since: Checkpoint | None = None,
    key: bytes | None = None,
) -> Examined:
    """Judge a whole log, from row 1, oldest first, with its signed ``end``; ``since`` is a checkpoint that was kept
    elsewhere, ``key`` the public key that this device is known to have now.

    Without ``since`` a log that was rewritten, or cut, by somebody who has the store's key and its keyring looks well:
    they can sign anew; and so does an earlier state that was put back whole. With it nothing up to its row can differ.
    Without ``key`` so does one that was rewritten by somebody who has the store's key alone, and announces a key of
    their own.
    """
    seen = Examined()
    signed = {each.seq: each for each in checkpoints}
    for row, announced in _with_announced_key(_dated(_chained(rows, seen), seen), seen):
        if since is not None and row.seq == since.seq and row.hash != since.hash:
            seen.add(row.seq, "is not the row that the kept checkpoint was signed for: the log was rewritten")
        checkpoint = signed.get(row.seq)
        if checkpoint is None:
            if row.seq % CHECKPOINT_ROWS == 0:
                seen.add(row.seq, "has lost its signed checkpoint")
        elif reason := _refusal(checkpoint, row, announced):
            seen.add(row.seq, reason)
        else:
            seen.vouched = row.seq
        if end is not None and row.seq == end.seq:
            if reason := _refusal(end, row, announced):
                seen.add(row.seq, reason)
            else:
                seen.vouched = row.seq
        if row.verb == END_LOST:
            seen.add(
                row.seq, "says that the log did not end then where its signature said: an end was cut off or changed"
            )
    if seen.last and (end is None or end.seq < seen.last):
        seen.add(seen.last, "is where the log ends now, and no signature says that this is its end")
    last_start, last_key = seen.keys[-1] if seen.keys else (1, "")
    if key is not None and last_key != key.hex():
        seen.add(last_start, "is where the log has another key than the one that was given")
    promised = {"a signed checkpoint": max(signed, default=0), "the signed end": end.seq if end else 0}
    for what, seq in (promised | {"the kept checkpoint": since.seq if since else 0}).items():
        if seq > seen.last:
            seen.add(seen.last + 1, f"and what followed it is gone: {what} is for row {seq}")
    return seen


def _chained(rows: Iterable[Row], seen: Examined) -> Iterator[Row]:
    """Yield the rows, noting where one is missing, changed, or not the one that its successor was chained to."""
    previous = GENESIS
    for row in rows:
        if row.seq != seen.last + 1:
            gap = f"to {row.seq - 1} " if row.seq > seen.last + 2 else ""
            seen.add(seen.last + 1, f"{gap}is missing")
        elif row.digest() == row.hash and row.previous != previous:  # this one is well, so the other is not
            broken = "was replaced: the next row was chained to another one" if seen.last else "does not begin the log"
            seen.add(max(seen.last, 1), broken)
        if row.digest() != row.hash:
            seen.add(row.seq, "was changed after it was written, or moved")
        seen.rows += 1
        seen.last, previous = row.seq, row.hash
        yield row


def _dated(rows: Iterable[Row], seen: Examined) -> Iterator[Row]:
    """Yield the rows, noting where one is dated before the one that it follows."""
    newest, kept = "", False
    for row in rows:
        kept = kept or (row.verb == STARTED and row.said.get(TIME_KEPT) is True)
        if row.at < newest and kept and row.verb != TIME_ACCEPTED:
            seen.add(row.seq, "is dated before the row that it follows, and nobody agreed to an earlier time")
        elif row.at < newest:
            seen.backwards.append(row.seq)
        seen.untrusted += not row.time_trusted
        newest = row.at
        yield row


def _with_announced_key(rows: Iterable[Row], seen: Examined) -> Iterator[tuple[Row, str]]:
    """Yield each row with the device's public key as it was announced last, noting where that is another one."""
    key = ""
    for row in rows:
        if row.verb in ANNOUNCING:
            try:
                key = bytes.fromhex(row.said["device_key"]).hex()
            except (ValueError, KeyError, TypeError):
                key = ""
            if not seen.keys or seen.keys[-1][1] != key:
                seen.keys.append((row.seq, key))
        yield row, key


def _refusal(checkpoint: Checkpoint, row: Row, key: str) -> str:
    if not checkpoint.genuine:
        return "has a checkpoint whose signature does not fit"
    if checkpoint.key.hex() != key:
        return "has a checkpoint by a key that the gate had not announced at its start"
    return "" if checkpoint.hash == row.hash else "is not the row that its checkpoint was signed for"
