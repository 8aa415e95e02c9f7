# SPDX-License-Identifier: Apache-2.0
"""Templates: one protected code for each resident and model, compared only while its owner's consent is valid.

A code is what edge_gate.protection makes of an embedding with the site's key; this module sees codes alone. Its column
is called `vector` since stores once held vectors there (edge_gate/store/renewal.py turns those into codes).
There is no call that writes a template anywhere but into the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge_gate.clock import iso
from edge_gate.errors import ConsentMissing, EnrolmentFailed
from edge_gate.store import consent
from edge_gate.store.database import Store
from edge_gate.store.residents import find
from edge_gate.wire import MAX_DIMENSIONS, MODEL_ID_BYTES


@dataclass(frozen=True, slots=True)
class Template:
    """A resident's reference for one model: the code of a direction in so many ``dimensions``.

    ``model_id`` is the eight bytes that a Sighting carries; ``pictures`` how many sightings were fused into it.
    """

    resident_id: str
    model_id: bytes
    pictures: int
    code: bytes
    dimensions: int


def put(store: Store, template: Template) -> None:
    """Store a template, in the place of the one that the resident had for this model.

    Raises ResidentUnknown, ConsentMissing where no consent is valid at this moment, or EnrolmentFailed for what is
    no template.
    """
    _check(template)
    with store.transaction():
        resident = find(store, template.resident_id)
        now = store.now()
        if consent.valid(store, resident.id, now) is None:
            raise ConsentMissing(resident.name)
        store.run("DELETE FROM template WHERE resident_id = ? AND model_id = ?", (resident.id, template.model_id))
        store.insert(
            "template",
            {
                "resident_id": resident.id,
                "model_id": template.model_id,
                "pictures": template.pictures,
                "vector": template.code,
                "dimensions": template.dimensions,
                "created_at": iso(now),
            },
        )


def gallery(store: Store, model_id: bytes, at: datetime) -> list[Template]:
    """Return the templates of this model whose owners' consent is valid at that moment."""
    rows = store.rows(
        "SELECT * FROM template WHERE model_id = ? AND dimensions IS NOT NULL AND EXISTS (SELECT 1 FROM consent"
        " WHERE consent.resident_id = template.resident_id AND withdrawn_at IS NULL AND until > ?) ORDER BY rowid",
        (model_id, iso(at)),
    )
    return [_template(row) for row in rows]


def _check(template: Template) -> None:
    if not template.code or len(template.code) % 8 or not 0 < template.dimensions <= MAX_DIMENSIONS:
        raise EnrolmentFailed(f"{len(template.code)} bytes of {template.dimensions} dimensions are no template")
    if len(template.model_id) != MODEL_ID_BYTES or template.pictures < 1:
        raise EnrolmentFailed(f"a template of {template.pictures} pictures for model {template.model_id.hex()!r}")


def _template(row: dict[str, Any]) -> Template:
    return Template(row["resident_id"], row["model_id"], row["pictures"], row["vector"], row["dimensions"])
