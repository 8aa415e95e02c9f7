# SPDX-License-Identifier: Apache-2.0
"""`edge-gate events`: what happened at the door."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from edge_gate.cli.common import config_option, json_option, show_json
from edge_gate.cli.layout import Column
from edge_gate.cli.terminal import say_table
from edge_gate.core.errors import UnknownEventKind
from edge_gate.settings import config
from edge_gate.spec.registry import EVENTS, check_event_kind
from edge_gate.wire.client import ask

COLUMNS: Final = (
    Column("when (UTC)"),
    Column("what"),
    Column("who", long=True),
    Column("score", rank=2),
    Column("outcome", rank=1),
)


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
    rows = ask(config.load(path), "events", limit=limit, kind=kind)
    if as_json:
        show_json(rows)
        return
    say_table(COLUMNS, map(_describe, rows))


def _describe(row: Mapping[str, Any]) -> tuple[str, ...]:
    score = "" if row["score"] is None else f"{row['score']:.3f}"
    when = row["at"][:19].replace("T", " ")
    return when, row["kind"], row["resident"] or "", score, row["outcome"] or ""
