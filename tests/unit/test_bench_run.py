# SPDX-License-Identifier: Apache-2.0
"""A benchmark of a few calls, with the real models and both real processes. How fast anything is, no test says."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from edge_gate.cli.bench import command
from edge_gate.core.errors import EdgeGateError, ExtraMissing
from edge_gate.settings import config
from edge_gate.tools.bench import frames, run
from edge_gate.tools.bench.growth import measure_growth
from edge_gate.tools.bench.peer import DlibPipeline
from edge_gate.tools.bench.processes import measure_processes
from edge_gate.tools.bench.report import Bench, show, show_growth
from edge_gate.tools.bench.run import Effort, bench
from edge_gate.tools.bench.stages import STAGES
from edge_gate.tools.trial import make_site
from edge_gate.wire import client
from edge_gate.wire.status import GateStatus

TINY = Effort(frames=10, alone=3, peer_frames=2, probes=6, galleries=(50, 200), watch_s=0.5)


def status(site: Path) -> GateStatus:
    return client.status(config.load(site))


@pytest.fixture(scope="module")
def measured() -> Bench:
    return bench(config.ModelSettings(), make_site, status, TINY)


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    return [leaf for each in value for leaf in leaves(each)] if isinstance(value, list) else [value]


@pytest.mark.processes
def test_every_figure_is_a_finite_number(measured: Bench) -> None:
    answer = json.loads(json.dumps(measured.as_dict(), allow_nan=False))
    for each in leaves(answer):
        assert not isinstance(each, float) or (math.isfinite(each) and each >= 0)
    assert tuple(answer["stages"]) == STAGES
    assert set(answer["search"]) == {"50", "200"}
    timings = [*answer["stages"].values(), *answer["eye_loop"].values(), *answer["search"].values()]
    assert all(each["calls"] > 0 and each["wall_p50_ms"] > 0 and each["cpu_p50_ms"] > 0 for each in timings)
    assert all(each["wall_p50_ms"] <= each["wall_p95_ms"] for each in timings)


@pytest.mark.processes
def test_both_real_processes_became_ready_and_their_memory_was_read(measured: Bench) -> None:
    for process in (measured.processes.gate, measured.processes.eye):
        assert process.ready_s > 0
        assert process.peak_mb > 5
    assert measured.processes.gate.helpers_mb > 0  # the pulse guard
    assert measured.processes.eye_fps > 0


@pytest.mark.processes
def test_the_doors_turns_are_measured_beside_every_kind_of_board_and_each_release_had_its_outcome(
    measured: Bench,
) -> None:
    assert set(measured.turns) == {"answers", "silent", "gone"}
    for turns in measured.turns.values():
        assert turns.turns > 1 and turns.longest_ms > 0
        assert turns.outcomes > 0
    assert measured.as_dict()["door_turns"]["silent"]["longest_ms"] == measured.turns["silent"].longest_ms


@pytest.mark.processes
def test_the_peer_is_measured_exactly_where_it_is_installed(measured: Bench) -> None:
    answer = measured.as_dict()
    if find_spec("dlib") and find_spec("face_recognition_models"):
        assert answer["peer"]["found"] > 0
        assert answer["peer"]["ratio"]["tracked"] > 0 and answer["peer"]["ratio"]["untracked"] > 0
    else:
        assert answer["peer"] is None


def shown(measured: Bench) -> list[str]:
    text = StringIO()
    Console(width=120, file=text).print(show(measured))
    return text.getvalue().splitlines()


@pytest.mark.processes
def test_the_model_alone_is_shown_beside_its_float_form_and_sface(measured: Bench) -> None:
    alone, lines = measured.alone, [line.strip() for line in shown(measured)]
    rows = {"eye model alone, int8  ": alone.model, "its fp32 form": alone.float_form, "SFace fp32": alone.sface}
    for name, timing in rows.items():
        assert timing
        (line,) = [line for line in lines if line.startswith(name)]
        figures = (timing.cpu_p50_ms, timing.cpu_p95_ms, timing.wall_p50_ms, timing.wall_p95_ms)
        assert line.split()[-5:] == [*(f"{figure:.3f}" for figure in figures), str(timing.calls)]
    own = alone.ratio(alone.float_form)["cpu"]
    assert any(line.startswith("faster than its fp32 form") and f"{own:.2f} x" in line for line in lines)


@pytest.mark.processes
def test_what_sface_takes_without_the_extra_is_said_not_to_be_measured(measured: Bench) -> None:
    without = replace(measured, alone=replace(measured.alone, sface=None))
    (line,) = [line for line in shown(without) if "SFace" in line]
    assert line.startswith("faster than SFace fp32 by") and "not measured: pip install 'edge-gate[bench]'" in line
    assert without.as_dict()["model_alone"]["sface"] is None
    assert not any("SFace" in goal.name for goal in without.goals())


@pytest.mark.processes
def test_each_goal_is_shown_with_its_figure_and_verdict(measured: Bench) -> None:
    lines = shown(measured)
    for goal in measured.goals():
        line = next(line for line in lines if line.startswith(goal.name))
        assert f"{goal.value:.2f} {goal.unit}" in line
        assert ("missed" if not goal.met else "met") in line


def test_the_frames_are_of_one_person_who_moves() -> None:
    pictures = frames.walk_up(12)
    assert all(picture.shape == (480, 640, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert np.abs(pictures[0].astype(int) - pictures[11]).mean() > 3 * frames.NOISE


def test_what_is_not_installed_is_named_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(ExtraMissing, match=r"edge-gate\[bench\]"):
        DlibPipeline()
    monkeypatch.setattr(frames, "find_spec", lambda _: None)
    with pytest.raises(ExtraMissing, match=r"edge-gate\[demo\]"):
        frames.walk_up(1)


@pytest.mark.processes
def test_a_process_that_does_not_start_is_quoted() -> None:
    def broken_site(folder: Path, overrides: dict[str, dict[str, Any]]) -> Path:
        site = make_site(folder, overrides)
        site.with_name("store.key").unlink()
        return site

    with pytest.raises(EdgeGateError, match=r"did not become ready: .*store\.key"):
        measure_processes(broken_site, status, 0.1, pictures=1)


@pytest.mark.processes
def test_the_command_prints_json_for_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "QUICK", TINY)
    result = CliRunner().invoke(command, ["--quick", "--no-peer", "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["peer"] is None and answer["model_alone"]["sface"] is None
    assert answer["model_alone"]["ratio"]["float_form"]["cpu"] > 0
    assert answer["goals"][0]["name"].startswith("eye loop")


@pytest.mark.processes
def test_growth_measures_a_real_gate_with_so_many_residents() -> None:
    said: list[str] = []
    found = measure_growth(make_site, said.append, (20, 150))
    assert [each.residents for each in found] == [20, 150] and len(said) == 4
    assert found[0].store_mb < found[1].store_mb
    for each in found:
        assert set(each.verbs) >= {"residents", "events", "enrol", "consent withdraw", "forget", "audit verify"}
        assert all(took.turn_cpu_ms > 0 and took.turn_ms > 0 and took.whole_ms > 0 for took in each.verbs.values())
    told = StringIO()
    Console(file=told, width=120).print(show_growth(found))
    assert "store-check" in told.getvalue() and "150" in told.getvalue()
