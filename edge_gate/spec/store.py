# SPDX-License-Identifier: Apache-2.0
"""The store, and whether it and its keyring are of one time."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, EventKind, Role, Verb, roles

SPEC: Final = Capability(
    "store",
    verbs=(Verb("store-check", roles(Role.INSTALLER, Role.MAINTAINER)),),
    events=(
        EventKind(
            "older keyring",
            "at a start, or at a change that read it again: the keyring is not the newest one; some may not be"
            " recognised: [The keyring](#the-keyring)",
        ),
        EventKind(
            "older database",
            "at a start: the keyring was changed after what the database knows of; a backup was restored, or a change"
            " was cut off or failed before its end",
        ),
        EventKind(
            "swept",
            "at a start: rows were there that must not be, of people who were forgotten (`residents`) or that no key"
            " opens (`templates`), and were removed; a power cut interrupted a forgetting, or an old backup was put"
            " back",
        ),
    ),
)
