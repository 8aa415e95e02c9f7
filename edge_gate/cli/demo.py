# SPDX-License-Identifier: Apache-2.0
"""`edge-gate demo`: the whole chain on people who do not exist, or live on a webcam."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import click

from edge_gate.cli.common import json_option, show_json
from edge_gate.cli.terminal import say
from edge_gate.core.errors import DemoFailed

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from edge_gate.tools.demo.run import Summary
    from edge_gate.tools.demo.street_server import Street


# All that is between the people's pictures and the gate's code.
SIMULATED: Final = ("camera", "walking", "masks", "light", "print", "phone", "hands", "relay board")


def _check_folder(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a file that could not be written, before the demo has taken its two minutes."""
    if value is not None and not os.access(value.absolute().parent, os.W_OK):
        raise click.BadParameter(f"the folder of {value} is not there, or cannot be written to")
    return value


@click.command("demo")
@click.option("--camera", metavar="DEVICE", help="Do it live with this webcam (0, 1, /dev/video0), on yourself.")
@click.option("--watch", is_flag=True, help="Draw the door in the terminal.")
@click.option(
    "--kill",
    type=click.Choice(["eye", "gate", "both"]),
    help="Kill this process in the middle of every approach, to see that no decision changes.",
)
@click.option(
    "--svg",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    callback=_check_folder,
    help="Write all that is printed to this file too, as an SVG picture of text.",
)
@json_option
def command(camera: str | None, watch: bool, kill: str | None, svg: Path | None, as_json: bool) -> None:
    """Watch masked people walk up to a gate.

    Enrolled ones are let in. Strangers, an empty street, and a print and a phone with an enrolled person's picture are
    not.

    The people do not exist; their pictures are made by AI, come from a package and stay in memory. Simulated are the
    camera, the masks, the print, the phone and the hands that hold them, and the relay board on a pseudo-terminal.
    Everything between camera and serial line is the real code: two processes, models, encrypted store.

    Exit status 0 only if nobody was wrongly let in, no picture and no one but the look-alike that shows the limit, and
    every enrolled person was let in at least once. Takes about two minutes.
    """
    if svg is not None and (camera is not None or watch or as_json):
        raise click.UsageError("--svg goes with none of --camera, --watch and --json")
    with _telling_the_log():
        if camera is not None:
            from edge_gate.tools.demo.live import run_live

            run_live(camera, watch, (lambda _: None) if as_json else say)
            return
        passed = _play_as_json(watch, kill) if as_json else _play_for_people(watch, kill, svg)
    sys.exit(0 if passed else 1)


@contextmanager
def _telling_the_log() -> Iterator[None]:
    """Print what the demo's processes have logged, line by line on stderr, where the demo fails."""
    try:
        yield
    except DemoFailed as error:
        for log in error.args[1:]:
            say(*log.splitlines(), err=True)
        raise


def _play_as_json(watch: bool, kill: str | None) -> bool:
    summary = _play(watch, kill, lambda _: None)
    show_json(as_dict(summary))
    return summary.passed


def _play_for_people(watch: bool, kill: str | None, svg: Path | None) -> bool:
    from edge_gate.tools.demo.picture import make_console, print_line, write_picture

    console = make_console(record=svg is not None)
    summary = _play(watch, kill, partial(print_line, console))
    show(summary, console)
    if svg is not None:
        write_picture(console, svg)
    return summary.passed


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
        "attacks": [
            {
                "scene": each.scene,
                "name": each.who,
                "species": each.attack,
                "simulated": True,
                "enrolled": each.enrolled,
                "opened": each.opened,
                "told_as": each.told,
                "reason": each.reason,
            }
            for each in summary.attacks
        ],
        "simulated": list(SIMULATED),
        "lookalike": limit
        and {"enrolled": limit.enrolled, "came": limit.came, "opened": limit.opened, "comparison_score": limit.score},
    }


def show(summary: Summary, console: Console) -> None:
    """Print the summary for people."""
    from edge_gate.tools.demo.picture import print_line

    console.print()
    console.print(_came(summary))
    console.print()
    for line in (*_figures(summary), *_limit(summary)):
        print_line(console, line)
    print_line(console, f"\n{'PASSED' if summary.passed else 'FAILED'}")


def _came(summary: Summary) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title="Approaches by person", title_justify="left", title_style="bold")
    for title in ("person", "enrolled", "approaches", "let in"):
        table.add_column(title)
    for who in dict.fromkeys(each.who for each in summary.approaches):
        theirs = [each for each in summary.approaches if each.who == who]
        let_in = sum(each.opened for each in theirs)
        table.add_row(who, "yes" if theirs[0].enrolled else "no", str(len(theirs)), str(let_in))
    if (limit := summary.lookalike) is not None:
        table.add_row(f"{limit.came} as a look-alike", "no", "1", "1" if limit.opened else "0")
    return table


def _figures(summary: Summary) -> Iterator[str]:
    from edge_gate.tools.demo.backdrop import HEIGHT, WIDTH

    wrongly = list(summary.false_opens)
    if summary.lookalike is not None and summary.lookalike.opened:
        wrongly.append(f"{summary.lookalike.came} as a look-alike: LET IN (the limit, below)")
    yield f"wrongly let in        {', '.join(wrongly) or 'nobody'}"
    yield f"enrolled but missed   {', '.join(summary.missed) or 'nobody'}"
    for each in summary.attacks:
        told = ", ".join(part for part in (each.told, each.reason) if part) or "nothing"
        yield f"{each.who:20}  {'LET IN' if each.opened else 'not let in'}; the gate wrote: {told}"
    yield f"simulated             {', '.join(SIMULATED)}"
    latency = summary.latency_ms()
    if latency["p50"] is not None:
        yield f"camera → relay        p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms"
    audit = summary.audit
    yield f"pictures written      {audit.pictures} ({audit.files} files searched)"
    yield f"written by the eye    {audit.eye_bytes} bytes by the kernel's count, from its second start on"
    yield f"                      (one frame of the camera has {3 * WIDTH * HEIGHT} bytes)"
    yield f"threshold             {summary.threshold:.3f}, from the model's card for FMR {summary.fmr:g}"
    if summary.kills:
        yield f"killed on the way     {', '.join(summary.kills)}"


def _limit(summary: Summary) -> Iterator[str]:
    limit = summary.lookalike
    if limit is None:
        return
    score = "" if limit.score is None else f" (comparison score {limit.score:.1f}, threshold {limit.threshold:.2f})"
    happened = "was LET IN" if limit.opened else "was not let in"
    yield f"\nThe limit: {limit.enrolled} is enrolled, and her look-alike {limit.came} came."
    yield f"{limit.came} {happened}{score}."
    yield "Eyes alone do not tell twins and look-alikes apart reliably."
    yield "A site that has them needs a second factor, such as a card or a PIN. edge-gate has none yet."
