# SPDX-License-Identifier: Apache-2.0
"""`edge-gate demo`: the whole chain on people who do not exist, or live on a webcam."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from edge_gate.cli.common import json_option, show_json

if TYPE_CHECKING:
    from edge_gate.tools.demo.run import Summary
    from edge_gate.tools.demo.street_server import Street


@click.command("demo")
@click.option("--camera", metavar="DEVICE", help="Do it live with this webcam (0, 1, /dev/video0), on yourself.")
@click.option("--watch", is_flag=True, help="Draw the door in the terminal.")
@click.option(
    "--kill",
    type=click.Choice(["eye", "gate", "both"]),
    help="Kill this process in the middle of every approach, to see that no decision changes.",
)
@json_option
def command(camera: str | None, watch: bool, kill: str | None, as_json: bool) -> None:
    """Watch masked people walk up to a gate.

    Enrolled ones are let in, strangers and an empty street are not.

    The people do not exist; their pictures are made by AI, come from a package and stay in memory. Everything between
    camera and serial line is the real code: two processes, models, encrypted store, and a relay board simulated on a
    pseudo-terminal.

    Exit status 0 only if nobody was wrongly let in and every enrolled person was let in at least once. Takes about
    two minutes.
    """
    tell: Callable[[str], None] = (lambda _: None) if as_json else click.echo
    if camera is not None:
        from edge_gate.tools.demo.live import run_live

        run_live(camera, watch, tell)
        return
    summary = _play(watch, kill, tell)
    if as_json:
        show_json(as_dict(summary))
    else:
        show(summary)
    sys.exit(0 if summary.passed else 1)


def _play(watch: bool, kill: str | None, tell: Callable[[str], None]) -> Summary:
    from edge_gate.tools.demo.door_view import watching
    from edge_gate.tools.demo.run import Demo
    from edge_gate.tools.demo.scene import Stage
    from edge_gate.tools.demo.schedule import lookalike_schedule, standard_schedule
    from edge_gate.tools.demo.site import DemoSite
    from edge_gate.tools.demo.street_server import Street

    kills = {"both": ("eye", "gate"), None: ()}.get(kill, (str(kill),))
    tell("Painting masks and composing the street, in memory …")
    schedule, lookalike = standard_schedule(), lookalike_schedule()
    stage = Stage((*schedule.scenes, *lookalike.scenes))
    with ExitStack() as stack:
        socket = Path(stack.enter_context(TemporaryDirectory(prefix="edge-gate-street-"))) / "street.sock"
        street = stack.enter_context(Street(socket, stage))
        site = stack.enter_context(DemoSite({"driver": "demo-street", "source": str(socket)}))
        demo = Demo(site, street, tell, kills)
        if watch:
            demo.tell = stack.enter_context(watching(lambda: site.board.is_on(1), lambda: _scene_name(street)))
        return demo.play(schedule, lookalike)


def _scene_name(street: Street) -> str:
    scene = street.now()
    return scene.name if scene else "empty street"


def as_dict(summary: Summary) -> dict[str, Any]:
    """Return the summary as `--json` prints it."""
    limit = summary.lookalike
    return {
        "passed": summary.passed,
        "opened": summary.opened,
        "refused": summary.refused,
        "false_opens": summary.false_opens,
        "missed": summary.missed,
        "latency_ms": summary.latency_ms(),
        "pictures_written_to_disk": summary.audit.pictures,
        "bytes_written_to_disk_by_the_eye": summary.audit.eye_bytes,
        "threshold": summary.threshold,
        "fmr": summary.fmr,
        "killed": list(summary.kills),
        "approaches": [
            {
                "scene": each.scene,
                "who": each.who,
                "enrolled": each.enrolled,
                "opened": each.opened,
                "recognised_as": each.recognised_as,
                "comparison_score": each.score,
            }
            for each in summary.approaches
        ],
        "lookalike": limit
        and {"enrolled": limit.enrolled, "came": limit.came, "opened": limit.opened, "comparison_score": limit.score},
    }


def show(summary: Summary) -> None:
    """Print the summary for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, title="Who came", title_justify="left", title_style="bold")
    for title in ("who", "enrolled", "approaches", "let in"):
        table.add_column(title)
    people = dict.fromkeys(each.who for each in summary.approaches)
    for who in people:
        theirs = [each for each in summary.approaches if each.who == who]
        let_in = sum(each.opened for each in theirs)
        table.add_row(who, "yes" if theirs[0].enrolled else "no", str(len(theirs)), str(let_in))
    console.print()
    console.print(table)
    console.print()
    wrongly = ", ".join(summary.false_opens) or "nobody"
    console.print(f"wrongly let in        {wrongly}")
    console.print(f"enrolled but missed   {', '.join(summary.missed) or 'nobody'}")
    latency = summary.latency_ms()
    if latency["p50"] is not None:
        console.print(f"camera → relay        p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms")
    audit = summary.audit
    console.print(
        f"pictures written      {audit.pictures} ({audit.files} files searched; the kernel charged the eye"
        f" {audit.eye_bytes} bytes of disk writes, access times included)",
        soft_wrap=True,
    )
    console.print(f"threshold             {summary.threshold:.3f}, from the model's card for FMR {summary.fmr:g}")
    if summary.kills:
        console.print(f"killed on the way     {', '.join(summary.kills)}")
    _show_limit(console, summary)
    console.print(f"\n{'PASSED' if summary.passed else 'FAILED'}")


def _show_limit(console: Any, summary: Summary) -> None:
    limit = summary.lookalike
    if limit is None:
        return
    score = "no score" if limit.score is None else f"comparison score {limit.score:.2f}"
    happened = "was LET IN" if limit.opened else "was refused"
    console.print(
        f"\nThe limit: with {limit.enrolled} enrolled, her look-alike {limit.came} came and {happened} ({score},"
        f" threshold {limit.threshold:.2f}).\nEyes alone do not tell twins and look-alikes apart reliably. A site that"
        " has them asks for a\nsecond factor besides the eyes: a card, a PIN or a QR code.",
        soft_wrap=True,
    )
