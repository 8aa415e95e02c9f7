# SPDX-License-Identifier: Apache-2.0
"""The key of the templates' transform, and what happens to the templates when it comes or changes.

    site key = HKDF(secret, salt)      the salt lies in the store, one row; a new salt is a new transform

The secret is the keyring's, not the store's key: it stays when that key changes (rotation.py), and a copy of the
database does not have it.

A store of an earlier version holds vectors, sealed under the residents' data keys. They become codes at the gate's
next start, sealed again under the same keys, in one transaction; tables written anew and the emptied log leave no copy
of a sealed vector behind.

**Renewal** needs no resident, because whoever has the key can recover a direction nearly whole from a code
(docs/templates/README.md). So it helps against somebody who has the codes without the key, and in nothing against
somebody who has both: they have recovered the directions, and eyes do not change.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from edge_gate.core.clock import iso
from edge_gate.core.errors import StoreCorrupt, StoreError
from edge_gate.rules.protection import BITS, SALT_BYTES, SiteTransform, site_key
from edge_gate.store import rebuilding
from edge_gate.store.database import Store
from edge_gate.store.keys.sealing import VECTOR
from edge_gate.store.templates import templates
from edge_gate.store.templates.templates import Template

_PLAIN: Final = np.dtype("<f2")


def prepare(store: Store) -> tuple[SiteTransform, int]:
    """Return the transform of this store's templates, and how many vectors were turned into codes just now.

    Raises StoreError where the keyring was exchanged and there are templates that it opens.
    """
    converted = 0
    with store.transaction():
        transform = _transform(store)
        for row in store.rows("SELECT * FROM template ORDER BY rowid"):
            plain = templates.plain_row(store, row, VECTOR)
            if plain is None:
                continue
            vector = np.frombuffer(plain, _PLAIN).astype(np.float32)
            code = transform.encode(vector[None])[0].tobytes()
            _put(store, Template(row["resident_id"], row["model_id"], row["pictures"], code, len(vector)))
            converted += 1
        if converted:
            rebuilding.require(store)
    if converted:
        rebuilding.at_once(store)
        store.empty_log()
    return transform, converted


@dataclass(frozen=True, slots=True)
class ProtectionStatus:
    """How the templates are protected now: since when, and how often they were renewed."""

    templates: int
    bits: int
    since: str
    renewals: int


def protection_status(store: Store) -> ProtectionStatus:
    """Return how the templates are protected; `prepare` came before."""
    row = _key_row(store) or {}
    count = store.rows("SELECT count(*) AS n FROM template")[0]["n"]
    return ProtectionStatus(count, row["bits"], row["created_at"], row["renewals"])


class Renewal:
    """One renewal under way. Nothing changes in the store until all is ready; then everything does, at once.

    ``record()`` is called in the transaction that changes it; where it raises, nothing is changed. What is left of the
    old templates in old pages is for rebuilding.py.
    """

    def __init__(self, store: Store, transform: SiteTransform, record: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._old = transform
        self._record = record
        self._salt = secrets.token_bytes(SALT_BYTES)
        # By the seal of the old row; None for one that no key opens, which stays as it is.
        self._done: dict[bytes, Template | None] = {}
        self._last = 0
        self.transform = SiteTransform(_key(store, self._salt))

    @property
    def ready(self) -> int:
        """How many new codes are ready."""
        return len(self._done)

    @property
    def codes(self) -> dict[tuple[str, bytes], bytes]:
        """The new code of each resident for each model."""
        return {(each.resident_id, each.model_id): each.code for each in self._done.values() if each is not None}

    def compute(self) -> bool:
        """Make one more new code. Returns False where everybody has one; nothing has changed in the store by then."""
        next_one = "SELECT rowid AS number, * FROM template WHERE rowid > ? ORDER BY rowid LIMIT 1"
        for row in self._store.rows(next_one, (self._last,)):
            self._new(row)
            self._last = row["number"]
            return True
        return False

    def put_in_place(self) -> Iterator[None]:
        """Change all templates, also of whoever was enrolled meanwhile, a slice at each step, and at the last one all
        of them hold. Raises StoreError; then none does."""
        yield from rebuilding.replaced(self._store, "template", self._rewritten, self._commit)

    def _new(self, row: dict[str, Any]) -> Template | None:
        seal = templates.seal_of(row)
        if seal not in self._done:
            old = templates.opened_row(self._store, row)
            self._done[seal] = None if old is None else self._renewed(old)
        return self._done[seal]

    def _renewed(self, old: Template) -> Template:
        direction = self._old.recover(np.frombuffer(old.code, np.uint8)[None], old.dimensions)
        return replace(old, code=self.transform.encode(direction)[0].tobytes())

    def _rewritten(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row with its template sealed anew; who it is of, and when it was made, stay. Without a key, because
        its owner is about to be forgotten, it stays as it is."""
        new = self._new(row)
        known = new is not None and self._store.keyring.data_key(new.resident_id)
        return row | {"sealed": templates.seal(self._store, new)} if new is not None and known else row

    def _commit(self) -> None:
        """Record the renewal and change the salt, in the transaction that puts the new rows in place."""
        self._record()
        row = _key_row(self._store) or {}
        self._store.run("DELETE FROM template_key")
        _begin(self._store, row["renewals"] + 1, self._salt)
        rebuilding.require(self._store)


def _put(store: Store, template: Template) -> None:
    """Seal a template anew in the place of the row it had; who it is of, and when it was made, stay."""
    values = (templates.seal(store, template), template.resident_id, template.model_id)
    store.run("UPDATE template SET sealed = ? WHERE resident_id = ? AND model_id = ?", values)


def _key(store: Store, salt: bytes) -> bytes:
    return site_key(store.keyring.template_secret(), salt)


def _key_row(store: Store) -> dict[str, Any] | None:
    return next(iter(store.rows("SELECT * FROM template_key")), None)


def _begin(store: Store, renewals: int, salt: bytes | None = None) -> SiteTransform:
    salt = salt or secrets.token_bytes(SALT_BYTES)
    key = _key(store, salt)
    row = {"salt": salt, "bits": BITS, "proof": _proof(key), "renewals": renewals, "created_at": iso(store.now())}
    store.insert("template_key", row)
    return SiteTransform(key)


def _transform(store: Store) -> SiteTransform:
    row = _key_row(store)
    if row is None:
        return _begin(store, 0)
    if row["bits"] != BITS:  # fewer would make strangers alike
        raise StoreCorrupt(store.path, f"its templates are said to have {row['bits']} bits, and have {BITS}")
    key = _key(store, row["salt"])
    if secrets.compare_digest(_proof(key), row["proof"]):
        return SiteTransform(key, row["bits"])
    if any(templates.opened_row(store, each) for each in store.rows("SELECT * FROM template")):
        raise StoreError(store.path, "its templates belong to another keyring's secret than that of this one")
    store.run("DELETE FROM template_key")  # a new keyring: what was made with the old one's secret opens no more
    return _begin(store, 0)


def _proof(key: bytes) -> bytes:
    return hashlib.sha256(b"edge-gate template key proof" + key).digest()
