# SPDX-License-Identifier: Apache-2.0
"""The models that the eye loads, and how far they are trusted."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, EventKind

SPEC: Final = Capability(
    "models",
    events=(
        EventKind(
            "unsigned model",
            "at a start: a model was let in without a trusted signature, by `models.allow_unsigned`; with its name,"
            " what is the matter, and its SHA-256",
        ),
    ),
)
