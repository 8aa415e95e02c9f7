# SPDX-License-Identifier: Apache-2.0
"""The program `edge-gate-gate`. It loads the gate only once an interrupt has a quiet end."""

from collections.abc import Callable
from typing import NoReturn

from edge_gate.core.interrupts import run_program


def main() -> NoReturn:
    """Run the gate."""
    run_program(_load)


def _load() -> Callable[[], int]:
    from edge_gate.gate.program import run

    return run


if __name__ == "__main__":
    main()
