# SPDX-License-Identifier: Apache-2.0
"""Events are found by their kind without reading all of them. The index has kinds and numbers, and names nobody."""

from __future__ import annotations

from typing import Final

from edge_gate.store.steps.step import Step, run_each

STEP: Final = Step("0007_event_kinds", run_each("CREATE INDEX event_kind ON event(kind)"))
