# SPDX-License-Identifier: Apache-2.0
"""What happened at the door."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, Fate, PersonalTable, Role, Verb, roles

SPEC: Final = Capability(
    "events",
    verbs=(Verb("events", roles(Role.MAINTAINER, Role.AUDITOR)),),
    tables=(PersonalTable("event", forgetting=Fate.BLANKED),),
)
