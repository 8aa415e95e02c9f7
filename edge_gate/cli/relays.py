# SPDX-License-Identifier: Apache-2.0
"""`edge-gate relay`: try the relay."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

import click

from edge_gate.cli.common import config_option, json_option, show_json
from edge_gate.cli.groups import Group
from edge_gate.cli.reach import ask
from edge_gate.cli.terminal import say
from edge_gate.core import drivers, time_zones
from edge_gate.settings import config

if TYPE_CHECKING:
    from edge_gate.relays.simulator import Change

_ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.group(cls=Group)
def relay() -> None:
    """Try the relay that opens the door."""


@relay.command()
@config_option
@json_option
def test(path: Path, as_json: bool) -> None:
    """Release the lock once, exactly as an opening would. It is written to the events with your name."""
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


@relay.command()
@click.option(
    "--board",
    type=click.Choice(["lcus1", "modbus-waveshare"]),
    default="lcus1",
    show_default=True,
    help="The board's protocol, as in door.relay.",
)
@click.option(
    "--channels", type=click.IntRange(1, 32), default=1, show_default=True, help="Its relays, as in door.channels."
)
def simulate(board: str, channels: int) -> None:
    """Be a relay board, to try a site without one, until Ctrl-C.

    The first line is the port to write into door.port. Then comes each movement of a relay, with its local time. What
    the gate sends travels over a real pseudo-terminal; only the board behind it is simulated.
    """
    from edge_gate.core.clock import SystemClock
    from edge_gate.relays.simulator import BoardSimulator

    local, clock = time_zones.local_time("", os.environ), SystemClock()
    changes: SimpleQueue[Change | None] = SimpleQueue()
    for number in _ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, lambda *_: changes.put(None))
    with BoardSimulator(board, channels, on_change=changes.put, clock=clock) as simulated:
        say(simulated.path)
        for line in _told(iter(changes.get, None)):
            say(f"{local.show(clock.now())} {line}")


def _told(changes: Iterable[Change]) -> Iterator[str]:
    """Yield a line for each movement; an end says how long the relay was on."""
    since_ns: dict[int, int] = {}
    for change in changes:
        if change.on:
            since_ns[change.channel] = change.at_ns
            yield f"relay {change.channel} on"
        else:
            lasted_ms = (change.at_ns - since_ns.pop(change.channel)) // 1_000_000
            yield f"relay {change.channel} off after {lasted_ms} ms"


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
