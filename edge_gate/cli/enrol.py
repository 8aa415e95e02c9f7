# SPDX-License-Identifier: Apache-2.0
"""`edge-gate enrol`: a person who has agreed looks at the camera for a few seconds."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Final

import click

from edge_gate.cli.common import LINE, TEXT, config_option, json_option, local_time, show_json
from edge_gate.cli.reach import converse
from edge_gate.cli.terminal import either, open_console, say
from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import BadDate, ConsentUnstated
from edge_gate.core.local_time import parse_day, year_after
from edge_gate.rules.naming import kept_name
from edge_gate.settings import config

ROOM_FOR_A_BAR: Final = 72


def read_day(_: click.Context, __: click.Parameter, value: str | None) -> date | None:
    """Read a day as people write it."""
    try:
        return None if value is None else parse_day(value)
    except BadDate as error:
        raise click.BadParameter(str(error)) from error


@click.command("enrol")
@click.argument("name", type=TEXT)
@click.option(
    "--consent", "given_by", type=LINE, metavar="WHO", help="Who gave consent: the person, or a guardian by name."
)
@click.option("--purpose", type=LINE, default="opening the gate", show_default=True, help="What the consent is for.")
@click.option(
    "--until",
    metavar="YYYY-MM-DD",
    callback=read_day,
    help="The consent's last day, which it holds to its end at the site. Default: a year from today.",
)
@config_option
@json_option
def command(name: str, given_by: str | None, purpose: str, until: date | None, path: Path, as_json: bool) -> None:
    """Enrol NAME, who agreed and stands at the camera.

    Consent is recorded with the enrolment: who gave it (--consent), for what (--purpose) and until when (--until).
    Without it nobody is enrolled. No picture is stored: one template of a few hundred bytes is, and `edge-gate
    forget` erases it.
    """
    name = kept_name(name)
    if given_by is None:
        raise ConsentUnstated(name)
    settings = config.load(path)
    local = local_time(settings)
    end = local.end_of(until or year_after(local.day(SystemClock().now())))
    stated = {"purpose": purpose, "given_by": given_by, "until": end.isoformat()}
    lines = converse(settings, "enrol", name=name, consent=stated)
    if as_json:
        *_, answer = lines
        show_json(answer)
    else:
        show(lines)


def show(lines: Any) -> None:
    """Show progress and guidance while the person is seen, then the result."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Column

    # Nothing else prints meanwhile, and rich's stand-in for stdout does not say which encoding it has.
    console = open_console()
    still = not console.is_terminal
    said_beside = TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold"))
    columns = (*([BarColumn(24)] if console.width >= ROOM_FOR_A_BAR else []), MofNCompleteColumn(), said_beside)
    with Progress(*columns, console=console, disable=still, redirect_stdout=False) as progress:
        task = progress.add_task(either("请看摄像头", "Look at the camera"), total=None)
        for line in lines:
            if "taken" in line:
                said = either(line["guidance"], line["guidance_en"])
                progress.update(task, completed=line["taken"], total=line["wanted"], description=said)
            else:
                progress.update(task, description=either("完成", "Done"))
                answer = line
    say(f"{answer['name']} is enrolled from {answer['views']} views. No picture was stored.")
