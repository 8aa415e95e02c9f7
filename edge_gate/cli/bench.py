# SPDX-License-Identifier: Apache-2.0
"""`edge-gate bench`: how fast and how small edge-gate is on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_gate.cli.common import json_option, show_json
from edge_gate.cli.terminal import open_console, say_rendered
from edge_gate.settings import config
from edge_gate.wire import client
from edge_gate.wire.status import GateStatus

if TYPE_CHECKING:
    from edge_gate.tools.bench.growth import Growth


@click.command("bench")
@click.option("--quick", is_flag=True, help="Fewer repetitions: about a quarter of the time, rougher figures.")
@click.option(
    "--growth", is_flag=True, help="Measure instead how the gate's work grows with residents: 5 minutes or more."
)
@click.option("--no-peer", is_flag=True, help="Measure neither dlib nor SFace.")
@click.option(
    "--config", "settings_path", type=click.Path(path_type=Path, dir_okay=False), envvar="EDGE_GATE_CONFIG",
    help="Take the models from this configuration. Default: those of edge-gate itself.",
)  # fmt: skip
@json_option
def command(quick: bool, growth: bool, no_peer: bool, settings_path: Path | None, as_json: bool) -> None:
    """Measure speed and memory on this machine.

    Each stage of the eye and its whole loop at 640 x 480 in one thread, the eye-region model alone in int8 and in
    float32, the start and the memory of both real processes, the door's longest turn of the gate's loop beside a board
    that answers, is silent or is gone, what is written down, the search in up to 100,000 templates, and, with the
    extra `bench`, SFace on the whole face in float32 and the dlib pipeline of face_recognition and howdy on the same
    pictures. They show a person who does not exist (extra `demo`). Goals stand beside the figures; they are for the
    machine that edge-gate is built on.

    With --growth, what start, enrolment, forgetting and every verb that reads many rows take with 100, 1,000, 10,000
    and 100,000 residents, with ten events for each (with --quick up to 1,000), and how long they keep the door waiting.
    """
    from edge_gate.tools.bench.growth import COUNTS, measure_growth
    from edge_gate.tools.bench.report import show
    from edge_gate.tools.bench.run import QUICK, Effort, bench
    from edge_gate.tools.trial import make_site

    settings = config.load(settings_path) if settings_path else config.Config()
    console = open_console(err=True)

    def site(folder: Path, overrides: dict[str, dict[str, object]]) -> Path:
        return make_site(folder, {**overrides, "models": asdict(settings.models)})

    def status(site: Path) -> GateStatus:
        return client.status(config.load(site))

    with console.status("") as line:
        if growth:
            _growth(measure_growth(site, line.update, COUNTS[:2] if quick else COUNTS), as_json)
            return
        found = bench(settings.models, site, status, QUICK if quick else Effort(), not no_peer, line.update)
    if as_json:
        show_json(found.as_dict())
    else:
        say_rendered(show(found), markup=True)


def _growth(found: list[Growth], as_json: bool) -> None:
    from edge_gate.tools.bench.report import show_growth

    if as_json:
        show_json([asdict(each) for each in found])
    else:
        say_rendered(show_growth(found))
