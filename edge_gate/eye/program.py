# SPDX-License-Identifier: Apache-2.0
"""What the program `edge-gate-eye` does: settings, then the eye.

What is heavy is imported where a failure is told in a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from edge_gate.core.ending import end_well
from edge_gate.core.interrupts import ending_at_once
from edge_gate.settings.examination import read_arguments


def run(argv: Sequence[str] | None = None) -> int:
    """Run the eye until SIGTERM. Returns 0, or the exit code of the error that was told on stderr."""
    return end_well("edge-gate-eye", partial(_serve, argv))


def _serve(argv: Sequence[str] | None) -> None:
    _, settings = read_arguments("edge-gate-eye", "Sees people and tells the gate numbers.", argv)
    with ending_at_once():
        from edge_gate.eye.service import serve

    serve(settings)
