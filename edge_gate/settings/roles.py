# SPDX-License-Identifier: Apache-2.0
"""The section [roles]."""

from __future__ import annotations

from dataclasses import dataclass

from edge_gate.settings.setting import setting


@dataclass(frozen=True, slots=True)
class RoleSettings:
    """Who may do what at the control socket, and what takes two of them. A group that does not exist has no members."""

    installer: str = setting("edge-gate-installer", "the Unix group that may try the relay and see the status")
    maintainer: str = setting(
        "edge-gate-maintainer", "the Unix group that enrols, forgets and runs the day; sockets.operators may too"
    )
    auditor: str = setting("edge-gate-auditor", "the Unix group that reads audit log, events and status only")
    people_per_hour: int = setting(
        10,
        "enrolments, withdrawals and deletions in an hour, whoever makes them; each enrolment more needs a second"
        " person, each of the others is told",
        low=1,
        high=1000,
    )
    approval_minutes: int = setting(15, "how long a request waits for the second person", low=1, high=1440)
