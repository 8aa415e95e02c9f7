# SPDX-License-Identifier: Apache-2.0
"""What tests do with a gate that `running_gate` runs: act in its thread, wind its clock, let an eye join it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from edge_gate.core.clock import iso
from edge_gate.gate.gate import Gate
from edge_gate.settings import config
from edge_gate.store.people import consent, residents, vouching
from edge_gate.wire.client import converse
from tests.support.clocks import WindableClock
from tests.support.peers import RawEye, embedding, until

PATIENCE_S = 20.0
# A new eye is accepted in one turn and heard in the next; a turn that was under way counts for nothing.
TURNS = 3
Result = TypeVar("Result")


def within(gate: Gate, what: Callable[[], Result]) -> Result:
    """Do something in the gate's own thread and return its result."""
    done = Future[Result]()

    def act() -> None:
        try:
            done.set_result(what())
        except BaseException as error:
            done.set_exception(error)

    gate.call(act)
    return done.result(PATIENCE_S)


def let_turn(gate: Gate) -> None:
    """Return when the gate has dealt with all that was sent to it before."""
    for _ in range(TURNS):
        within(gate, lambda: None)


def pass_time(gate: Gate, seconds: float) -> None:
    """Let so much of the gate's time pass, after all that was sent to it before; return when it has noticed."""
    assert isinstance(gate.clock, WindableClock)
    let_turn(gate)
    gate.clock.wind(seconds)
    let_turn(gate)


def set_date(gate: Gate, seconds: float) -> None:
    """Set the machine's date forward, or back, and let the gate notice."""
    assert isinstance(gate.clock, WindableClock)
    gate.clock.set_back(-seconds)
    let_turn(gate)


def today(gate: Gate) -> str:
    """Return the day at the site, as it is typed."""
    return gate.clock.now().astimezone().date().isoformat()


def ends_in(gate: Gate, name: str, seconds: float) -> None:
    """Have somebody's consent end so soon."""

    def shorten() -> None:
        (row,) = gate.store.rows("SELECT id FROM resident WHERE name = ?", (name,))
        until = iso(gate.store.now() + timedelta(seconds=seconds))
        gate.store.run("UPDATE consent SET until = ? WHERE resident_id = ?", (until, row["id"]))
        vouching.vouch(gate.store, row["id"])
        gate.recognition.refresh(row["id"])

    within(gate, shorten)


def eye_at(gate: Gate) -> RawEye:
    """Return an eye that the gate has taken in, and whose pauses take no time."""
    joined = RawEye(
        Path(gate.eye.link.server.getsockname()),
        gate.recognition.card.model_id,
        clock=gate.clock,
        wait=lambda pause_s: pass_time(gate, pause_s),
    )
    let_turn(gate)
    return joined


def measured(gate: Gate, settings: config.Config, eye: RawEye, species: str, *, pad: float) -> dict[str, Any]:
    """Have one presentation measured, each look of which has this PAD score."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: list(converse(settings, "pad-record", species=species, source="1", seconds=3)))
        until(lambda: gate.liveness.recording or asked.done())
        for number in itertools.count():
            if asked.done():
                break
            eye.see(embedding(5, seed=number), track=8, pad=pad)
            eye.wait(0.2)
        return dict(asked.result()[-1])


def settle(gate: Gate, *names: str) -> None:
    """Add residents with their consent, as an enrolment does, but without templates."""

    def add() -> None:
        until = gate.store.now() + timedelta(days=365)
        for name in names:
            resident = residents.add(gate.store, name)
            consent.record(gate.store, resident.id, purpose="the gate", given_by=name, until=until, operator="test")

    within(gate, add)


def change(settings: config.Config, old: str, new: str) -> None:
    """Change a line of the site's configuration."""
    file = settings.store.path.parent / "edge-gate.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
