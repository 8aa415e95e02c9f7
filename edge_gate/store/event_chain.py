# SPDX-License-Identifier: Apache-2.0
"""The chain that the events are in, so that none is changed, removed or given to somebody else without a sign.

    who   HMAC over the resident's identifier     said  HMAC over the detail      each with a random salt of its own
                                  │                      │
    link of event k-1 ──> link of event k: HMAC over link of k-1 │ seq id at kind score awaited │ who │ said
                                                    │
                                  code of its outcome: HMAC over link │ outcome at

Each HMAC-SHA256 is under a key from the keyring, so whoever has the store's key alone can make none. An event keeps the
two salts and its link.

**Forgetting.** Where an event is blanked, the commitment takes the place of its salt, in the same bytes. The link then
fits as before, and nothing leads back to what was blanked: the salt is gone, and with it every guess. Without the
keyring nobody makes a commitment, so nobody else blanks an event.

How far the chain reached is known to the anchor (keys/anchor.py). Events of before there was a chain are not in it.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Generator, Mapping, Sequence
from itertools import product
from typing import Any, Final

from edge_gate.core.errors import StoreCorrupt
from edge_gate.store.faults import reading
from edge_gate.store.keys.anchor import HASH_BYTES, Point, Span
from edge_gate.store.keys.keyed import KeyedRows
from edge_gate.store.schema import FORGOTTEN

SALT_BYTES: Final = HASH_BYTES
# So many events are judged in one step.
PAGE_ROWS: Final = 200
_PURPOSE: Final = "events 1"
# What has a salt, and where it stands; and what is blank.
_SALTED: Final = (("resident_id", "who"), ("detail", "said"))
_EMPTY: Final = "{}"
_BLANK: Final = (FORGOTTEN, _EMPTY)
_LAST: Final = (
    "SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'event') AS seq,"
    " (SELECT link FROM event ORDER BY seq DESC LIMIT 1) AS link"
)
_CHAINED: Final = (
    "SELECT event.*, outcome.event_seq IS NOT NULL AS awaited, outcome.outcome, outcome.at AS outcome_at, outcome.code"
    " FROM event LEFT JOIN outcome ON outcome.event_seq = event.seq WHERE event.seq > ? ORDER BY event.seq LIMIT ?"
)


def chained(store: KeyedRows, row: Mapping[str, Any], *, awaited: bool) -> dict[str, Any]:
    """Return a new event's row with its number, its salts and its link, in the transaction that writes it."""
    before, key = last(store), store.keyring.secret(_PURPOSE)
    salted = {place: secrets.token_bytes(SALT_BYTES) for _, place in _SALTED}
    whole = {**row, **salted, "seq": before.seq + 1}
    commitments = [_commitment(key, whole[place], whole[column]) for column, place in _SALTED]
    return {**whole, "link": _link(key, before.hash, whole, awaited, commitments)}


def code_of_outcome(store: KeyedRows, event_id: str, outcome: str, at: str) -> bytes | None:
    """Return what vouches for an event's outcome; None for an event of before there was a chain."""
    found = store.rows("SELECT link FROM event WHERE id = ?", (event_id,))
    return _code(store.keyring.secret(_PURPOSE), found[0]["link"], outcome, at) if found and found[0]["link"] else None


def redact(store: KeyedRows, where: str, values: Sequence[Any], resident_id: str) -> None:
    """Put the commitments in the place of the salts, of events that are about to be blanked in the same transaction.

    ``resident_id`` is whose they are: of others' events the detail alone is blanked.
    """
    key = store.keyring.secret(_PURPOSE)
    chosen = f"SELECT seq, resident_id, detail, who, said FROM event WHERE link IS NOT NULL AND {where}"  # noqa: S608
    for row in store.rows(chosen, values):
        who = _commitment(key, row["who"], resident_id) if row["resident_id"] == resident_id else row["who"]
        said = row["said"] if row["detail"] == _EMPTY else _commitment(key, row["said"], row["detail"])
        store.run("UPDATE event SET who = ?, said = ? WHERE seq = ?", (who, said, row["seq"]))


