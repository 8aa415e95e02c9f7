# SPDX-License-Identifier: Apache-2.0
"""What happened at the door."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, Fate, PersonalTable, Phrase, Retention, Role, Verb, roles

SPEC: Final = Capability(
    "events",
    verbs=(Verb("events", roles(Role.MAINTAINER, Role.AUDITOR)),),
    tables=(
        PersonalTable(
            "event",
            forgetting=Fate.BLANKED,
            cleared=("detail",),
            chained=True,
            # An event is written at the end of its table and never grows, so SQLite does not move it (store/schema.py).
            rebuilt=False,
            retention=Retention.ROW_STAYS,
            figure="events",
            removed=Phrase("{count} records of the past", "过去的 {count} 条记录"),
            kept=Phrase("the records of the past that have you", "过去与您有关的记录"),
        ),
    ),
)
