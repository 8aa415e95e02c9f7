# SPDX-License-Identifier: Apache-2.0
"""`edge-gate events`: what happened at the door."""

from __future__ import annotations

from pathlib import Path

import click

from edge_gate.cli.common import config_option, json_option, local_time, show_json
from edge_gate.core.errors import UnknownEventKind
from edge_gate.settings import config
from edge_gate.spec.registry import EVENTS, check_event_kind
from edge_gate.wire.client import ask


def check_kind(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Refuse a kind of event that there is not; for a former name, say the present one."""
    if value is not None:
        try:
            check_event_kind(value)
        except UnknownEventKind as error:
            raise click.BadParameter(str(error)) from error
    return value


@click.command("events")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many, newest first.")
@click.option("--kind", metavar="KIND", callback=check_kind, help=f"Only one of these kinds: {', '.join(EVENTS)}.")
@config_option
@json_option
def command(limit: int, kind: str | None, path: Path, as_json: bool) -> None:
    """List what happened at the door, newest first."""
    settings = config.load(path)
    rows = ask(settings, "events", limit=limit, kind=kind)
    if as_json:
        show_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    local = local_time(settings)
    for title in (f"when ({local.name})", "what", "who", "score", "outcome"):
        table.add_column(title, overflow="fold")
    for row in rows:
        score = "" if row["score"] is None else f"{row['score']:.3f}"
        table.add_row(local.show_text(row["at"]), row["kind"], row["resident"] or "", score, row["outcome"] or "")
    Console().print(table)
