# SPDX-License-Identifier: Apache-2.0
"""Whether the audit log goes on from what the device knows of it (keys/anchor.py).

`chain.examine` judges a whole log for a person, row by row. This is what the gate asks before it believes a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from edge_gate.rules.agreed_policy import POLICY
from edge_gate.store import event_chain
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit import log_end
from edge_gate.store.audit.chain import END_LOST, End, Row
from edge_gate.store.database import Store
from edge_gate.store.keys.anchor import Known, Point, Span
from edge_gate.store.people import residents, vouching

_PAGE_ROWS: Final = 500


def doubt(store: Store) -> str:
    """Return why the audit log is not the one that this device knows, or nothing.

    Raises StoreCorrupt or StoreError where it cannot be read.
    """
    if store.anchor.fault:
        return store.anchor.fault
    return _doubt(store, store.anchor.known.log)


def is_whole(store: Store) -> bool:
    """Tell whether the log is one chain from its first row to an end that this device has signed, whatever is known."""
    return not _doubt(store, Span())


def begin_again(store: Store) -> None:
    """Have a keyring that has just begun vouch for the log and for everybody as they stand. Raises StoreError."""
    with store.transaction():
        for each in residents.everyone_known(store):
            vouching.vouch(store, each.id)
    last, agreed = log_end.last_row(store), audit_log.latest(store, POLICY)
    log = Span.from_here(Point(last["seq"], last["hash"])) if last else Span()
    events = Span.from_here(event_chain.last(store))
    store.anchor.put(Known(log, events, agreed.said if agreed else None))


def _doubt(store: Store, known: Span) -> str:
    public = store.keyring.signer().public_key().public_bytes_raw()
    return judge(_rows(store, max(known.base.seq, 1)), known, log_end.end(store), public)


def judge(rows: Iterable[Row], known: Span, end: End | None, key: bytes) -> str:
    """Return why these rows, from the base on, do not go on from what is ``known`` to a signed ``end``, or nothing."""
    last = Point() if known.base == Point() else Point(known.base.seq - 1, b"")
    for row in rows:
        if row.seq != last.seq + 1:
            return f"its row {last.seq + 1} is missing"
        if row.digest() != row.hash or (last.hash and row.previous != last.hash):
            return f"its row {row.seq} was changed, or put there"
        if any(row.seq == point.seq and row.hash != point.hash for point in (known.base, known.head)):
            return f"its row {row.seq} is another one than was known"
        if row.verb == END_LOST and row.seq > known.base.seq:
            return f"it did not end where this device had signed before row {row.seq}"
        last = Point(row.seq, row.hash)
    if last.seq < known.head.seq:
        return f"it ends before row {known.head.seq}, which was known"
    if last.seq and (end is None or (end.seq, end.hash, end.key) != (last.seq, last.hash, key) or not end.genuine):
        return f"this device has not signed row {last.seq} as its end"
    return ""


def _rows(store: Store, first: int) -> Iterator[Row]:
    while page := audit_log.rows(store, first=first, limit=_PAGE_ROWS):
        yield from page
        first = page[-1].seq + 1
