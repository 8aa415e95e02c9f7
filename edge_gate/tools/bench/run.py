# SPDX-License-Identifier: Apache-2.0
"""The whole benchmark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_gate.core.errors import ExtraMissing
from edge_gate.settings.config import ModelSettings
from edge_gate.tools.bench.alone import measure_alone
from edge_gate.tools.bench.frames import Picture, walk_up
from edge_gate.tools.bench.peer import DlibPipeline, PeerTimes
from edge_gate.tools.bench.processes import AskStatus, MakeSite, measure_processes
from edge_gate.tools.bench.records import measure_records
from edge_gate.tools.bench.report import SEARCHED, Bench
from edge_gate.tools.bench.search import search_alone
from edge_gate.tools.bench.stages import measure_eye
from edge_gate.tools.bench.turns import measure_turns


@dataclass(frozen=True, slots=True)
class Effort:
    """How often everything is repeated."""

    frames: int = 300
    alone: int = 200
    peer_frames: int = 20
    probes: int = 200
    galleries: tuple[int, ...] = (1_000, 10_000, SEARCHED)
    watch_s: float = 8.0


QUICK = Effort(frames=60, alone=60, peer_frames=4, probes=40, watch_s=3.0)


def bench(
    models: ModelSettings,
    make_site: MakeSite,
    ask_status: AskStatus,
    effort: Effort,
    peer: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> Bench:
    """Measure everything, one thing after the other. ``say`` is told what comes next.

    Raises ExtraMissing('demo') without the people who do not exist, and EdgeGateError where a process does not start.
    The peers, dlib and SFace, are left out where their extra is not installed.
    """
    say("composing pictures of a person who does not exist")
    frames = walk_up(effort.frames)
    say("the eye, stage by stage and as a whole")
    eye = measure_eye(models, frames)
    say("the eye-region model alone, its float32 form and SFace, in turn")
    alone = measure_alone(models, frames, effort.alone, peer)
    say("both processes, from start to ready, and their memory")
    processes = measure_processes(make_site, ask_status, effort.watch_s)
    say("the door's turns, while its board answers, is silent, and is gone")
    turns = measure_turns(effort.watch_s)
    say("what is written down, and its sync to the disk")
    records = measure_records(effort.probes)
    search = {}
    for count in effort.galleries:
        say(f"a search in {count:,} templates")
        search[count] = search_alone(count, eye.dimensions, effort.probes)
    say("dlib, the pipeline of face_recognition and howdy")
    step = max(1, len(frames) // effort.peer_frames)
    return Bench(eye, alone, search, processes, turns, records, _peer_times(frames[::step], peer))


def _peer_times(frames: list[Picture], wanted: bool) -> PeerTimes | None:
    if not wanted:
        return None
    try:
        return DlibPipeline().times(frames)
    except ExtraMissing:
        return None
