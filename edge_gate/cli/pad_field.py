# SPDX-License-Identifier: Apache-2.0
"""`edge-gate pad record` and `report`: tests at this gate's camera, by asking the gate. Nothing here sees a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from edge_gate.cli.common import LINE, config_option, json_option, show_json
from edge_gate.cli.layout import Column
from edge_gate.cli.progress import counting
from edge_gate.cli.reach import ask, converse
from edge_gate.cli.terminal import say, say_table
from edge_gate.settings import config
from edge_gate.store.pad_trials import SPECIES

COLUMNS: Final = (
    Column("presented"),
    Column("sources"),
    Column("presentations"),
    Column("wrong"),
    Column("rate, 95 %", rank=1),
    Column("over sources", rank=2),
)


@click.command("record")
@click.argument("species", type=click.Choice(SPECIES))
@click.argument("source", type=LINE)
@click.option("--seconds", type=click.IntRange(1, 60), default=10, show_default=True, help="For how long.")
@config_option
@json_option
def record(species: str, source: str, seconds: int, path: Path, as_json: bool) -> None:
    """Measure one presentation at this gate's camera.

    It is of a person (live), or of an attack. SOURCE is a number or a short word for the person or the thing, such
    as p1 or print-3; no name. What it was found to be is kept, never a picture or a score. Nobody is let in
    meanwhile. docs/pad-field-test.md says what to try, and how often.
    """
    from edge_gate.tools.pad.field import HOW, result

    settings = config.load(path)
    say(HOW[species], f"Now, for {seconds} s.", err=True)
    answer: dict[str, Any] = {}
    with counting("looks") as progress:
        tick, seen = progress(None), 0
        for answer in converse(settings, "pad-record", species=species, source=source, seconds=seconds):
            for _ in range(seen, answer["looks"]):
                tick()
            seen = answer["looks"]
    if as_json:
        show_json(answer)
    else:
        say(result(species, answer))


@click.command("report")
@config_option
@json_option
def report(path: Path, as_json: bool) -> None:
    """Count what was measured at this gate's camera.

    Each species of attack has its bounds, and what to try next is said.
    """
    from edge_gate.tools.pad.field import rows, summarise

    found = summarise(ask(config.load(path), "pad-report"))
    if as_json:
        show_json(found.as_dict())
        return
    state = "measured" if found.measured else "NEVER MEASURED"
    say(f"Camera {found.camera}: {state}, {found.people} people. Network {found.model}, threshold {found.threshold:g}.")
    say(f"liveness.mode is {found.mode}.")
    if found.tried:
        say_table(COLUMNS, rows(found))
    for line in found.advice:
        say(line)
