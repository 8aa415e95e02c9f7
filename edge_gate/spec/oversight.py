# SPDX-License-Identifier: Apache-2.0
"""People who look after each other: second persons and the audit log."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Agreement, Capability, EventKind, PersonalTable, Role, Verb, roles

SPEC: Final = Capability(
    "oversight",
    verbs=(
        Verb("approvals", roles(Role.INSTALLER, Role.MAINTAINER)),
        Verb("approve", roles(Role.INSTALLER, Role.MAINTAINER), changes=True),
        Verb("audit", roles(Role.AUDITOR)),
        Verb("audit-vouched", roles(Role.AUDITOR)),
        Verb("audit-resident", roles(Role.MAINTAINER, Role.AUDITOR)),
        Verb("audit-checkpoint", roles(Role.AUDITOR), changes=True),
        Verb(
            "audit-accept",
            roles(Role.INSTALLER, Role.MAINTAINER),
            changes=True,
            second=roles(Role.INSTALLER, Role.MAINTAINER),
        ),
    ),
    events=(
        EventKind(
            "log doubted",
            "at a start: the audit log is not the one that this device knows; nothing is opened: [A log in"
            " doubt](#a-log-in-doubt)",
        ),
        EventKind(
            "events doubted",
            "at a start: events that this device knows of are missing, or others: [A log in doubt](#a-log-in-doubt)",
        ),
    ),
    agreements=(Agreement("policy", roles(Role.INSTALLER, Role.MAINTAINER)),),
    tables=(
        PersonalTable(
            "audit_subject",
            unmentioned="a row is one random number, and the audit log that it led into stays as it was",
        ),
        PersonalTable("voucher", unmentioned="a row says nothing but that the name and the consents are as they were"),
    ),
)
