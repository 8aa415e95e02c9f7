# SPDX-License-Identifier: Apache-2.0
"""The process that sees, its camera, and the pause in which it does not look."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, EventKind, Role, Verb, roles

SPEC: Final = Capability(
    "eye",
    verbs=(
        Verb("pause", roles(Role.MAINTAINER), changes=True),
        Verb("resume", roles(Role.MAINTAINER), changes=True),
    ),
    events=(
        EventKind("eye joined", "the process that sees connected", by_eye=True),
        EventKind(
            "eye lost",
            "it went, or was dropped; with the reason. Nobody is recognised until it is back",
            by_eye=True,
        ),
        EventKind(
            "eye settings",
            "it runs by other settings than the gate, as the file changed between their starts; nothing is opened",
            by_eye=True,
        ),
        EventKind("camera", "the camera failed or works again; with its state", by_eye=True),
        EventKind("paused", "an operator stopped the camera"),
        EventKind("resumed", "an operator started it again"),
    ),
)
