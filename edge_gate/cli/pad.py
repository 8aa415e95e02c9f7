# SPDX-License-Identifier: Apache-2.0
"""`edge-gate pad`: how well people are told from pictures of them, on recordings, in a simulation, and at this gate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_gate.cli.common import Function, json_option, show_json
from edge_gate.cli.groups import Group
from edge_gate.cli.pad_field import record, report
from edge_gate.cli.progress import counting
from edge_gate.cli.terminal import say, say_rendered
from edge_gate.settings import config

if TYPE_CHECKING:
    from edge_gate.tools.pad.report import Report


@click.group("pad", cls=Group)
def command() -> None:
    """Measure how well pictures of people are refused.

    The field calls it presentation attack detection (ISO/IEC 30107-3).
    """


command.add_command(record)
command.add_command(report)


def models_option(function: Function) -> Function:
    """Add ``--config`` where edge-gate's own settings do as well."""
    return click.option(
        "--config", "settings_path", type=click.Path(path_type=Path, dir_okay=False), envvar="EDGE_GATE_CONFIG",
        help="Take models, quality limits and decision from this configuration. Default: those of edge-gate itself.",
    )(function)  # fmt: skip


@command.command("evaluate")
@click.argument("data", metavar="FOLDER|NPZ|VIDEO", type=click.Path(path_type=Path))
@click.option("--label", help="What all of it shows where names do not say: live, print, replay, phone, ...")
@click.option("--mask", is_flag=True, help="Paint masks on live faces and attacks alike, and measure these as well.")
@click.option("--controls", is_flag=True, help="Show what explains the result: size, sharpness, border, face, scene.")
@models_option
@json_option
def evaluate(
    data: Path, label: str | None, mask: bool, controls: bool, settings_path: Path | None, as_json: bool
) -> None:
    """Measure attack detection on recordings.

    They go through the same pipeline as at the gate. VIDEO is a film; its label is a word of its name (v1_live.mp4,
    v1_replay.mp4), or given. NPZ has pictures (`webp`, `offset`) with `person`, `label` and `source`. FOLDER holds
    such files, or FOLDER/<label>/<person>/<picture or film>; with --label, FOLDER/<person>/<picture or film>. A
    label is live, or the species of an attack. Without one there are scores alone.

    Frames are single looks: APCER, BPCER and AUC by species, at the card's threshold. Approaches are whole films, and
    successive stills of one person as if they came five a second: an attack may be found live at no moment, and a
    person is to be within five seconds. IAPMR is the share of attacks that open, recognition and liveness together,
    against a template of four live frames of the same person. Bounds (95 %) are over approaches and over people, not
    over frames, which resemble each other. What gave no score is counted apart, with reasons. No picture is kept.
    """
    from edge_gate.tools.pad.run import Request, evaluate

    settings = config.load(settings_path) if settings_path else config.Config()
    with counting("presentations") as progress:
        found = evaluate(Request(data, label, mask, controls), settings, progress)
    _show(found, as_json)


@command.command("bench")
@click.option("--people", type=click.IntRange(1), default=6, show_default=True, help="How many people, of eight.")
@models_option
@json_option
def bench(people: int, settings_path: Path | None, as_json: bool) -> None:
    """Measure attack detection on simulated attacks.

    Nobody's picture is needed. People who do not exist (extra `demo`) walk up to the demo's gate, with and without
    masks, each in another light. So do others who hold up a print of them, flat, bent, tilted, with its eyes cut
    out or under a real mask, a phone, a tablet, or who wear printed eyes over a mask; a screen fills the view, and
    a film is put in the camera's place. All goes through the eye's own pipeline twice: it has seen the empty street
    before, and it has not. The figures are those of `pad evaluate`. They are simulated: what a real attack does may
    differ. A film that is put in the camera's place shows neither paper nor screen; it is refused by pinning the
    camera, and is here to show what remains without. It takes a minute or two for each person.
    """
    from edge_gate.tools.pad.run import simulate

    settings = config.load(settings_path) if settings_path else config.Config()
    with counting("films") as progress:
        found = simulate(people, settings, progress)
    _show(found, as_json)


def _show(found: Report, as_json: bool) -> None:
    from edge_gate.tools.pad import report as shown

    if as_json:
        show_json(found.as_dict())
        return
    say(*shown.lines(found), "")
    for table in (shown.looks, shown.approaches, shown.presentations):
        say_rendered(table(found))
        say("")
    say(*shown.details(found))
