# SPDX-License-Identifier: Apache-2.0
"""What people who were there, and attacks that were tried, were found to be at this camera. No score is kept: how near
an attack came is what somebody would climb by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from edge_gate.core.clock import iso
from edge_gate.store.rows import Rows

LIVE: Final = "live"
FOUND_LIVE: Final = "live"
SPECIES: Final = (LIVE, "print", "phone", "tablet", "monitor", "mask", "film", "other")


@dataclass(frozen=True, slots=True)
class PadTrial:
    """One presentation. ``camera`` as `camera_name` gives it; ``source`` a number for the person or the thing;
    ``looks`` how many were measured; ``verdict`` live, attack or unsure."""

    camera: str
    model_id: bytes
    species: str
    source: str
    looks: int
    verdict: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        """Return the trial that a row of the table has."""
        return cls(**{name: row[name] for name in cls.__slots__})


def append(store: Rows, trial: PadTrial, *, dated: bool = False) -> None:
    """Write one; ``dated``: with its day alone. Raises StoreError."""
    at = store.now().date().isoformat() if dated else iso(store.now())
    store.insert("pad_trial", {"at": at, **asdict(trial)})


def listed(store: Rows, camera: str, model_id: bytes) -> list[PadTrial]:
    """Return the trials at this camera with this network, oldest first. Raises StoreError."""
    query = "SELECT * FROM pad_trial WHERE camera = ? AND model_id = ? ORDER BY rowid"
    return [PadTrial.of(row) for row in store.rows(query, [camera, model_id])]


def people_measured(store: Rows, camera: str, model_id: bytes) -> int:
    """Return how many people were measured and found live at this camera with this network. Raises StoreError."""
    query = (
        "SELECT COUNT(DISTINCT source) AS people FROM pad_trial"
        " WHERE camera = ? AND model_id = ? AND species = ? AND verdict = ?"
    )
    (row,) = store.rows(query, [camera, model_id, LIVE, FOUND_LIVE])
    return int(row["people"])
