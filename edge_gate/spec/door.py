# SPDX-License-Identifier: Apache-2.0
"""The lock, moved by hand."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, EventKind, Role, Verb, roles

SPEC: Final = Capability(
    "door",
    verbs=(
        Verb(
            "relay-test",
            roles(Role.INSTALLER, Role.MAINTAINER),
            changes=True,
            second=roles(Role.INSTALLER, Role.MAINTAINER),
            when="while nothing may be opened",
        ),
    ),
    events=(EventKind("relay test", "an operator released the lock by hand", awaited=True),),
)
