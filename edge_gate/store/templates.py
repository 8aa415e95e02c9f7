# SPDX-License-Identifier: Apache-2.0
"""Templates: one vector for each resident and model, compared only while its owner's consent is valid.

A vector is sealed under its owner's data key (sealing.py, keyring.py). Inside it is little-endian float16 of length 1:
its direction alone carries meaning, and float16 keeps a cosine to about 1e-5 without a scale of its own, in 256 bytes
for 128 components; int8 would cost about 1e-4.
There is no call that writes a template anywhere but into the store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_gate.clock import iso
from edge_gate.errors import ConsentMissing, EnrolmentFailed, ResidentUnknown
from edge_gate.store import consent
from edge_gate.store.database import Store
from edge_gate.store.residents import find
from edge_gate.store.sealing import NONCE_BYTES, DoesNotOpen, open_row, seal_row
from edge_gate.wire import MAX_DIMENSIONS, MODEL_ID_BYTES

_STORED: Final = np.dtype("<f2")
_TABLE: Final = "template"


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A resident's reference for one model: float32, one dimension, length 1 once it has been stored.

    ``model_id`` is the eight bytes that a Sighting carries; ``pictures`` how many sightings were fused into it;
    ``seal`` is random bytes that tell one sealing from every other, b"" before it was sealed.
    """

    resident_id: str
    model_id: bytes
    pictures: int
    vector: NDArray[np.float32]
    seal: bytes = b""


# Returns the vector that was opened before from the sealing of these bytes, or None.
Opened = Callable[[bytes], NDArray[np.float32] | None]


def put(store: Store, template: Template) -> None:
    """Store a template, in the place of the one that the resident had for this model.

    Raises ResidentUnknown, ConsentMissing where no consent is valid at this moment, or EnrolmentFailed for what is
    no template.
    """
    vector = _unit(template)
    with store.transaction():
        resident = find(store, template.resident_id)
        now = store.now()
        if consent.valid(store, resident.id, now) is None:
            raise ConsentMissing(resident.name)
        store.keyring.ensure([resident.id])
        store.run("DELETE FROM template WHERE resident_id = ? AND model_id = ?", (resident.id, template.model_id))
        store.insert(
            "template",
            {
                "resident_id": resident.id,
                "model_id": template.model_id,
                "pictures": template.pictures,
                "sealed": _sealed(store, resident.id, template.model_id, vector.astype(_STORED).tobytes()),
                "created_at": iso(now),
            },
        )


def gallery(store: Store, model_id: bytes, at: datetime, opened: Opened = lambda _: None) -> list[Template]:
    """Return the templates of this model whose owners' consent is valid at that moment, without those that no key
    opens (`unreadable`). What was ``opened`` before need not be opened again, as long as its owner's key is there."""
    rows = store.rows(
        "SELECT * FROM template WHERE model_id = ? AND EXISTS (SELECT 1 FROM consent"
        " WHERE consent.resident_id = template.resident_id AND withdrawn_at IS NULL AND until > ?) ORDER BY rowid",
        (model_id, iso(at)),
    )
    return [template for row in rows if (template := _template(store, row, opened)) is not None]


def unreadable(store: Store) -> list[tuple[str, bytes]]:
    """Return resident and model of each template that its owner's key does not open, or whose owner has none."""
    rows = store.rows("SELECT * FROM template ORDER BY rowid")
    return [(row["resident_id"], row["model_id"]) for row in rows if _plain(store, row) is None]


def _unit(template: Template) -> NDArray[np.float64]:
    vector = np.asarray(template.vector, np.float64)
    length = float(np.linalg.norm(vector))
    if vector.ndim != 1 or not 0 < vector.size <= MAX_DIMENSIONS or not np.isfinite(length) or length == 0:
        raise EnrolmentFailed(f"a vector of shape {vector.shape} and length {length:g} is no template")
    if len(template.model_id) != MODEL_ID_BYTES or template.pictures < 1:
        raise EnrolmentFailed(f"a template of {template.pictures} pictures for model {template.model_id.hex()!r}")
    return vector / length


def _sealed(store: Store, resident_id: str, model_id: bytes, plain: bytes) -> bytes:
    key = store.keyring.data_key(resident_id)
    if key is None:
        raise ResidentUnknown(resident_id)
    return seal_row(key, _TABLE, resident_id, model_id, plain)


def _plain(store: Store, row: dict[str, Any]) -> bytes | None:
    key = store.keyring.data_key(row["resident_id"])
    if key is None:
        return None
    try:
        return open_row(key, _TABLE, row["resident_id"], row["model_id"], row["sealed"])
    except DoesNotOpen:
        return None


def _template(store: Store, row: dict[str, Any], opened: Opened) -> Template | None:
    seal = row["sealed"][: 1 + NONCE_BYTES]
    vector = opened(seal) if store.keyring.data_key(row["resident_id"]) else None
    if vector is None:
        plain = _plain(store, row)
        if plain is None:
            return None
        vector = np.frombuffer(plain, _STORED).astype(np.float32)
    return Template(row["resident_id"], row["model_id"], row["pictures"], vector / np.linalg.norm(vector), seal)
