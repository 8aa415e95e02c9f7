# SPDX-License-Identifier: Apache-2.0
"""Each template is sealed under its resident's own data key (keys/sealing.py)."""

from __future__ import annotations

from typing import Final

from edge_gate.store.keys.sealing import VECTOR, seal_row
from edge_gate.store.steps.step import Migrating, Step, run_each

# What the shape lays aside and the move seals and drops.
UNSEALED: Final = "template_unsealed"

_SEALED_TEMPLATE: Final = """
    CREATE TABLE template (
        resident_id TEXT NOT NULL REFERENCES resident(id),
        model_id BLOB NOT NULL, -- templates of different models cannot be compared
        pictures INTEGER NOT NULL CHECK (pictures > 0), -- how many were fused; none is kept
        sealed BLOB NOT NULL, -- the code under the resident's own data key (sealing.py)
        created_at TEXT NOT NULL,
        PRIMARY KEY (resident_id, model_id)
    ) STRICT
    """


def seal_old_rows(store: Migrating) -> None:
    """Seal the templates of before there were data keys. The pages of the dropped table are zeroed whole."""
    rows = store.rows("SELECT * FROM template_unsealed ORDER BY rowid")
    store.keyring.ensure(row["resident_id"] for row in rows)
    for row in rows:
        resident_id, vector = row["resident_id"], row.pop("vector")
        key = store.keyring.data_key(resident_id) or b""
        sealed = seal_row(key, "template", resident_id, row["model_id"], vector, VECTOR)
        store.insert("template", row | {"sealed": sealed})
    store.run("DROP TABLE template_unsealed")


STEP: Final = Step(
    "0002_sealed_templates",
    run_each(f"ALTER TABLE template RENAME TO {UNSEALED}", _SEALED_TEMPLATE),
    seal_old_rows,
)
