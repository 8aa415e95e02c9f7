# SPDX-License-Identifier: Apache-2.0
"""Whether a person stands there or a picture of one, and how well this camera tells."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, EventKind, Role, Verb, roles

SPEC: Final = Capability(
    "liveness",
    verbs=(
        Verb("pad-record", roles(Role.INSTALLER, Role.MAINTAINER), changes=True),
        Verb("pad-report", roles(Role.INSTALLER, Role.MAINTAINER, Role.AUDITOR)),
    ),
    events=(
        EventKind(
            "field test began", "`edge-gate pad record`; nobody is let in until it ends; by which operator, of what"
        ),
        EventKind(
            "attack",
            "somebody held up a picture, or it looked so; with what spoke against a person (`surface`: paper or screen,"
            " or its edge; `scene`: what always stands behind people was hidden; `infrared`: no face there, or a flat"
            " one). It has no score and names nobody. Many of them with nobody there: look for sun on the lens, a new"
            " camera, a poster",
            by_eye=True,
        ),
    ),
)