def last_settled(store: KeyedRows, head: Point) -> Point | None:
    """Return the last event, or None while an outcome is awaited of one behind the ``head`` that is known.

    What is known then would have to change.
    """
    if store.rows("SELECT 1 FROM outcome WHERE outcome IS NULL AND event_seq > ? LIMIT 1", (head.seq,)):
        return None
    return last(store)


def last(store: KeyedRows) -> Point:
    """Return the last event. Of one of before there was a chain the hash is naught."""
    (found,) = store.rows(_LAST)
    seq = found["seq"] or 0
    if not isinstance(seq, int):  # SQLite keeps it, in a table of its own that takes anything
        raise StoreCorrupt(store.path, "the number of its last event is none")
    return Point(seq, found["link"] or bytes(HASH_BYTES))


def doubt(store: KeyedRows, known: Span) -> str:
    """Return why the events do not reach to where they were known to, or nothing. It looks at one event alone."""
    if known.head == known.base:
        return ""
    found = store.rows("SELECT link FROM event WHERE seq = ?", (known.head.seq,))
    if found and found[0]["link"] == known.head.hash:
        return ""
    return f"event {known.head.seq} is not the one that was known: some were removed or changed, or a backup restored"


def examine(store: KeyedRows, known: Span) -> Generator[None, None, list[str]]:
    """Judge all events that are in the chain, some at each step; return what is wrong, a sentence for each."""
    seen = _Examination(store.keyring.secret(_PURPOSE), known)
    while True:
        with reading(store.path):
            page = store.rows(_CHAINED, (seen.last.seq, PAGE_ROWS))
            for row in page:
                seen.look(row)
        if len(page) < PAGE_ROWS:
            return seen.all_findings()
        yield


class _Examination:
    """Goes from event to event. ``last`` is the one before."""

    def __init__(self, key: bytes, known: Span) -> None:
        self.last = known.base
        self._key = key
        self._known = known
        self._findings: list[str] = []

    def look(self, row: Mapping[str, Any]) -> None:
        """Judge the next one."""
        seq, link = row["seq"], row["link"] or b""
        if seq != self.last.seq + 1:  # what it was linked to is gone, so the link says nothing
            self._findings.append(f"events {self.last.seq + 1} to {seq - 1} are missing")
        elif not self._fits(row):
            self._findings.append(f"event {seq} was changed, or put there")
        elif seq == self._known.head.seq and link != self._known.head.hash:
            self._findings.append(f"event {seq} is another one than was known")
        if row["outcome"] is not None:
            if row["code"] != _code(self._key, link, row["outcome"], row["outcome_at"]):
                self._findings.append(f"the outcome of event {seq} was changed")
        elif row["awaited"] and seq <= self._known.head.seq:
            self._findings.append(f"the outcome of event {seq} is gone")
        self.last = Point(seq, link)

    def all_findings(self) -> list[str]:
        """Return what is wrong, once no event is left."""
        if self.last.seq < self._known.head.seq:
            return [*self._findings, f"events {self.last.seq + 1} to {self._known.head.seq} are missing"]
        return self._findings

    def _fits(self, row: Mapping[str, Any]) -> bool:
        """Tell whether the link is the row's, with what it says or, where that is blank, with a commitment."""
        if row["link"] is None:
            return False
        links = (
            _link(self._key, self.last.hash, row, bool(row["awaited"]), commitments)
            for commitments in product(*(self._commitments(row[place], row[column]) for column, place in _SALTED))
        )
        return any(hmac.compare_digest(each, row["link"]) for each in links)

    def _commitments(self, salt: bytes, text: str | None) -> list[bytes]:
        made = _commitment(self._key, salt, text)
        return [made, salt] if text in _BLANK else [made]


def _commitment(key: bytes, salt: bytes, text: str | None) -> bytes:
    return hmac.digest(key, salt + json.dumps(text).encode(), "sha256")


def _link(key: bytes, previous: bytes, row: Mapping[str, Any], awaited: bool, commitments: Sequence[bytes]) -> bytes:
    told = json.dumps([row["seq"], row["id"], row["at"], row["kind"], row["score"], awaited], separators=(",", ":"))
    return hmac.digest(key, b"".join((previous, *commitments, told.encode())), "sha256")


def _code(key: bytes, link: bytes, outcome: str, at: str) -> bytes:
    return hmac.digest(key, link + json.dumps([outcome, at]).encode(), "sha256")
