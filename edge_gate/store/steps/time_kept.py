# SPDX-License-Identifier: Apache-2.0
"""What was known of the time at the last commit (edge_gate/store/trusted_clock.py): one row."""

from __future__ import annotations

from typing import Final

from edge_gate.store.steps.step import Step, run_each

STEP: Final = Step(
    "0011_time_kept",
    run_each(
        """
        CREATE TABLE time_kept (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            newest INTEGER NOT NULL, -- microseconds since 1970, as the others
            floor INTEGER NOT NULL,
            wall INTEGER NOT NULL,
            boot INTEGER NOT NULL, -- CLOCK_BOOTTIME
            ran INTEGER NOT NULL,
            doubt INTEGER NOT NULL
        ) STRICT
        """
    ),
)
