# SPDX-License-Identifier: Apache-2.0
"""`edge-gate templates`: how the templates are protected, and their renewal."""

from __future__ import annotations

from pathlib import Path

import click

from edge_gate.cli.common import config_option, json_option, local_time, show_json
from edge_gate.cli.groups import Group
from edge_gate.cli.reach import ask
from edge_gate.cli.terminal import confirm, say
from edge_gate.settings import config

STOPS = """The old codes cannot be compared with the new ones, and the old salt is erased here.
What this does not do: whoever has the old codes, the old salt, the store's key and its keyring can recover the
residents' directions nearly whole, for good. Eyes do not change, so no renewal helps against that thief, nor would
enrolling everybody again."""


@click.group("templates", cls=Group)
def command() -> None:
    """Look at how templates are protected, or renew them."""


@command.command("status")
@config_option
@json_option
def status(path: Path, as_json: bool) -> None:
    """Show how many templates there are. And under which transform, and how often they were renewed."""
    settings = config.load(path)
    answer = ask(settings, "templates-status")
    if as_json:
        show_json(answer)
        return
    say(f"{answer['templates']} templates, counted and not opened; each {answer['bits']} signs along secret axes")
    since = local_time(settings).show_text(answer["since"])
    say(f"these axes since {since}; renewed {answer['renewals']} times without the residents")


@command.command("renew")
@click.option("--yes", is_flag=True, help="Do not ask again.")
@config_option
@json_option
def renew(yes: bool, path: Path, as_json: bool) -> None:
    """Give every template a new transform. The residents need not come.

    A second person has to agree. Do this when opened codes may have got out without the keys, as in a copy of a part
    of the gate's memory. It is possible because the keys recover a template nearly whole. Each renewal loses a little
    (docs/templates has how much), so it is for such an occasion, not for every night. The door goes on working
    meanwhile.
    """
    settings = config.load(path)
    if not yes:
        confirm("Renew all templates?")
    answer = ask(settings, "templates-renew")
    if as_json:
        show_json(answer)
        return
    say(f"{answer['templates']} templates have new axes; this is renewal {answer['renewals']}.", *STOPS.splitlines())
