# SPDX-License-Identifier: Apache-2.0
"""Who comes to the gate, and whether they are known."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, EventKind

SPEC: Final = Capability(
    "recognition",
    events=(
        EventKind("opened", "a resident was recognised and the lock was released; with the score", awaited=True),
        EventKind(
            "no match",
            "somebody was seen well and was nobody who is enrolled; with the best score, never with whose it was",
            by_eye=True,
            formerly="refused",
        ),
        EventKind(
            "not acquired",
            "somebody was seen and left without having been seen well; with the commonest reason",
            by_eye=True,
            formerly="unclear",
        ),
    ),
)
