# SPDX-License-Identifier: Apache-2.0
"""`edge-gate residents` and `consent`: who is enrolled, and on what consent."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from edge_gate.cli.common import LINE, config_option, json_option, local_time, show_json
from edge_gate.cli.groups import Group
from edge_gate.cli.layout import Column
from edge_gate.cli.reach import ask
from edge_gate.cli.terminal import confirm, say, say_document, say_table
from edge_gate.core.errors import WireError
from edge_gate.core.local_time import LocalTime
from edge_gate.settings import config

COLUMNS: Final = (
    Column("name", long=True),
    Column("since", rank=2),
    Column("consent", rank=1),
    Column("recognised"),
)


@click.command("residents")
@config_option
@json_option
def command(path: Path, as_json: bool) -> None:
    """List who is enrolled and how long consent holds."""
    settings = config.load(path)
    rows: list[dict[str, Any]] = []
    last = ""
    while page := ask(settings, "residents", after=last):
        if page[-1]["name"] <= last:  # what is no gate of ours could go on for ever
            raise WireError("control", "the gate's list of residents does not go on where it ended")
        rows, last = [*rows, *page], page[-1]["name"]
    if as_json:
        show_json(rows)
        return
    if not rows:
        say("Nobody is enrolled. `edge-gate enrol NAME --consent NAME` enrols a person who has agreed.")
        return
    local = local_time(settings)
    say_table(COLUMNS, [_describe(row, local) for row in rows])


def _describe(row: Mapping[str, Any], local: LocalTime) -> tuple[str, ...]:
    until = f"{row['consent']}, {local.show_until(row['consent_until'] or '')}".rstrip(", ")
    return row["name"], local.show_day(row["created_at"]), until, "yes" if row["recognised"] else "no"


@click.group(cls=Group)
def consent() -> None:
    """Withdraw a person's consent."""


@consent.command()
@click.argument("name", type=LINE)
@click.option("--yes", is_flag=True, help="Do not ask again.")
@config_option
@json_option
def withdraw(name: str, yes: bool, path: Path, as_json: bool) -> None:
    """Record that NAME has withdrawn consent.

    The person is no longer recognised from that moment, and their data key and template are erased. Name and consent
    stay on record until `edge-gate forget`. Prints a signed receipt for the person, in the site's language. To be
    recognised again they have to be forgotten and enrolled anew.
    """
    settings = config.load(path)
    if not yes:
        confirm(f"Withdraw the consent of {name}, and erase their template?")
    answer = ask(settings, "withdraw", name=name)
    if as_json:
        show_json(answer)
        return
    say(
        f"{name} is no longer recognised; the template is erased.",
        f"`edge-gate forget {shlex.quote(name)}` erases the rest.",
        "Give them this receipt:",
        "",
        err=True,
    )
    say_document(answer["receipt"])
