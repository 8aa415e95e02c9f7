# SPDX-License-Identifier: Apache-2.0
"""`edge-gate clock`: what two people do where a date was once believed, and was too late."""

from __future__ import annotations

from pathlib import Path

import click

from edge_gate.cli.common import TEXT, config_option, json_option, local_time, show_json
from edge_gate.cli.groups import Group
from edge_gate.cli.reach import ask
from edge_gate.cli.terminal import say
from edge_gate.core.errors import BadDate
from edge_gate.core.local_time import parse_day
from edge_gate.settings import config


@click.group(cls=Group)
def clock() -> None:
    """Put right what a wrong date has done. `edge-gate status` says whether the time is trusted."""


@clock.command()
@click.argument("day", type=TEXT)
@config_option
@json_option
def accept(day: str, path: Path, as_json: bool) -> None:
    """Take this machine's date for the right one, after a wrong one.

    Set the date first. DAY is today, such as 2027-03-31, by your own watch. It takes two people, and is in the audit
    log. Consents that had ended by the later date alone hold again; look at them with `edge-gate residents`.
    """
    try:
        named = parse_day(day)
    except BadDate as error:
        raise click.BadParameter(str(error), param_hint="DAY") from error
    settings = config.load(path)
    answer = ask(settings, "clock-accept", day=named.isoformat())
    if as_json:
        show_json(answer)
    else:
        local = local_time(settings)
        say(f"The time is {local.show_text(answer['now'])} now. It was {local.show_text(answer['before'])} before.")
