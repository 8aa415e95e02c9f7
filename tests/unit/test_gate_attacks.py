# SPDX-License-Identifier: Apache-2.0
"""A picture of a resident at the gate: it does not open, it is told, and nothing is told that could be climbed by."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edge_gate.cli.status import find_faults
from edge_gate.core.exit_codes import ExitCode
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.rules.enrolment import TIMEOUT_S
from edge_gate.settings import config
from edge_gate.wire.client import GateRefused, ask, converse, status
from tests.support.clerk import ANNE, ROLES, Clerk
from tests.support.gates import change, eye_at, measured, pass_time
from tests.support.peers import (
    CONSENT,
    LIVE,
    PICTURE,
    RawEye,
    embedding,
    enrol,
    events,
    opened,
    pulsed,
    running_gate,
    until,
)

Settings = config.Config


def show(eye: RawEye, person: int, *, track: int, pad: float, views: int = 60) -> None:
    """Hold somebody, or a picture of them, before the camera for longer than the gate waits; then step away."""
    for number in range(views):
        eye.see(embedding(person, seed=100 * track + number), track=track, pad=pad)
        eye.wait(0.08)
    eye.step_away()


def test_a_picture_of_a_resident_does_not_open_and_is_one_attack(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        show(eye, 1, track=2, pad=PICTURE)
        (attack,) = events(settings, "attack")
        assert (attack["resident"], attack["score"], attack["detail"]["reason"]) == (None, None, "surface")
        assert not [key for key, value in attack["detail"].items() if isinstance(value, float)], "nothing to climb by"
        assert events(settings, "no match", "not acquired", "opened") == []
        assert status(settings).liveness.attacks == 1
        for number in range(30):  # and she herself comes in
            if not gate.door.releasing:  # the gate's clock is not to outrun the board, whose time is real
                eye.see(embedding(1, seed=300 + number), track=3)
                eye.wait(0.04)
        assert pulsed(board)
    assert opened(board) == 1


def test_a_picture_of_a_stranger_is_told_in_the_same_words(tmp_path: Path, board: BoardSimulator) -> None:
    """Else the kind of the event would say whether the picture is of a resident."""
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        show(eye, 1, track=2, pad=PICTURE)
        show(eye, 9, track=3, pad=PICTURE)
        of_a_stranger, of_a_resident = events(settings, "attack")
        assert {**of_a_stranger, "detail": set(of_a_stranger["detail"])}.keys() == of_a_resident.keys()
        told = [(each["score"], each["resident"], each["detail"]["reason"]) for each in (of_a_stranger, of_a_resident)]
        assert told[0] == told[1]
    assert not opened(board)


@pytest.mark.parametrize("pad", [math.nan, 0.5, 0.55])
def test_what_was_not_measured_or_is_not_sure_does_not_open(tmp_path: Path, board: BoardSimulator, pad: float) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        show(eye, 1, track=2, pad=pad)
        (unsure,) = events(settings, "not acquired")
        assert unsure["detail"]["reason"] == "not seen to be alive" and unsure["resident"] is None
        assert events(settings, "attack") == []
    assert not opened(board)


def test_looks_that_are_not_quite_sure_open_once_there_are_enough(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        for number in range(7):
            eye.see(embedding(1, seed=number), track=2, pad=0.68)
            eye.wait(0.08)
        assert events(settings, "opened", "opening") == []
        for number in range(7, 15):
            eye.see(embedding(1, seed=number), track=2, pad=0.68)
            eye.wait(0.08)
        assert pulsed(board)


def test_a_person_who_steps_aside_for_a_picture_gains_nothing(tmp_path: Path, board: BoardSimulator) -> None:
    """Neither within one window nor from one to the next."""
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        for own_s in (1.0, 2.2):
            for number in range(int(own_s / 0.08)):
                eye.see(embedding(9, seed=number), track=round(10 * own_s), pad=LIVE)
                eye.wait(0.08)
            for number in range(20):
                eye.see(embedding(1, seed=number), track=round(10 * own_s), pad=PICTURE)
                eye.wait(0.08)
            eye.step_away()
    assert not opened(board)


def test_a_picture_that_is_put_away_for_the_person_gains_nothing_at_once(tmp_path: Path, board: BoardSimulator) -> None:
    """What was seen of a picture counts against whoever goes on from it in the same approach."""
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        for number, pad in enumerate([PICTURE] * 12 + [LIVE] * 6):
            eye.see(embedding(1, seed=number), track=2, pad=pad)
            eye.wait(0.08)
        eye.step_away()
    assert not opened(board)


def test_after_an_attack_twice_as_many_looks_are_wanted_for_a_moment(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path, decision={"hold_off_s": 0.0}) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        show(eye, 1, track=2, pad=PICTURE)
        eye.walk_up(1, track=3, views=4)
        eye.step_away()
        assert not opened(board)
        pass_time(gate, 2 * settings.limiter.forgiven_s)
        eye.walk_up(1, track=4, views=4)
        assert pulsed(board)


@pytest.mark.parametrize(("mode", "told"), [("watch", 1), ("off", 0)])
def test_where_attacks_are_only_watched_or_not_looked_for_the_door_opens(
    tmp_path: Path, board: BoardSimulator, mode: str, told: int
) -> None:
    with running_gate(tmp_path, board.path, liveness={"mode": mode}) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        eye.walk_up(1, track=2, views=3)
        eye.step_away()
        for number in range(10):
            eye.see(embedding(1, seed=number), track=3, pad=math.nan if number % 2 else PICTURE)  # the eye's own pace
            eye.wait(0.08)
        assert pulsed(board)
        eye.step_away()
        assert len(events(settings, "attack")) == told
        assert status(settings).liveness.mode == mode


def test_a_camera_that_was_never_measured_opens_to_nobody_and_says_so(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path, roles=ROLES) as (gate, settings):
        eye = eye_at(gate)
        assert status(settings).liveness.people_measured == 0
        enrol(settings, eye, "Ann", 1, track=1)
        assert not [each for each in find_faults(status(settings)) if "measured" in each]
        assert status(settings).liveness.people_measured == 1
    change(settings, "[camera]\n", '[camera]\nsource = "/dev/another-camera"\n')
    with running_gate(tmp_path, board.path) as (gate, settings):
        (request,) = ask(settings, "approvals")
        assert "ok" in Clerk(gate, ANNE, "maintainer").ask("approve", id=request["id"])
        eye = eye_at(gate)
        assert any("never measured" in each for each in find_faults(status(settings)))
        show(eye, 1, track=2, pad=LIVE)
        (told,) = events(settings, "not acquired")
        assert told["detail"]["reason"] == "camera never measured" and not opened(board)
        measured(gate, settings, eye, "live", pad=PICTURE)
        assert status(settings).liveness.people_measured == 0, "a picture measures nothing"
        measured(gate, settings, eye, "live", pad=LIVE)
        eye.walk_up(1, track=4)
        assert pulsed(board)


def test_a_picture_is_not_enrolled(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings), ThreadPoolExecutor(1) as pool:
        eye = eye_at(gate)
        asked = pool.submit(lambda: list(converse(settings, "enrol", name="Ann", consent=CONSENT)))
        until(lambda: asked.done() or ask(settings, "status")["enrolling"])
        for number in range(30):
            eye.see(embedding(1, seed=number), track=1, pad=PICTURE)
            eye.wait(0.2)
        pass_time(gate, TIMEOUT_S)
        with pytest.raises(GateRefused, match="living person") as refusal:
            asked.result()
        assert refusal.value.exit_code == ExitCode.ENROLMENT_FAILED
        assert ask(settings, "residents") == [] and status(settings).liveness.people_measured == 0


def test_a_picture_ends_an_enrolment_before_its_time_and_counts(tmp_path: Path, board: BoardSimulator) -> None:
    """A picture could be tried for a minute, and nothing came of it."""
    with running_gate(tmp_path, board.path) as (gate, settings), ThreadPoolExecutor(1) as pool:
        eye = eye_at(gate)
        asked = pool.submit(lambda: list(converse(settings, "enrol", name="Ann", consent=CONSENT)))
        until(lambda: asked.done() or ask(settings, "status")["enrolling"])
        shown = 0
        while not asked.done():
            eye.see(embedding(1, seed=shown), track=1, pad=PICTURE)
            eye.wait(0.2)
            shown += 1
            assert shown * 0.2 < TIMEOUT_S / 4
        with pytest.raises(GateRefused, match="living person"):
            asked.result()
        (attack,) = events(settings, "attack")
        assert (attack["resident"], attack["score"], attack["detail"]["reason"]) == (None, None, "surface")
        assert status(settings).liveness.attacks == 1 and status(settings).limiter.state == "stricter"
        assert [each["kind"] for each in events(settings, "enrolment failed", "enrolment began")] == [
            "enrolment failed",
            "enrolment began",
        ]
        enrol(settings, eye, "Ann", 1, track=2)  # herself, at once
        assert [each["name"] for each in ask(settings, "residents")] == ["Ann"]


def test_a_presentation_is_measured_and_what_it_was_found_to_be_is_kept(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        assert measured(gate, settings, eye, "live", pad=LIVE)["verdict"] == "live"
        assert measured(gate, settings, eye, "print", pad=PICTURE)["verdict"] == "attack"
        report = ask(settings, "pad-report")
        assert [(each["species"], each["presentations"], each["wrong"]) for each in report["tried"]] == [
            ("live", 1, 0),
            ("print", 1, 0),
        ]
        assert not [each for each in report["tried"] for value in each.values() if isinstance(value, float)]
        assert len(json.dumps(report)) < 2000
        verbs = [each["verb"] for each in ask(settings, "audit", limit=10)["rows"]]
        assert verbs.count("pad-record") == 2
    assert not opened(board)


@pytest.mark.parametrize(
    "fields",
    [
        {"species": "ghost", "source": "1"},
        {"species": "live"},
        {"species": "live", "source": "x" * 21},
        {"species": "live", "source": "1\n2"},
        {"species": "live", "source": "1", "seconds": 0},
        {"species": "live", "source": "1", "seconds": "3"},
    ],
)
def test_what_is_no_presentation_is_refused(tmp_path: Path, board: BoardSimulator, fields: dict[str, Any]) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye_at(gate)
        with pytest.raises(GateRefused):
            ask(settings, "pad-record", **fields)
        assert ask(settings, "pad-report")["tried"] == []


def test_nobody_there_is_not_measured(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings), ThreadPoolExecutor(1) as pool:
        eye = eye_at(gate)
        asked = pool.submit(lambda: ask(settings, "pad-record", species="print", source="1", seconds=2))
        until(lambda: gate.liveness.recording or asked.done())
        for _ in range(12):
            eye.see(refusal=3, pad=math.nan)  # somebody is there, too blurred to be measured
            eye.wait(0.2)
        with pytest.raises(GateRefused) as refusal:
            asked.result()
        assert refusal.value.exit_code == ExitCode.PRESENTATION_MISSING
