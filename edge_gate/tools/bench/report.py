# SPDX-License-Identifier: Apache-2.0
"""What the benchmark found, beside what it should be, for people and for scripts. A missed goal is shown."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from edge_gate.tools.bench.alone import AloneTimes
from edge_gate.tools.bench.growth import Growth
from edge_gate.tools.bench.peer import PeerTimes
from edge_gate.tools.bench.processes import Processes
from edge_gate.tools.bench.stages import EyeTimes
from edge_gate.tools.bench.timing import Timing
from edge_gate.tools.bench.turns import Turns

EYE_LOOP_P95_MS: Final = 15.0
READY_S: Final = 1.5
EYE_PEAK_MB: Final = 150.0
GATE_PEAK_MB: Final = 56.0
SEARCHED: Final = 100_000
SEARCH_P95_MS: Final = 5.0
PEER_RATIO: Final = 10.0
MODEL_P50_MS: Final = 4.0
SFACE_RATIO: Final = 10.0
TURN_MS: Final = 20.0
# Escaped: a table would take the brackets for markup and leave the extra's name out.
NOT_MEASURED: Final = escape("not measured: pip install 'edge-gate[bench]'")


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure and its bound: at most ``bound``, or at least where ``at_least``. The bounds hold for the machine that
    edge-gate is built on, not for a Raspberry Pi. ``cpu`` is the same figure in processor time, for wall times."""

    name: str
    value: float
    bound: float
    unit: str
    at_least: bool = False
    cpu: float | None = None

    @property
    def met(self) -> bool:
        """Whether the figure keeps its bound."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def verdict(self) -> str:
        """Return met or missed, and whether it was the waiting for a processor that missed it."""
        if self.met or self.cpu is None:
            return "[green]met[/green]" if self.met else "[red]missed[/red]"
        also = "met" if self.cpu <= self.bound else "missed too"
        return f"[red]missed[/red]; cpu {self.cpu:.2f} {self.unit}: {also}"


@dataclass(frozen=True, slots=True)
class Bench:
    """All figures. ``peer`` is None where the extra `bench` is not installed, and so is ``alone.sface``."""

    eye: EyeTimes
    alone: AloneTimes
    search: dict[int, Timing]
    processes: Processes
    turns: dict[str, Turns]
    records: dict[str, Timing]
    peer: PeerTimes | None

    def ratio(self, loop: Timing) -> float:
        """Return how many times longer the peer takes for a frame, in processor time, by the medians."""
        return self.peer.whole.cpu_p50_ms / loop.cpu_p50_ms if self.peer else math.nan

    def goals(self) -> Iterator[Goal]:
        """Yield every figure that has a goal."""
        loop = self.eye.tracked
        yield Goal("eye loop, tracked, p95 wall", loop.wall_p95_ms, EYE_LOOP_P95_MS, "ms", cpu=loop.cpu_p95_ms)
        model = self.alone.model
        label = f"eye model, {self.alone.form}, p50 wall"
        yield Goal(label, model.wall_p50_ms, MODEL_P50_MS, "ms", cpu=model.cpu_p50_ms)
        if self.alone.sface:
            ratio = self.alone.ratio(self.alone.sface)["cpu"]
            yield Goal("faster than SFace fp32 by", ratio, SFACE_RATIO, "x", at_least=True)
        yield Goal("eye ready after", self.processes.eye.ready_s, READY_S, "s")
        yield Goal("gate ready after", self.processes.gate.ready_s, READY_S, "s")
        yield Goal("eye, peak memory", self.processes.eye.peak_mb, EYE_PEAK_MB, "MB")
        yield Goal("gate, peak memory", self.processes.gate.peak_mb, GATE_PEAK_MB, "MB")
        for board, turns in self.turns.items():
            yield Goal(f"longest turn, board {board}", turns.longest_ms, TURN_MS, "ms")
        if SEARCHED in self.search:
            most = self.search[SEARCHED]
            label = f"search in {SEARCHED:,}, p95 wall"
            yield Goal(label, most.wall_p95_ms, SEARCH_P95_MS, "ms", cpu=most.cpu_p95_ms)
        if self.peer:
            yield Goal("faster than dlib by", self.ratio(self.eye.tracked), PEER_RATIO, "x", at_least=True)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; times in ms and s, memory in MB of 10**6 bytes."""
        ratios = {"tracked": self.ratio(self.eye.tracked), "untracked": self.ratio(self.eye.untracked)}
        return {
            "machine": machine(),
            "stages": {name: asdict(timing) for name, timing in self.eye.stages.items()},
            "eye_loop": {"tracked": asdict(self.eye.tracked), "untracked": asdict(self.eye.untracked)},
            "model_alone": self.alone.as_dict(),
            "search": {str(count): asdict(timing) for count, timing in self.search.items()},
            "processes": asdict(self.processes),
            "records": {name.strip(): asdict(timing) for name, timing in self.records.items()},
            "door_turns": {board: asdict(turns) for board, turns in self.turns.items()},
            "peer": {**asdict(self.peer), "ratio": ratios} if self.peer else None,
            "goals": [{**asdict(goal), "met": goal.met} for goal in self.goals()],
        }


