# SPDX-License-Identifier: Apache-2.0
"""`edge-gate status`, `pause` and `resume`: the state of the running gate."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click

from edge_gate.cli import reach
from edge_gate.cli.common import config_option, json_option, show_json
from edge_gate.cli.terminal import say, say_fields, say_hanging
from edge_gate.settings import config
from edge_gate.settings.liveness import NEVER, OFF, REQUIRE
from edge_gate.wire.status import GateStatus, HardeningStatus, LimiterStatus, LivenessStatus

_LIMITED: Final = MappingProxyType(
    {
        "slower": "each judgement waits a moment after a refusal",
        "stricter": "and wants twice as much to go by",
        "token": "eyes alone do not open",
        "rest": "nobody is looked for among the residents",
    }
)
PAUSED: Final = "nobody is recognised until `edge-gate resume`; a restart does not end it"


@click.command("status")
@config_option
@json_option
def command(path: Path, as_json: bool) -> None:
    """Show how the gate, the eye, the camera and the door are. Exit status 1 if any of them is at fault."""
    state = reach.status(config.load(path))
    faults = find_faults(state)
    if as_json:
        show_json({**state.write(), "faults": faults})
    else:
        show(state, faults)
    sys.exit(1 if faults else 0)


@click.command()
@config_option
@json_option
def pause(path: Path, as_json: bool) -> None:
    """Stop looking until `edge-gate resume`.

    The eye lets go of the camera. Other ways in are not affected. A restart of the gate does not end the pause.
    """
    answer = reach.ask(config.load(path), "pause")
    if as_json:
        show_json(answer)
    else:
        say("Paused. The camera is released; nobody is recognised until `edge-gate resume`.")


@click.command()
@config_option
@json_option
def resume(path: Path, as_json: bool) -> None:
    """Look again after `edge-gate pause`."""
    answer = reach.ask(config.load(path), "resume")
    if as_json:
        show_json(answer)
    else:
        say("Watching again.")


def find_faults(state: GateStatus) -> list[str]:
    """Return one sentence for each thing that is wrong."""
    return [f"{part}: {text}" for part, text in faults_by_part(state)]


def faults_by_part(state: GateStatus) -> Iterator[tuple[str, str]]:
    """Yield each part that is at fault with what is wrong. `edge-gate doctor` finds no less."""
    if state.door.fault:
        yield "door", state.door.fault
    if not state.eye.connected:
        yield "eye", "not connected; nobody can be seen"
    elif state.eye.camera not in ("working", "starting", None) and not state.paused:
        yield "camera", str(state.eye.camera)
    if state.eye.infrared == "failing" and not state.paused:
        yield "infrared", "the second camera gives no pictures; journalctl -u edge-gate-eye says why"
    if state.store.fault:
        yield "store", state.store.fault
    if state.keyring.fault:
        yield "keyring", f"{state.keyring.fault}; some may not be recognised (docs/maintainer.md, The keyring)"
    if state.clock.fault:
        yield "clock", f"{state.clock.fault}; nobody can be enrolled (docs/maintainer.md, The time)"
    if state.log.fault:
        yield "log", f"in doubt, so nothing is opened: {state.log.fault} (docs/maintainer.md, A log in doubt)"
    if state.events.fault:
        yield "events", f"{state.events.fault} (docs/maintainer.md, A log in doubt)"
    if state.people.fault:
        yield "people", f"{state.people.fault} (docs/maintainer.md, A resident in doubt)"
    if state.liveness.fault:
        yield "liveness", state.liveness.fault
    if state.guidance.fault:
        yield "guidance", state.guidance.fault
    if state.many_erased:
        yield "residents", f"{state.many_erased} withdrawn or erased within a day beyond the hourly number"
    if state.policy.held:
        yield "policy", f"nothing is opened: {state.policy.held}"


def describe_liveness(of: LivenessStatus, scene: str | None) -> str:
    """Return one line: whether pictures of people are refused here, and how many came."""
    if of.mode == OFF:
        return "off: a picture of a resident opens; for trials only"
    told = "refuses attacks" if of.mode == REQUIRE else "tells of attacks and opens all the same"
    told += f"; {of.attacks} told since the start; this camera was measured on {of.people_measured} people"
    if of.challenge != NEVER:
        told += f"; people are asked to move: {of.challenge}"
    return f"{told}; the scene behind them: {scene}" if scene else told


def describe_limiter(of: LimiterStatus) -> str:
    """Return one line: what many refusals have made of the gate, and for how long."""
    told = f"{of.state}: {_LIMITED[of.state]}" if of.state in _LIMITED else of.state
    until = "" if of.milder_in_s is None else f", for {of.milder_in_s:.0f} s if nobody else is refused"
    return f"{told}{until}; {of.refusals} refusals since the start"


def describe_walls(walls: HardeningStatus) -> str:
    """Return one line: the walls that stand, then those that are missing and those that are not to be had here."""
    parts = [", ".join(walls.standing) or "no"]
    if walls.missing:
        parts.append(f"missing: {', '.join(walls.missing)}")
    parts += [f"not to be had here: {name} ({why})" for name, why in walls.not_here.items()]
    return "; ".join(parts)


def show(state: GateStatus, faults: list[str]) -> None:
    """Print the state for people."""
    say_fields(_describe(state), ("unsigned", "waiting", *(("now",) if state.paused else ())))
    for fault in faults:
        say_hanging([("fault", "red")], fault)


def _describe(state: GateStatus) -> Iterator[tuple[str, str]]:
    """Yield each thing with what is to be said of it."""
    eye, threshold = state.eye, state.threshold
    seen = "not connected" if not eye.connected else "camera released" if state.paused else "starting"
    if eye.camera and not state.paused:
        seen = f"camera {eye.camera}, {eye.fps} pictures a second, loop p95 {eye.loop_p95_ms} ms"
        if eye.pictures_skipped:
            seen += f"; {eye.pictures_skipped} of the last {eye.pictures} pictures skipped"
    doing = f"paused: {PAUSED}" if state.paused else "enrolling" if state.enrolling else "watching"
    yield "site", state.site
    yield "door", state.door.state
    yield "eye", seen
    yield "people", f"{state.residents_in_gallery} enrolled with valid consent"
    yield "model", f"{state.model}, threshold {threshold.comparison_score:.3f} (FMR {threshold.fmr:g})"
    yield "liveness", describe_liveness(state.liveness, state.eye.scene)
    yield "limiter", describe_limiter(state.limiter)
    for name, why in state.unsigned_models.items():
        yield "unsigned", f"{name} is {why}; models.allow_unsigned lets it in"
    if state.policy.waiting:
        names = ", ".join(state.policy.waiting)
        yield "waiting", f"for a second person, see edge-gate approvals: the settings {names}"
    if state.approvals_waiting:
        yield "waiting", f"for a second person, see edge-gate approvals: {state.approvals_waiting} requests"
    yield "now", doing + (f", somebody is there: {state.approach}" if state.approach else "")
    yield "gate sealed", describe_walls(state.sealed.gate)
    if state.sealed.eye is not None:
        yield "eye sealed", describe_walls(state.sealed.eye)
