# SPDX-License-Identifier: Apache-2.0
"""What the gate and the eye say of themselves."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, EventKind, Role, Verb, roles

SPEC: Final = Capability(
    "status",
    verbs=(
        Verb("status", roles(Role.INSTALLER, Role.MAINTAINER, Role.AUDITOR)),
        Verb("guidance", roles(Role.INSTALLER, Role.MAINTAINER, Role.AUDITOR)),
    ),
    events=(EventKind("started", "the gate started; with the door's state and the FMR it decides by"),),
)
