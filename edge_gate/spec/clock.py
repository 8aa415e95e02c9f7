# SPDX-License-Identifier: Apache-2.0
"""The time: whether it is trusted, and what two people may do about it."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, EventKind, Role, Verb, roles

SPEC: Final = Capability(
    "clock",
    verbs=(
        Verb(
            "clock-accept",
            roles(Role.INSTALLER, Role.MAINTAINER),
            changes=True,
            second=roles(Role.INSTALLER, Role.MAINTAINER),
        ),
    ),
    events=(
        EventKind(
            "clock set",
            "the date of the machine was set; or the gate was off for more than a day; from when to when:"
            " [The time](#the-time)",
        ),
        EventKind(
            "time not trusted", "the date of the machine cannot be right; with the reason: [The time](#the-time)"
        ),
        EventKind("time trusted", "the date of the machine may be right again"),
        EventKind("clock accepted", "two people took an earlier date for the right one; by which operator"),
        EventKind("template expired", "a consent had ended `days` days ago; the template and its key were erased"),
    ),
)
