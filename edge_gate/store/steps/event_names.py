# SPDX-License-Identifier: Apache-2.0
"""Two kinds of event get the names of ISO/IEC 2382-37: ``refused`` becomes ``no match``, ``unclear`` ``not acquired``.

These events name no resident, but their neighbours do, so the table is written anew (event_table.py).
"""

from __future__ import annotations

from typing import Final

from edge_gate.store.steps.event_table import write_anew
from edge_gate.store.steps.step import Migrating, Step

# A step that was released is never changed, so the names stand here and are not read from edge_gate.spec.
NEW_NAMES: Final = {"refused": "no match", "unclear": "not acquired"}

_RENAMED: Final = " ".join(f"WHEN '{old}' THEN '{new}'" for old, new in NEW_NAMES.items())


def rename_kinds(store: Migrating) -> None:
    """Give the events of an older store their kinds' new names. A store without such events stays as it is."""
    if store.rows("SELECT 1 FROM event WHERE kind IN (?, ?) LIMIT 1", tuple(NEW_NAMES)):
        write_anew(store, kind=f"CASE kind {_RENAMED} ELSE kind END")


STEP: Final = Step("0006_event_names", move=rename_kinds)
