# SPDX-License-Identifier: Apache-2.0
"""Who comes to the gate, and whether they are known."""

from __future__ import annotations

from typing import Final

from edge_gate.spec.model import Capability, Ending, EventKind

SPEC: Final = Capability(
    "recognition",
    events=(
        EventKind(
            "opened",
            "a resident was recognised and the lock was given its pulse; with the score, to a tenth. The board said so"
            " (`confirmed`), or it is one that cannot answer (`unconfirmed`)",
            awaited=True,
            scored=True,
        ),
        EventKind(
            "opening",
            "the same, for the moment in which its outcome is not known yet",
            written_as="opened",
            ending=Ending.AWAITED,
        ),
        EventKind(
            "opening failed",
            "a resident was recognised, but the relay failed (`failed: …`) or the gate ended before it knew"
            " (`interrupted`). No opening, so far as is known; the lock may have moved all the same",
            written_as="opened",
            ending=Ending.FAILED,
        ),
        EventKind(
            "no match",
            "somebody was seen well and was nobody who is enrolled; never how nearly, nor like whom",
            by_eye=True,
            formerly="refused",
        ),
        EventKind(
            "not acquired",
            "somebody was seen and left without having been seen well, or was known and not let in: not seen to be"
            " alive, or did not do what was asked; with the reason",
            by_eye=True,
            formerly="unclear",
        ),
        EventKind(
            "limiter",
            "many were refused, and the gate became `slower`, `stricter`, asks for a `token`, or is at `rest`; or all"
            " is forgiven, and it is `open` again; with how many were refused: [Many refusals](#many-refusals)",
            by_eye=True,
        ),
    ),
)
