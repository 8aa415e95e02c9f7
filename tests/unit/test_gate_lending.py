# SPDX-License-Identifier: Apache-2.0
"""An enrolment has the camera for itself: for a share of the time, told, and with the other ways in as ever."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edge_gate.core.exit_codes import ExitCode
from edge_gate.gate.gate import Gate
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.rules.enrolment import TIMEOUT_S
from edge_gate.rules.lending import AT_ONCE_NS, FOR_RESIDENTS
from edge_gate.settings import config
from edge_gate.wire.client import GateRefused, ask, converse
from tests.support.gates import eye_at, pass_time
from tests.support.peers import CONSENT, enrol, events, pulsed, running_gate, until

Settings = config.Config


def begin(settings: Settings, pool: ThreadPoolExecutor, name: str) -> Future[list[Any]]:
    """Begin an enrolment before whom nobody stands, or be refused."""
    asked = pool.submit(lambda: list(converse(settings, "enrol", name=name, consent=CONSENT)))
    until(lambda: asked.done() or ask(settings, "status")["enrolling"])
    return asked


def overdue(gate: Gate, asked: Future[list[Any]]) -> None:
    pass_time(gate, TIMEOUT_S + 0.1)
    with pytest.raises(GateRefused):
        asked.result(10)


def test_the_door_is_opened_by_hand_during_an_enrolment_which_is_an_event(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings), ThreadPoolExecutor(1) as pool:
        eye = eye_at(gate)
        asked = begin(settings, pool, "Ann")
        (began,) = events(settings, "enrolment began")
        assert began["detail"]["operator"] and began["resident"] is None
        assert ask(settings, "relay-test")["outcome"] == "unconfirmed"
        assert pulsed(board) and not asked.done()
        overdue(gate, asked)
        assert eye.sequence == 0


def test_enrolments_again_and_again_leave_the_door_to_residents_for_most_of_the_time(
    tmp_path: Path, board: BoardSimulator
) -> None:
    """One after the other, each for its whole minute, they shut it for good."""
    with running_gate(tmp_path, board.path) as (gate, settings), ThreadPoolExecutor(1) as pool:
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        refused = None
        for number in range(10):
            asked = begin(settings, pool, f"Nobody {number}")
            if asked.done():
                with pytest.raises(GateRefused, match=r"Try again in \d+ s") as refused:
                    asked.result()
                break
            overdue(gate, asked)
        assert refused is not None and refused.value.exit_code == ExitCode.BUSY
        assert number * TIMEOUT_S <= AT_ONCE_NS / 1e9 + TIMEOUT_S
        assert not ask(settings, "status")["enrolling"]
        with pytest.raises(GateRefused, match="Try again in"):  # a field test has the camera for itself as well
            ask(settings, "pad-record", species="print", source="1", seconds=1)
        eye.walk_up(1, track=2)
        assert pulsed(board), "meanwhile residents come in"
        pass_time(gate, FOR_RESIDENTS * TIMEOUT_S)
        overdue(gate, begin(settings, pool, "Nobody else"))