def machine() -> dict[str, Any]:
    """Return what the figures depend on: architecture, Python, processors and how busy they are with other work."""
    return {
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def show(bench: Bench) -> Group:
    """Return the figures for a terminal."""
    here = machine()
    busy = f"{here['architecture']}, {here['processors']} processors, load {here['load_average']}"
    note = Text(f"One thread. cpu: the thread's own processor time; wall: with waiting for a processor. {busy}\n")
    return Group(note, _times(bench), Text(), _goals(bench))


def _times(bench: Bench) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("milliseconds", "cpu p50", "cpu p95", "wall p50", "wall p95", "calls"):
        table.add_column(heading, justify="left" if heading == "milliseconds" else "right")
    rows = {f"  {name}": timing for name, timing in bench.eye.stages.items()}
    rows |= {"eye loop, tracked": bench.eye.tracked, "eye loop, untracked": bench.eye.untracked}
    alone = bench.alone
    rows |= {f"eye model alone, {alone.form}": alone.model, "  its fp32 form": alone.float_form}
    if alone.sface:
        rows |= {"  SFace fp32, whole face": alone.sface}
    rows |= {f"search in {count:,}": timing for count, timing in bench.search.items()}
    rows |= bench.records
    if bench.peer:
        rows |= {"  dlib: detect": bench.peer.detect, "  dlib: embed": bench.peer.embed}
        rows |= {"dlib: whole": bench.peer.whole}
    for name, timing in rows.items():
        figures = (timing.cpu_p50_ms, timing.cpu_p95_ms, timing.wall_p50_ms, timing.wall_p95_ms)
        table.add_row(name, *(f"{figure:.3f}" for figure in figures), str(timing.calls))
    return table


def _goals(bench: Bench) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("goal on the build machine", "measured", "goal", ""):
        table.add_column(heading, justify="right" if heading in ("measured", "goal") else "left")
    for goal in bench.goals():
        bound = f"{'≥' if goal.at_least else '≤'} {goal.bound:g} {goal.unit}"
        table.add_row(goal.name, f"{goal.value:.2f} {goal.unit}", bound, goal.verdict())
    own = bench.alone.ratio(bench.alone.float_form)["cpu"]
    table.add_row("faster than its fp32 form", f"{own:.2f} x", "", f"cosine of the two {bench.alone.cosine:.4f}")
    if not bench.alone.sface:
        table.add_row("faster than SFace fp32 by", "-", "", NOT_MEASURED)
    helpers = bench.processes.gate.helpers_mb
    table.add_row("pulse guard, peak memory", f"{helpers:.2f} MB", "", "")
    of = bench.processes
    table.add_row("eye loop in the process, p95", f"{of.eye_loop_p95_ms:.2f} ms", "", f"{of.eye_fps:.1f} a second")
    if bench.peer:
        table.add_row("faster than dlib, untracked", f"{bench.ratio(bench.eye.untracked):.2f} x", "", "")
    else:
        table.add_row("faster than dlib by", "-", "", NOT_MEASURED)
    return table


def show_growth(found: list[Growth]) -> Group:
    """Return what each size of a site costs: until the answer, and the gate's longest turn meanwhile."""
    note = Text("milliseconds until the answer, and of the longest turn of the gate's loop: wall, cpu\n")
    table = Table(box=None, pad_edge=False)
    table.add_column("residents")
    for each in found:
        table.add_column(f"{each.residents:,}", justify="right")
        table.add_column("turn", justify="right")
    table.add_row("store, MB", *(cell for each in found for cell in (f"{each.store_mb:.0f}", "")))
    table.add_row("start", *(cell for each in found for cell in (f"{each.start_ms:.0f}", "")))
    for verb in found[0].verbs:
        took = [each.verbs[verb] for each in found]
        cells = ((f"{of.whole_ms:.0f}", f"{of.turn_ms:.1f}, {of.turn_cpu_ms:.1f}") for of in took)
        table.add_row(verb, *(cell for pair in cells for cell in pair))
    return Group(note, table)
