# SPDX-License-Identifier: Apache-2.0
"""`edge-gate announce`: a resident says that somebody will come."""

from __future__ import annotations

from pathlib import Path

import click

from edge_gate.cli.common import config_option
from edge_gate.cli.terminal import say
from edge_gate.settings import config
from edge_gate.wire.client import ask


@click.command("announce")
@click.argument("resident")
@click.argument("visitor")
@config_option
def command(resident: str, visitor: str, path: Path) -> None:
    """Announce that VISITOR will come to RESIDENT."""
    answer = ask(config.load(path), "visitor-announce", resident=resident, visitor=visitor)
    say(f"{answer['visitor']} is expected by {answer['resident']}.")
