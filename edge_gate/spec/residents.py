# SPDX-License-Identifier: Apache-2.0
"""Residents: their enrolment, their consent, and their being forgotten."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, EventKind, Fate, PersonalTable, Phrase, Retention, Role, Verb, roles

SPEC: Final = Capability(
    "residents",
    verbs=(
        Verb("residents", roles(Role.MAINTAINER)),
        Verb("enrol", roles(Role.MAINTAINER), changes=True, second=roles(Role.MAINTAINER), people=True),
        Verb("withdraw", roles(Role.MAINTAINER), changes=True, people=True),
        Verb("forget", roles(Role.MAINTAINER), changes=True, people=True),
    ),
    events=(
        EventKind("enrolment began", "an enrolment; nobody is let in until it ends; by which operator"),
        EventKind("enrolled", "a resident was enrolled; by which operator, from how many views"),
        EventKind("enrolment failed", "an enrolment ended without one; nothing was stored"),
        EventKind("consent withdrawn", "a consent was withdrawn and the template erased; by which operator"),
        EventKind("forgotten", "a person was erased; by which operator, not who it was"),
        EventKind(
            "many erased",
            "within an hour more residents were enrolled, withdrawn or erased than `roles.people_per_hour`, and one was"
            " withdrawn or erased once more; by which operator, and how many it were",
        ),
    ),
    tables=(
        PersonalTable(
            "resident",
            column="id",
            removed=Phrase("your name", "您的姓名"),
            kept=Phrase("your name", "您的姓名"),
        ),
        PersonalTable(
            "consent",
            withdrawal=Fate.MARKED,
            mark="withdrawn_at",
            figure="consents",
            removed=Phrase("consents: {count}", "同意记录 {count} 条"),
            kept=Phrase(
                "the record of your consents, of which {count} were marked as withdrawn now",
                "您的同意记录，其中 {count} 条现已注明撤回",
            ),
        ),
        PersonalTable(
            "template",
            withdrawal=Fate.DELETED,
            figure="templates",
            removed=Phrase("templates: {count}", "模板 {count} 个"),
            retention=Retention.AFTER_CONSENT,
        ),
    ),
)
