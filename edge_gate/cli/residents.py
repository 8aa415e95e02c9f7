# SPDX-License-Identifier: Apache-2.0
"""`edge-gate residents` and `consent`: who is enrolled, and on what consent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edge_gate.cli.common import config_option, json_option, local_time, show_json
from edge_gate.settings import config
from edge_gate.wire.client import ask


@click.command("residents")
@config_option
@json_option
def command(path: Path, as_json: bool) -> None:
    """List who is enrolled and how long consent holds."""
    settings = config.load(path)
    rows: list[dict[str, Any]] = []
    while page := ask(settings, "residents", first=len(rows)):
        rows += page
    if as_json:
        show_json(rows)
        return
    if not rows:
        click.echo("Nobody is enrolled. `edge-gate enrol NAME --consent NAME` enrols a person who has agreed.")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("name", "since", "consent", "recognised"):
        table.add_column(title)
    local = local_time(settings)
    for row in rows:
        until = f"{row['consent']}, {local.show_until(row['consent_until'] or '')}".rstrip(", ")
        table.add_row(row["name"], local.show_day(row["created_at"]), until, "yes" if row["recognised"] else "no")
    Console().print(table)


@click.group()
def consent() -> None:
    """Withdraw a person's consent."""


@consent.command()
@click.argument("name")
@config_option
@json_option
def withdraw(name: str, path: Path, as_json: bool) -> None:
    """Record that NAME has withdrawn consent.

    The person is no longer recognised from that moment, and their data key and template are erased. Name and consent
    stay on record until `edge-gate forget`. Prints a signed receipt for the person, in the site's language.
    """
    answer = ask(config.load(path), "withdraw", name=name)
    if as_json:
        show_json(answer)
        return
    click.echo(f"{name} is no longer recognised; the template is erased. `edge-gate forget {name!r}` erases the rest.")
    click.echo(f"Give them this receipt:\n\n{answer['receipt']}", nl=False)
