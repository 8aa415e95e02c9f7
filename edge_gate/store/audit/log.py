# SPDX-License-Identifier: Apache-2.0
"""The audit log's rows: who did what, each chained to the one before (edge_gate/store/audit/chain.py has the
mathematics).

**Whom a row is about.** A row holds a commitment, HMAC-SHA256 over the resident's random identifier and the row's
number, keyed with a random salt of that resident's own, which `audit_subject` keeps. With the salt their rows are
found; forgetting deletes it, after which no row leads to the person, nor to another row about them, and the bytes of
the chain are what they were. No row has a resident's name, nor the login name of whoever acted: a login name may be a
resident's too, and then could not be forgotten. The kernel's number of the user stands there, and is shown with the
name that the system has for it.

A row is written in the transaction of what it records. It is never changed and never deleted. The signed end of the log
(`audit_end`) is replaced in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_gate.core.clock import iso
from edge_gate.core.errors import StoreError
from edge_gate.store.audit.chain import (
    ANNOUNCING,
    CHECKPOINT_ROWS,
    END_LOST,
    GENESIS,
    NEW_KEYRING,
    UNTRUSTED_TIME,
    Checkpoint,
    Row,
)
from edge_gate.store.audit.log_end import end, last_row, sign_end
from edge_gate.store.audit.subject import commitment, salt_for, salt_of
from edge_gate.store.connection import look
from edge_gate.store.database import Store
from edge_gate.store.faults import faults, reading

LONGEST_DETAIL_BYTES: Final = 4096
# So many rows are looked at in one step of a search.
SEARCHED_ROWS: Final = 500
COUNTED_ROWS: Final = 100
# For how many seconds the machine was known to run, over all restarts (trusted_clock.py).
RAN_S: Final = "ran_s"


class AuditLog:
    """Writes the log of one store and signs its checkpoints with the device's key, the keyring's (keys/)."""

    def __init__(self, store: Store, key: Ed25519PrivateKey) -> None:
        self._store = store
        self._key = key
        self.public_key = key.public_key().public_bytes_raw()

    def append(
        self,
        verb: str,
        *,
        actor: str,
        role: str,
        resident_id: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> Row:
        """Write one row, in the transaction that is open or in one of its own. ``detail`` is no place for names.

        Raises StoreFull, StoreReadOnly, StoreCorrupt or StoreError; then what it records must not be done.
        """
        store = self._store
        doubted = {} if store.clock.look().trusted else UNTRUSTED_TIME
        written = json.dumps({**(detail or {}), **doubted}, allow_nan=False, separators=(",", ":"), sort_keys=True)
        if len(written) > LONGEST_DETAIL_BYTES:
            raise StoreError(store.path, f"the detail of an audit row is longer than {LONGEST_DETAIL_BYTES} bytes")
        with store.transaction():
            # In the same transaction, for the new row is signed as the end: nobody could see any more what was there.
            if not self.end_fits(another_key=verb == NEW_KEYRING):
                self._add(END_LOST, "gate", "gate", None, "{}")
            return self._add(verb, actor, role, resident_id, written)

    def _add(self, verb: str, actor: str, role: str, resident_id: str | None, detail: str) -> Row:
        store = self._store
        seq, previous = self._next()
        subject = None if resident_id is None else commitment(salt_for(store, resident_id), resident_id, seq)
        unhashed = Row(seq, iso(store.now()), actor, role, verb, subject, detail, previous)
        row = replace(unhashed, hash=unhashed.digest())
        store.insert("audit", {name: getattr(row, name) for name in Row.__slots__})
        if seq % CHECKPOINT_ROWS == 0:
            self._sign(row.seq, row.hash)
        sign_end(store, self._key)
        return row

    def end_fits(self, *, another_key: bool = False) -> bool:
        """Tell whether the log ends where this device signed that it does: nothing was cut off or put after it.

        ``another_key``: that it had another key then is as it should be.
        """
        last, signed = last_row(self._store), end(self._store)
        if last is None or signed is None:
            return last is None and signed is None
        same = (signed.seq, signed.hash) == (last["seq"], last["hash"])
        return same and (another_key or signed.key == self.public_key) and signed.genuine

    def checkpoint(self) -> Checkpoint | None:
        """Sign the last row, unless it is signed already, and return the checkpoint; None where there is no row."""
        with self._store.transaction():
            last = last_row(self._store)
            if last is None:
                return None
            signed = checkpoints(self._store, first=last["seq"])
            return signed[0] if signed else self._sign(last["seq"], last["hash"])

    def _sign(self, seq: int, digest: bytes) -> Checkpoint:
        signed = Checkpoint(seq, iso(self._store.now()), digest, self.public_key).signed(self._key)
        self._store.insert("audit_checkpoint", {name: getattr(signed, name) for name in Checkpoint.__slots__})
        return signed

    def _next(self) -> tuple[int, bytes]:
        """Return the next row's number and what it is chained to.

        The number of a row that was signed for, or is known to have been there (keys/anchor.py), is not given again, so
        that a log that lost its end shows it for good.
        """
        last, all_signed = last_row(self._store), "SELECT seq FROM audit_checkpoint UNION ALL SELECT seq FROM audit_end"
        signed = self._store.rows(f"SELECT coalesce(max(seq), 0) AS seq FROM ({all_signed})")[0]["seq"]  # noqa: S608 - no value
        known = max(signed, self._store.anchor.known.log.head.seq)
        return (max(last["seq"], known) + 1, last["hash"]) if last else (known + 1, GENESIS)


def rows(store: Store, *, first: int = 1, limit: int = 200) -> list[Row]:
    """Return at most ``limit`` rows from number ``first`` on, oldest first."""
    with reading(store.path):
        found = store.rows("SELECT * FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?", (first, limit))
        return [Row(**row) for row in found]


def checkpoints(store: Store, *, first: int = 1, limit: int = 200) -> list[Checkpoint]:
    """Return at most ``limit`` checkpoints for rows from number ``first`` on, oldest first."""
    with reading(store.path):
        found = store.rows("SELECT * FROM audit_checkpoint WHERE seq >= ? ORDER BY seq LIMIT ?", (first, limit))
        return [Checkpoint(**row) for row in found]


def latest(store: Store, verb: str) -> Row | None:
    """Return the last row with this verb."""
    found = store.rows("SELECT * FROM audit WHERE verb = ? ORDER BY seq DESC LIMIT 1", (verb,))
    with reading(store.path):
        return Row(**found[0]) if found else None


def running(store: Store) -> dict[str, Any]:
    """Return what the detail of a row has to say for `count_recent`: no date moves it."""
    return {RAN_S: store.clock.ran_s}


def count_recent(store: Store, verbs: Sequence[str], seconds: int, having: str = RAN_S) -> int:
    """Return how many rows with one of these verbs and with ``having`` in their detail were written while the machine
    ran its last so many seconds."""
    since, counted, last = store.clock.ran_s - seconds, 0, 2**63 - 1
    chosen = "SELECT * FROM audit WHERE verb IN (SELECT value FROM json_each(?)) AND seq < ? ORDER BY seq DESC LIMIT ?"
    while True:
        with reading(store.path):
            page = [Row(**row) for row in store.rows(chosen, (json.dumps(list(verbs)), last, COUNTED_ROWS))]
        ran = [row.said.get(RAN_S) for row in page]
        recent = [each for each in ran if isinstance(each, int) and each >= since]
        counted += sum(having in row.said for row in page[: len(recent)])
        if len(recent) < COUNTED_ROWS:
            return counted
        last = page[-1].seq


def about(store: Store, resident_id: str) -> Iterator[list[Row]]:
    """Yield the rows about a resident, newest first: those among some of the log, then those among the next.

    None where no salt leads to any. Each row costs an HMAC, so that what one step looks at is bounded.
    """
    salt, last = salt_of(store, resident_id), 2**63 - 1
    while salt is not None:
        with reading(store.path):
            some = store.rows(
                "SELECT seq, subject FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?", (last, SEARCHED_ROWS)
            )
            told = [(row["seq"], row["subject"]) for row in some if row["subject"] is not None]
            theirs = [seq for seq, subject in told if subject == commitment(salt, resident_id, seq)]
        yield [found[0] for seq in theirs if (found := rows(store, first=seq, limit=1))]
        if len(some) < SEARCHED_ROWS:
            return
        last = some[-1]["seq"]


def announced_keys(path: Path, key: bytes) -> frozenset[str]:
    """Return each public key that the log of a store's file was ever announced to be signed with, in hexadecimal.

    Nothing is written, and a gate may be running. Raises what `connection.look` raises.
    """
    with closing(look(path, key)) as database, faults(path), reading(path):
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit'").fetchone():  # of an earlier version
            return frozenset()
        chosen = "SELECT detail FROM audit WHERE verb IN (SELECT value FROM json_each(?))"
        rows = database.execute(chosen, (json.dumps(ANNOUNCING),))
        return frozenset(str(json.loads(detail).get("device_key")) for (detail,) in rows)
