# SPDX-License-Identifier: Apache-2.0
"""How people and attacks were scored at this camera (edge_gate.store.pad_trials). It names nobody."""

from __future__ import annotations

from typing import Final

from edge_gate.store.steps.step import Step, run_each

STEP: Final = Step(
    "0008_pad_trials",
    run_each(
        """
        CREATE TABLE pad_trial (
            at TEXT NOT NULL,
            camera TEXT NOT NULL, -- which camera, as the configuration has it
            model_id BLOB NOT NULL, -- which network scored
            species TEXT NOT NULL, -- live, or what was presented
            source TEXT NOT NULL, -- a number for the person or the thing, never a name
            looks INTEGER NOT NULL CHECK (looks >= 0), -- how many were measured
            mean REAL, -- of their PAD scores; none where nothing was measured
            verdict TEXT NOT NULL -- live, attack or unsure, by the threshold of then
        ) STRICT
        """
    ),
)
