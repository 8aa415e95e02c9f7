# SPDX-License-Identifier: Apache-2.0
"""What is sealed in ``template`` becomes the code that edge_gate.rules.protection makes of a vector.

The rows that hold vectors say so in their version (keys/sealing.py). They become codes at the gate's next start
(templates/renewal.py), which has the model's card.
"""

from __future__ import annotations

from typing import Final

from edge_gate.store.steps.step import Step, run_each

STEP: Final = Step(
    "0004_protected_templates",
    run_each(
        """
        CREATE TABLE template_key (
            salt BLOB NOT NULL, -- random; a new one makes other axes
            bits INTEGER NOT NULL,
            proof BLOB NOT NULL, -- tells a keyring that was exchanged without the templates
            renewals INTEGER NOT NULL, -- how often the templates were made anew without their residents
            created_at TEXT NOT NULL
        ) STRICT
        """
    ),
)
