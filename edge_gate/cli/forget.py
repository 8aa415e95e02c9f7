# SPDX-License-Identifier: Apache-2.0
"""`edge-gate forget`: erase a person."""

from __future__ import annotations

from pathlib import Path

import click

from edge_gate import config
from edge_gate.cli.common import config_option, json_option, show_json
from edge_gate.client import ask


@click.command("forget")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask again.")
@config_option
@json_option
def command(name: str, yes: bool, path: Path, as_json: bool) -> None:
    """Erase NAME: template, consent and name. Past events stay, without a name. This cannot be undone."""
    settings = config.load(path)
    if not yes:
        click.confirm(f"Erase everything that is stored of {name}?", abort=True)
    answer = ask(settings, "forget", name=name)
    if as_json:
        show_json(answer)
    else:
        click.echo(f"{answer['name']} is forgotten.")
        if answer["traces_left"]:
            click.echo(
                "Another process was reading the store, so old pages stay in its log until the gate's next start."
            )
