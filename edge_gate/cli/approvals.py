# SPDX-License-Identifier: Apache-2.0
"""`edge-gate approvals` and `edge-gate approve`: what takes two people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edge_gate.cli.common import TEXT, config_option, json_option, show_json
from edge_gate.cli.reach import ask
from edge_gate.cli.terminal import say, say_fields
from edge_gate.settings import config


@click.command("approvals")
@config_option
@json_option
def command(path: Path, as_json: bool) -> None:
    """List what waits for a second person.

    Each says who asked, for what, and how long it still waits, with every field of what was asked for.
    """
    waiting = ask(config.load(path), "approvals")
    if as_json:
        show_json(waiting)
        return
    for each in waiting:
        say(f"{each['id']}  {each['what']}; asked by {each['asked_by']}, {each['left_s'] // 60} min left")
        _show_fields(each)
    if not waiting:
        say("Nothing waits for approval.")


@click.command()
@click.argument("request", type=TEXT)
@config_option
@json_option
def approve(request: str, path: Path, as_json: bool) -> None:
    """Agree to a REQUEST as the second person. `edge-gate approvals` shows what waits, with every field of it.

    Whoever asked cannot agree to it. What was agreed to may be done once, just as it was asked for: they repeat their
    command, and with anything else in it, it is another request. Settings take effect at once.
    """
    approved = ask(config.load(path), "approve", id=request)
    if as_json:
        show_json(approved)
    elif approved["verb"] == "policy":
        say(f"Approved and in force: {approved['what']}.")
        _show_fields(approved)
    else:
        say(f"Approved: {approved['what']}. {approved['asked_by']} may do it now, once: repeat the command.")
        _show_fields(approved)


def _show_fields(request: dict[str, Any]) -> None:
    """Print each field of a request on a line of its own: what the second person agrees to."""
    say_fields((f"  {name}", value) for name, value in request["fields"].items())
