# SPDX-License-Identifier: Apache-2.0
"""Residents: their enrolment, their consent, and their being forgotten."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, EventKind, Fate, PersonalTable, Role, Verb, roles

SPEC: Final = Capability(
    "residents",
    verbs=(
        Verb("residents", roles(Role.MAINTAINER)),
        Verb("enrol", roles(Role.MAINTAINER), changes=True, second=roles(Role.MAINTAINER), people=True),
        Verb("withdraw", roles(Role.MAINTAINER), changes=True, second=roles(Role.MAINTAINER), people=True),
        Verb("forget", roles(Role.MAINTAINER), changes=True, second=roles(Role.MAINTAINER), people=True),
    ),
    events=(
        EventKind("enrolled", "a resident was enrolled; by which operator, from how many views"),
        EventKind("enrolment failed", "an enrolment ended without one; nothing was stored"),
        EventKind("consent withdrawn", "a consent was withdrawn and the template erased; by which operator"),
        EventKind("forgotten", "a person was erased; by which operator, not who it was"),
    ),
    tables=(
        PersonalTable("consent", withdrawal=Fate.MARKED),
        PersonalTable("template", withdrawal=Fate.DELETED),
        PersonalTable("resident", column="id"),
    ),
)
