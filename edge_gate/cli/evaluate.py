# SPDX-License-Identifier: Apache-2.0
"""`edge-gate evaluate`: error rates on pictures or strips of a site's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from edge_gate.cli.common import json_option, show_json
from edge_gate.cli.progress import counting
from edge_gate.cli.terminal import say, say_rendered
from edge_gate.settings import config

if TYPE_CHECKING:
    from edge_gate.tools.evaluation.sides import Participation

LISTED: Final = 20


@click.command("evaluate")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--pairs", type=click.Path(path_type=Path), help="Compare the pairs that this file lists: `a b same`.")
@click.option(
    "--against", metavar="OTHER", type=click.Path(path_type=Path),
    help="Compare every picture here with every one there; people are the same by name.",
)  # fmt: skip
@click.option("--template", type=click.IntRange(1), metavar="N", help="Enrol each person's first N pictures as one.")
@click.option(
    "--probes", type=click.IntRange(1), metavar="M", help="Fuse M pictures into each probe (with --template)."
)
@click.option("--model", type=click.Path(path_type=Path), help="Another eye-region model; its card lies beside it.")
@click.option("--quality-gate", is_flag=True, help="Count what the site's quality gate refuses as failure to acquire.")
@click.option(
    "--at-card", is_flag=True,
    help="Count false matches and false non-matches here at the operating points that the model's card states.",
)  # fmt: skip
@click.option(
    "--config", "settings_path", type=click.Path(path_type=Path, dir_okay=False), envvar="EDGE_GATE_CONFIG",
    help="Take models and quality limits from this configuration. Default: those of edge-gate itself.",
)  # fmt: skip
@json_option
def command(
    folder: Path, pairs: Path | None, against: Path | None, template: int | None, probes: int | None,
    model: Path | None, quality_gate: bool, at_card: bool, settings_path: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure how well people are told apart in FOLDER.

    FOLDER holds a folder of pictures for each person (FOLDER/<person>/<picture>), which go through the same pipeline
    as at the gate; or it is an `.npz` file of strips of eyes, or a folder of such files. Printed are the failure to
    acquire and, with --template, to enrol, of each side and with reasons; the EER, the FNMR at three FMRs, and d', with
    95 % intervals that come from resampling people. A figure for which comparisons or people are
    too few is "not proven". No picture is kept.

    The FNMR at an FMR is at a threshold that was chosen on these very pictures. What the card's own thresholds do on
    them is another question: --at-card. The vectors are compared as the model makes them; the gate compares protected
    ones, at a threshold that makes up for it, and looks several times.
    """
    if pairs and (against or template):
        raise click.UsageError("--pairs says which pictures are compared: leave out --against and --template.")
    if probes and not template:
        raise click.UsageError("--probes goes with --template.")
    from edge_gate.tools.evaluation.eyes import PipelineEyes
    from edge_gate.tools.evaluation.report import heading, table
    from edge_gate.tools.evaluation.run import Request, evaluate

    settings = config.load(settings_path) if settings_path else config.Config()
    fmr = settings.decision.fmr if at_card else None
    ask = Request(folder, pairs, against, template or 0, probes or 1, quality_gate, fmr)
    with counting("pictures") as progress:
        report = evaluate(ask, PipelineEyes(settings, model), progress)
    if as_json:
        show_json(report.as_dict())
        return
    say(*heading(report).splitlines(), "")
    say_rendered(table(report))
    for line in _missing(report.acquisition):
        say(line)


def _missing(seen: Participation) -> Iterator[str]:
    """Yield who does not take part and what could not be acquired, on which side and why, as far as it fits."""
    of = seen.enrolment
    lines = [f"not enrolled: {each.subject}: {each.reason}" for each in (of.failures if of else ())]
    lines += [f"no probe: {each.subject}: {each.reason}" for each in (of.without_probe if of else ())]
    for side in seen.sides:
        lines += [f"not acquired ({side.title}): {each.picture}: {each.reason}" for each in side.failures]
    yield from lines[:LISTED]
    if len(lines) > LISTED:
        yield f"and {len(lines) - LISTED} more (--json lists all)"
