# SPDX-License-Identifier: Apache-2.0
"""`edge-gate events`: what happened at the door."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from edge_gate.cli.common import config_option, json_option, local_time, show_json
from edge_gate.cli.layout import Column
from edge_gate.cli.reach import ask
from edge_gate.cli.terminal import say, say_table
from edge_gate.core.errors import UnknownEventKind
from edge_gate.core.local_time import LocalTime
from edge_gate.settings import config
from edge_gate.spec.registry import EVENTS, check_event_kind

# What is said of an event besides, by its column: long ones take a line of their own on a narrow terminal.
COLUMNS: Final = (
    Column("what"),
    Column("who", long=True),
    Column("score", rank=2),
    Column("outcome", long=True),
    Column("by", rank=1, long=True),
    Column("more", long=True),
)
# It has a column of its own, and nobody reads a monotonic clock.
_NOT_MORE: Final = frozenset({"operator", "captured_ns"})


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
    """List what happened at the door, newest first. Each says when, what, about whom, by which operator, and more.

    Only `opened` is an opening. One whose relay failed, or of which the gate never knew, is an `opening failed`.
    """
    settings = config.load(path)
    rows = ask(settings, "events", limit=limit, kind=kind)
    if as_json:
        show_json(rows)
        return
    if not rows:
        say(f"The store has no event of the kind {kind!r}. Others were not listed." if kind else "There are no events.")
        return
    local = local_time(settings)
    when = Column(f"when ({local.name})")
    say_table((when, *COLUMNS), [_describe(row, local) for row in rows])
    if len(rows) == limit:
        say(f"These are the newest {limit}. There may be older ones: --limit.", err=True)


def _describe(row: Mapping[str, Any], local: LocalTime) -> tuple[str, ...]:
    score = "" if row["score"] is None else f"{row['score']:.1f}"
    detail = row["detail"]
    more = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in detail.items() if name not in _NOT_MORE)
    by = str(detail.get("operator", ""))
    return local.show_text(row["at"]), row["kind"], row["resident"] or "", score, row["outcome"] or "", by, more
