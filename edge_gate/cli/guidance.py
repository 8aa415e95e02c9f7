# SPDX-License-Identifier: Apache-2.0
"""`edge-gate guidance`: what the person at the gate is told, for a display that stands there."""

from __future__ import annotations

from pathlib import Path

import click

from edge_gate.cli import reach
from edge_gate.cli.common import config_option, json_option, show_json
from edge_gate.cli.terminal import either, say
from edge_gate.settings import config


@click.command("guidance")
@config_option
@json_option
def command(path: Path, as_json: bool) -> None:
    """Show what the person at the gate is told.

    A line each time that it changes, until Ctrl-C. It is for a display at the gate: `come closer`, `turn your head a
    little to your left`. It needs no name and shows none. With --json each line is a document: `guidance`, in Chinese,
    and `guidance_en`, both null while nobody is there. `liveness.challenge` needs a display.
    """
    shown: object = None
    for line in reach.converse(config.load(path), "guidance"):
        if as_json:
            show_json(line)
        elif line != shown:
            say(either(line["guidance"], line["guidance_en"]) if line["guidance"] else "")
        shown = line
