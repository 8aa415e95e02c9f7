# SPDX-License-Identifier: Apache-2.0
"""`edge-gate relay`: try the relay."""

from __future__ import annotations

from pathlib import Path

import click

from edge_gate.cli.common import config_option, json_option, show_json
from edge_gate.cli.groups import Group
from edge_gate.cli.reach import ask
from edge_gate.cli.terminal import say
from edge_gate.core import drivers
from edge_gate.settings import config


@click.group(cls=Group)
def relay() -> None:
    """Try the relay that opens the door."""


@relay.command()
@config_option
@json_option
def test(path: Path, as_json: bool) -> None:
    """Release the lock once, exactly as an opening would; written to the events with your name."""
    answer = ask(config.load(path), "relay-test")
    if as_json:
        show_json(answer)
    elif answer["outcome"] == "confirmed":
        say(f"The board confirmed a pulse of {answer['pulse_ms']} ms. It does not see the lock: did it move?")
    else:
        say(f"A pulse of {answer['pulse_ms']} ms was sent. This board cannot answer: did you hear it click?")


@relay.command()
@config_option
@json_option
def off(path: Path, as_json: bool) -> None:
    """Switch every relay off, while no gate runs, and end.

    The gate does this by itself at its start. Where it waits for a passphrase, edge-gate-secure.service does it before.
    """
    from edge_gate.core.clock import SystemClock
    from edge_gate.relays.board import open_board, switch_off
    from edge_gate.relays.loading import load_framing
    from edge_gate.store.lock import sole_use

    settings = config.load(path)
    with sole_use(settings.store.path):
        clock = SystemClock()
        board = open_board(settings.door, clock, may_pulse=False)
        try:
            switch_off(board, clock)
        finally:
            board.close()
    _, sent = load_framing(settings.door)
    answers = all(each.reply_length for each in sent)
    if as_json:
        show_json({"port": settings.door.port, "confirmed": answers})
        return
    known = "and the board confirmed it" if answers else "so far as is known: this board cannot answer"
    say(f"Every relay on {settings.door.port} was switched off, {known}.")


@relay.command("list")
@json_option
def protocols(as_json: bool) -> None:
    """List the installed relay protocols."""
    names = drivers.names("edge_gate.relays")
    if as_json:
        show_json(list(names))
    else:
        say(*names)
    for told in drivers.list_shadowing("edge_gate.relays"):
        say(told, err=True)
