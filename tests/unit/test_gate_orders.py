# SPDX-License-Identifier: Apache-2.0
"""An eye that was taken over, at the real socket: what the gate did not ask for, it does not use."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edge_gate.gate.gate import Gate
from edge_gate.gate.peers.orders import GRACE_NS
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.wire.client import GateRefused, ask, converse
from edge_gate.wire.eye import EyeMode
from tests.support.gates import eye_at, let_turn, pass_time
from tests.support.peers import CONSENT, RawEye, embedding, enrol, events, pulsed, running_gate, until

GRACE_S = GRACE_NS / 1e9


@pytest.fixture
def board() -> Iterator[BoardSimulator]:
    with BoardSimulator("lcus1") as simulator:
        yield simulator


def gone_because(settings: config.Config) -> str:
    return str(until(lambda: events(settings, "eye lost"))[0]["detail"]["reason"])


def show(eye: RawEye, *, track: int, person: int = 1, views: int = 5, **changes: Any) -> None:
    for number in range(views):
        eye.see(embedding(person, seed=100 * track + number), track=track, **changes)
        eye.wait(0.04)


def hung_up(eye: RawEye, send: Callable[[], None]) -> None:
    with pytest.raises(ConnectionError):
        for _ in range(100):
            send()
            eye.wait(0.04)


def test_sightings_while_paused_open_nothing_then_or_later_and_end_the_connection(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        eye.step_away()
        ask(settings, "pause")
        hung_up(eye, lambda: show(eye, track=2))
        assert "told to pause" in gone_because(settings)
        ask(settings, "resume")
        pass_time(gate, 0.1)
        assert not any(each.on for each in board.history)
        assert not events(settings, "opened") and not events(settings, "no match")

        honest = eye_at(gate)  # the control
        show(honest, track=3)
        assert pulsed(board)


def test_sightings_by_a_command_from_before_the_pause_are_passed_over_and_end_the_connection_beyond_a_grace(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        eye.step_away()
        eye.see(track=2, refusal=3)
        before = eye.order
        ask(settings, "pause")
        show(eye, track=2, order=before)
        assert ask(settings, "status")["eye"]["connected"], "it may have been at a picture"
        ask(settings, "resume")
        show(eye, track=2, order=before)
        assert not any(each.on for each in board.history) and not events(settings, "opened")
        pass_time(gate, GRACE_S + 0.1)
        hung_up(eye, lambda: show(eye, track=2, order=before))
        assert "does not do what it is told" in gone_because(settings)


def test_what_was_seen_before_an_enrolment_is_not_enrolled_and_what_is_enrolled_does_not_open(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings), ThreadPoolExecutor(1) as pool:
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        eye.step_away()
        eye.see(track=2, refusal=3)
        watching = eye.order
        asked = pool.submit(lambda: list(converse(settings, "enrol", name="Bo", consent=CONSENT)))
        until(lambda: ask(settings, "status")["enrolling"])
        for number in range(20):
            eye.see(embedding(2, seed=number), track=2, order=watching)
            eye.wait(0.2)
        assert eye.order != watching and not asked.done()
        assert ask(settings, "status")["enrolling"], "none of twenty was taken, where sixteen are enough"
        for number in itertools.count():  # the control
            if asked.done():
                break
            eye.see(embedding(2, seed=number), track=3)
            eye.wait(0.2)
        assert asked.result()[-1]["views"]
        eye.hear()
        show(eye, track=4, order=eye.order - 1)
        assert not any(each.on for each in board.history)
        show(eye, track=5)
        assert pulsed(board)


def played_again(settings: config.Config, gate: Gate, eye: RawEye, recorded: list[bytes]) -> None:
    """Play a recording unchanged, while it is fresh; the gate hangs up."""
    with pytest.raises(ConnectionError):
        for each in recorded * 100:
            eye.connection.send(each)
            let_turn(gate)
    assert gone_because(settings)


def recording(eye: RawEye) -> list[bytes]:
    recorded = []
    for number in range(5):
        eye.see(embedding(1, seed=number), track=2)
        recorded.append(eye.last)
    return recorded


@pytest.mark.parametrize("where", ["the same connection", "the next connection"])
@pytest.mark.parametrize("introduced", [False, True], ids=["as it is", "after a message of another eye number"])
def test_a_recording_opens_nothing_while_it_is_fresh(
    tmp_path: Path, board: BoardSimulator, where: str, introduced: bool
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        eye.step_away()
        recorded = recording(eye)
        assert pulsed(board), "the control: said for the first time they open"
        pass_time(gate, 0.5)
        if where == "the next connection":
            eye.connection.close()
            until(lambda: not ask(settings, "status")["eye"]["connected"])
            eye = eye_at(gate)
            eye.see(track=3, refusal=3)
        if introduced:
            eye.see(track=3, refusal=3, eye=99)
        played_again(settings, gate, eye, recorded)
        assert [each.on for each in board.history] == [True, False]


def test_times_do_not_go_back_on_the_next_connection(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        first = eye_at(gate)
        first.see(embedding(1))
        now_ns = gate.clock.monotonic_ns()
        first.connection.close()
        until(lambda: not ask(settings, "status")["eye"]["connected"])
        second = eye_at(gate)
        hung_up(second, lambda: second.see(embedding(1), captured_ns=now_ns - 10**9))
        until(lambda: "time goes back" in gone_because(settings))


@pytest.mark.parametrize("order", ["AABB" * 4, "A" * 15 + "B", "AB" * 8, "A" * 8 + "B" * 8])
def test_an_enrolment_of_two_people_in_any_order_fails(tmp_path: Path, board: BoardSimulator, order: str) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings), ThreadPoolExecutor(1) as pool:
        eye = eye_at(gate)
        asked = pool.submit(lambda: list(converse(settings, "enrol", name="Ann", consent=CONSENT)))
        until(lambda: ask(settings, "status")["enrolling"])
        for number, who in enumerate(order):
            eye.see(embedding({"A": 1, "B": 2}[who], seed=number), track=1)
            eye.wait(0.2)
        with pytest.raises(GateRefused, match="differ too much"):
            asked.result()
        assert not events(settings, "enrolled")
        enrol(settings, eye, "Ann", 1, track=2)  # the control
        assert len(events(settings, "enrolled")) == 1


def test_an_eye_that_comes_while_the_gate_is_paused_is_told_so(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        ask(settings, "pause")
        eye = eye_at(gate)
        assert eye.hear() == EyeMode.PAUSE
        eye.health(arrived=0)
        assert until(lambda: ask(settings, "status")["eye"]["connected"])
        ask(settings, "resume")
        assert until(eye.hear) == EyeMode.WATCH
