# SPDX-License-Identifier: Apache-2.0
"""The table of visitors."""

from __future__ import annotations

from typing import Final

from edge_gate.store.steps.step import Step, run_each

STEP: Final = Step(
    "9999_visitors",
    shape=run_each(
        """
        CREATE TABLE visitor (
            resident_id TEXT NOT NULL REFERENCES resident(id),
            name TEXT NOT NULL,
            announced_at TEXT NOT NULL
        ) STRICT
        """
    ),
)
