# SPDX-License-Identifier: Apache-2.0
"""`edge-gate models`: which models there are, and what they say of themselves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from edge_gate import cards, resident_page
from edge_gate.cli.common import json_option, show_json
from edge_gate.config import Decision
from edge_gate.errors import EdgeGateError
from edge_gate.resident_words import LANGUAGES

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where the models are. Default: those installed with edge-gate.",
)


@click.group("models")
def command() -> None:
    """Look at the models and their provenance cards. A model without a complete card does not load."""


def _names(folder: Path) -> list[str]:
    return sorted(each.stem for each in folder.iterdir() if each.suffix in (".tflite", ".onnx"))


@command.command("list")
@folder_option
def list_models(folder: Path) -> None:
    """List the models with task, licence and source."""
    where = cards.folder(folder)
    for name in _names(where):
        fields = cards.read(where, name).fields
        click.echo(f"{name}\n  {fields['task']}; {fields['licence']}; {fields['source']}")


@command.command()
@click.argument("name")
@folder_option
@click.option("--resident", type=click.Choice(list(LANGUAGES)), help="A page for residents instead, in this language.")
@click.option(
    "--fmr",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=Decision().fmr,
    show_default=True,
    metavar="RATE",
    help="The gate's false match rate (`fmr` in its configuration), for which --resident gives the figures.",
)
@json_option
def show(name: str, folder: Path, resident: str | None, fmr: float, as_json: bool) -> None:
    """Show what the card of model NAME says: all of it, or with --resident what a resident may want to know."""
    card = cards.read(cards.folder(folder), name)
    if as_json:
        show_json(card.fields)
    elif resident:
        click.echo(resident_page.page(card, resident, fmr), nl=False)
    else:
        _print(card.fields)


@command.command()
@folder_option
def verify(folder: Path) -> None:
    """Check each model against its card: complete, and the very bytes it describes. Exit status 1 if one fails."""
    where = cards.folder(folder)
    failed = 0
    for name in _names(where):
        try:
            cards.read(where, name)
            click.echo(f"ok     {name}")
        except EdgeGateError as error:
            failed += 1
            click.echo(f"fault  {error}")
    sys.exit(1 if failed else 0)


def _print(value: Any, indent: int = 0) -> None:
    """Print nested TOML the way a person reads it: one thing a line, lists of tables apart from each other."""
    for key, each in value.items():
        margin = "  " * indent
        if isinstance(each, dict):
            click.echo(f"{margin}{key}:")
            _print(each, indent + 1)
        elif isinstance(each, list) and each and isinstance(each[0], dict):
            for row in each:
                click.echo(f"{margin}{key}:")
                _print(row, indent + 1)
        elif isinstance(each, list) and each and isinstance(each[0], str):
            click.echo(f"{margin}{key}:")
            for line in each:
                click.echo(f"{margin}  - {line}")
        else:
            click.echo(f"{margin}{key}: {each}")
