# SPDX-License-Identifier: Apache-2.0
"""The key of the templates' transform, and what happens to the templates when it comes or changes.

    site key = HKDF(store key, salt)      the salt lies in the store, one row; a new salt is a new transform

A store of an earlier version holds plain vectors (float16, `dimensions` NULL). They become codes at the gate's next
start, in one transaction, and the rebuilt tables and the emptied log leave no copy of a vector behind.

**Renewal** needs no resident, because whoever has the key can recover a direction nearly whole from a code
(docs/templates/README.md). So it helps against somebody who has the codes without the key, and in nothing against
somebody who has both: they have recovered the directions, and eyes do not change.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edge_gate.clock import iso
from edge_gate.errors import StoreError
from edge_gate.protection import BITS, SALT_BYTES, SiteTransform
from edge_gate.store.database import Store

_PLAIN: Final = np.dtype("<f2")
# So few at a time that a gate which renews goes on opening its door: 0.1 to 0.3 s.
BATCH: Final = 8


def prepare(store: Store) -> tuple[SiteTransform, int]:
    """Return the transform of this store's templates, and how many plain ones were turned into codes just now.

    Raises StoreError where the store's key was changed and the templates were not.
    """
    with store.transaction():
        row = _key_row(store)
        transform = _begin(store, 0) if row is None else _transform(store, row)
        plain = store.rows("SELECT rowid, vector FROM template WHERE dimensions IS NULL")
        for each in plain:
            vector = np.frombuffer(each["vector"], _PLAIN).astype(np.float32)
            values = (transform.encode(vector[None])[0].tobytes(), len(vector), each["rowid"])
            store.run("UPDATE template SET vector = ?, dimensions = ? WHERE rowid = ?", values)
        if plain:
            store.rebuild_personal_tables()
    if plain:
        store.empty_log()
    return transform, len(plain)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the templates are protected now: since when, and how often they were renewed."""

    templates: int
    bits: int
    since: str
    renewals: int


def standing(store: Store) -> Standing:
    """Return how the templates are protected; `prepare` came before."""
    row = _key_row(store) or {}
    count = store.rows("SELECT count(*) AS n FROM template")[0]["n"]
    return Standing(count, row["bits"], row["created_at"], row["renewals"])


class Renewal:
    """One renewal under way. Nothing changes in the store until all is ready; then everything does, at once."""

    def __init__(self, store: Store, transform: SiteTransform) -> None:
        self._store = store
        self._old = transform
        self._salt = secrets.token_bytes(SALT_BYTES)
        self._done: dict[tuple[str, bytes, bytes], bytes] = {}
        self.transform = SiteTransform(store.template_key(self._salt))

    @property
    def ready(self) -> int:
        """How many new codes are ready."""
        return len(self._done)

    def step(self) -> bool:
        """Make a few more new codes, also of whoever was enrolled meanwhile. Returns whether the renewal is over."""
        waiting = [row for row in self._rows() if _name(row) not in self._done]
        for row in waiting[:BATCH]:
            code = np.frombuffer(row["vector"], np.uint8)[None]
            direction = self._old.recover(code, row["dimensions"])
            self._done[_name(row)] = self.transform.encode(direction)[0].tobytes()
        if len(waiting) > BATCH:
            return False
        self._commit()
        return True

    def _commit(self) -> None:
        store = self._store
        with store.transaction():
            row = _key_row(store) or {}
            for each in self._rows():
                values = (self._done[_name(each)], each["resident_id"], each["model_id"])
                store.run("UPDATE template SET vector = ? WHERE resident_id = ? AND model_id = ?", values)
            store.run("DELETE FROM template_key")
            _begin(store, row["renewals"] + 1, self._salt)
            store.rebuild_personal_tables()
        store.empty_log()

    def _rows(self) -> list[dict[str, Any]]:
        return self._store.rows("SELECT resident_id, model_id, vector, dimensions FROM template")


def _name(row: dict[str, Any]) -> tuple[str, bytes, bytes]:
    return row["resident_id"], row["model_id"], row["vector"]


def _key_row(store: Store) -> dict[str, Any] | None:
    return next(iter(store.rows("SELECT * FROM template_key")), None)


def _begin(store: Store, renewals: int, salt: bytes | None = None) -> SiteTransform:
    salt = salt or secrets.token_bytes(SALT_BYTES)
    key = store.template_key(salt)
    row = {"salt": salt, "bits": BITS, "proof": _proof(key), "renewals": renewals, "created_at": iso(store.now())}
    store.insert("template_key", row)
    return SiteTransform(key)


def _transform(store: Store, row: dict[str, Any]) -> SiteTransform:
    key = store.template_key(row["salt"])
    if not secrets.compare_digest(_proof(key), row["proof"]):
        raise StoreError(store.path, "its key was changed, and the templates still belong to the key before")
    return SiteTransform(key, row["bits"])


def _proof(key: bytes) -> bytes:
    return hashlib.sha256(b"edge-gate template key proof" + key).digest()
