# SPDX-License-Identifier: Apache-2.0
"""How templates are protected, and their renewal."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, EventKind, Fate, PersonalTable, Role, Verb, roles

SPEC: Final = Capability(
    "templates",
    verbs=(
        Verb("templates-status", roles(Role.INSTALLER, Role.MAINTAINER, Role.AUDITOR)),
        Verb("templates-renew", roles(Role.MAINTAINER), changes=True, second=roles(Role.INSTALLER, Role.MAINTAINER)),
    ),
    events=(
        EventKind(
            "templates protected",
            "once, at the first start of this version: the vectors of an earlier store became codes; how many",
        ),
        EventKind(
            "templates renewed",
            "all templates were given new axes; by which operator, how many, and how often so far",
        ),
    ),
    tables=(
        # It names no resident. But its old salt, with the keyring, leads from a copy of a code back to a direction, so
        # no page with it may stay when a renewal has replaced it.
        PersonalTable("template_key", column=None, forgetting=Fate.KEPT),
    ),
)
