# SPDX-License-Identifier: Apache-2.0
"""Templates: one protected code for each resident and model, compared only while its owner's consent is valid.

What is sealed is the code that edge_gate.rules.protection makes of an embedding with the site's key, and of how many
dimensions that embedding was; this module sees codes alone. It is sealed under its owner's data key (keys/).
Rows that hold vectors still, of an earlier version, are no templates until renewal.py made codes of them.
There is no call that writes a template anywhere but into the store.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from edge_gate.core.clock import iso
from edge_gate.core.errors import ConsentMissing, EnrolmentFailed, ResidentUnknown
from edge_gate.store.database import Store
from edge_gate.store.faults import reading
from edge_gate.store.keys.sealing import CODE, NONCE_BYTES, VECTOR, DoesNotOpen, open_row, seal_row
from edge_gate.store.people import consent, vouching
from edge_gate.store.people.residents import find
from edge_gate.wire.eye import MAX_DIMENSIONS, MODEL_ID_BYTES

_TABLE: Final = "template"
_DIMENSIONS: Final = struct.Struct("<H")


@dataclass(frozen=True, slots=True)
class Template:
    """A resident's reference for one model: the code of a direction in so many ``dimensions``.

    ``model_id`` is the eight bytes that a Sighting carries; ``pictures`` how many sightings were fused into it;
    ``seal`` is random bytes that tell one sealing from every other, b"" before it was sealed.
    """

    resident_id: str
    model_id: bytes
    pictures: int
    code: bytes
    dimensions: int
    seal: bytes = b""


@dataclass(frozen=True, slots=True)
class Reference:
    """A template that may be compared, until its owner's consent ends."""

    template: Template
    until: datetime


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
        vouch = vouching.again(store, resident.id)
        store.keyring.ensure([resident.id])
        vouch()  # the data key is part of it
        store.run("DELETE FROM template WHERE resident_id = ? AND model_id = ?", (resident.id, template.model_id))
        store.insert(
            "template",
            {
                "resident_id": resident.id,
                "model_id": template.model_id,
                "pictures": template.pictures,
                "sealed": seal(store, template),
                "created_at": iso(now),
            },
        )


def references(store: Store, model_id: bytes, at: datetime, resident_id: str | None = None) -> list[Reference]:
    """Return what may be compared at that moment with a probe of this model: the templates whose owners' consent is
    valid, of everybody or of one resident, without those that no key opens (`unreadable`)."""
    whose, values = ("", ()) if resident_id is None else (" AND template.resident_id = ?", (resident_id,))
    rows = store.rows(
        "SELECT template.*, max(until) AS until FROM template"  # noqa: S608 - no value
        " JOIN consent ON consent.resident_id = template.resident_id AND withdrawn_at IS NULL AND until > ?"
        f" WHERE model_id = ?{whose} GROUP BY template.rowid ORDER BY template.rowid",
        (iso(at), model_id, *values),
    )
    with reading(store.path):
        return [
            Reference(template, datetime.fromisoformat(row["until"]))
            for row in rows
            if (template := opened_row(store, row)) is not None
        ]


def unreadable(store: Store) -> list[tuple[str, bytes]]:
    """Return resident and model of each template that its owner's key does not open, or whose owner has none."""
    rows = store.rows("SELECT * FROM template ORDER BY rowid")
    return [
        (row["resident_id"], row["model_id"])
        for row in rows
        if plain_row(store, row, CODE) is None and plain_row(store, row, VECTOR) is None
    ]


def _check(template: Template) -> None:
    if not template.code or len(template.code) % 8 or not 0 < template.dimensions <= MAX_DIMENSIONS:
        raise EnrolmentFailed(f"{len(template.code)} bytes of {template.dimensions} dimensions are no template")
    if len(template.model_id) != MODEL_ID_BYTES or template.pictures < 1:
        raise EnrolmentFailed(f"a template of {template.pictures} pictures for model {template.model_id.hex()!r}")


def seal(store: Store, template: Template) -> bytes:
    """Return what is stored of a template. Raises ResidentUnknown for an owner without a data key."""
    key = store.keyring.data_key(template.resident_id)
    if key is None:
        raise ResidentUnknown(template.resident_id)
    plain = _DIMENSIONS.pack(template.dimensions) + template.code
    return seal_row(key, _TABLE, template.resident_id, template.model_id, plain)


def opened_row(store: Store, row: dict[str, Any]) -> Template | None:
    """Return the template of a row, or None where its owner's key does not open it as a code."""
    plain = plain_row(store, row, CODE)
    if plain is None:
        return None
    (dimensions,) = _DIMENSIONS.unpack_from(plain)
    code = plain[_DIMENSIONS.size :]
    return Template(row["resident_id"], row["model_id"], row["pictures"], code, dimensions, seal_of(row))


def plain_row(store: Store, row: dict[str, Any], version: bytes) -> bytes | None:
    """Return what was sealed in a row as this version (keys/), or None where its owner's key does not open it."""
    with reading(store.path):
        key = store.keyring.data_key(row["resident_id"])
        if key is None:
            return None
        try:
            return open_row(key, _TABLE, row["resident_id"], row["model_id"], row["sealed"], version)
        except DoesNotOpen:
            return None


def seal_of(row: dict[str, Any]) -> bytes:
    """Return the random bytes that tell a row's sealing from every other."""
    return bytes(row["sealed"][: 1 + NONCE_BYTES])
