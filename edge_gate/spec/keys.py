# SPDX-License-Identifier: Apache-2.0
"""The store's key, as far as a running gate has to know of it."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import NOBODY, Capability, Role, Verb, roles

SPEC: Final = Capability(
    "keys",
    # For root, who can read the key.
    verbs=(Verb("keys-escrow", NOBODY, changes=True, second=roles(Role.INSTALLER, Role.MAINTAINER)),),
)
