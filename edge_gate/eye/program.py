# SPDX-License-Identifier: Apache-2.0
"""What the program `edge-gate-eye` does: settings, then the eye.

What is heavy is imported where a failure is told in a sentence.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from edge_gate.core.ending import end_well
from edge_gate.core.interrupts import ending_at_once
from edge_gate.settings import config
from edge_gate.settings.examination import load_to_run


def run(argv: Sequence[str] | None = None) -> int:
    """Run the eye until SIGTERM. Returns 0, or the exit code of the error that was told on stderr."""
    return end_well("edge-gate-eye", partial(_serve, argv))


def _serve(argv: Sequence[str] | None) -> None:
    parser = argparse.ArgumentParser(prog="edge-gate-eye", description="Sees people and tells the gate numbers.")
    parser.add_argument("--config", type=Path, default=config.DEFAULT_PATH, metavar="PATH", help="default: %(default)s")
    arguments = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    settings = load_to_run(arguments.config)
    with ending_at_once():
        from edge_gate.eye.service import serve

    serve(settings)
