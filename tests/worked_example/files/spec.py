# SPDX-License-Identifier: Apache-2.0
"""Visitors: a resident says that somebody will come."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, EventKind, PersonalTable, Phrase, Role, Verb, roles

SPEC: Final = Capability(
    "visitors",
    verbs=(Verb("visitor-announce", roles(Role.MAINTAINER), changes=True),),
    events=(EventKind("visitor announced", "a resident's visitor was announced; by which operator"),),
    tables=(
        PersonalTable(
            "visitor",
            figure="visitors",
            removed=Phrase("visitors: {count}", "访客 {count} 位"),
            kept=Phrase("your visitors", "您的访客"),
        ),
    ),
)
