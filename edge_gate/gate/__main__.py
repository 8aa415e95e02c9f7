# SPDX-License-Identifier: Apache-2.0
"""The program `edge-gate-gate`. It loads the gate only once an interrupt has a quiet end."""

from collections.abc import Callable
from typing import NoReturn

from edge_gate.core.interrupts import ending_at_once, run_program


def main() -> NoReturn:
    """Run the gate."""
    run_program(_load)


def isolated() -> NoReturn:
    """Do the same, in Python's isolated mode: what pip's script calls."""
    with ending_at_once():
        from edge_gate.core.isolation import begin_again_isolated

    begin_again_isolated("edge_gate.gate")
    main()


def _load() -> Callable[[], int]:
    from edge_gate.gate.program import run

    return run


if __name__ == "__main__":
    main()
