# SPDX-License-Identifier: Apache-2.0
"""What becomes of a template after its owner's consent has ended: erased after a term, by a sure time alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_gate.cli.audit import read
from edge_gate.gate.expiry import LOOK_NS
from edge_gate.gate.gate import Gate
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.store.audit.chain import examine
from edge_gate.store.audit.generation import EXPIRED
from edge_gate.wire.client import ask
from tests.support.gates import ends_in, eye_at, let_turn, pass_time, set_date, within
from tests.support.peers import enrol, events, running_gate, until

DAY_S = 24 * 3600
LOOK_S = LOOK_NS / 1e9


def templates(gate: Gate) -> set[str]:
    """Return the names of those who have one."""
    query = "SELECT name FROM resident JOIN template ON resident_id = resident.id"
    return within(gate, lambda: {row["name"] for row in gate.store.rows(query)})


def has_key(gate: Gate, name: str) -> bool:
    def look() -> bool:
        (row,) = gate.store.rows("SELECT id FROM resident WHERE name = ?", (name,))
        return gate.store.keyring.data_key(row["id"]) is not None

    return within(gate, look)


def erased(settings: config.Config) -> int:
    return len([row for row in read(settings)[0] if row.verb == EXPIRED])


def look(gate: Gate) -> None:
    """Let the gate look for expired templates once more, and do what it finds."""
    pass_time(gate, LOOK_S)
    until(lambda: within(gate, lambda: gate.jobs.patience_s()) is None)


def test_a_template_is_erased_so_many_days_after_its_owners_consent_and_no_other(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path, consent={"erase_after_days": 2}) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        enrol(settings, eye, "Bo", 2, track=2)
        ends_in(gate, "Bo", 3600)
        pass_time(gate, 2 * DAY_S)
        look(gate)
        assert templates(gate) == {"Ann", "Bo"}, "the term is not over"
        pass_time(gate, 3600)
        look(gate)
        assert templates(gate) == {"Ann"}
        assert has_key(gate, "Ann") and not has_key(gate, "Bo")
        (bo,) = [row for row in ask(settings, "residents") if row["name"] == "Bo"]
        assert bo["consent"] == "expired", "it was not withdrawn"
        assert erased(settings) == 1 and len(events(settings, "template expired")) == 1
        assert not examine(*read(settings)).findings
        look(gate)
        assert erased(settings) == 1
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert not events(settings, "older database") and not events(settings, "swept"), "all was written down"


def test_it_is_not_erased_by_a_time_that_is_not_trusted_nor_by_one_that_was_just_set_forward(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path, consent={"erase_after_days": 0}) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        ends_in(gate, "Ann", 60)
        set_date(gate, -3600)
        pass_time(gate, 120)
        look(gate)
        assert templates(gate) == {"Ann"}, "the time is not trusted"
        set_date(gate, 40 * DAY_S)
        look(gate)
        assert templates(gate) == {"Ann"}, "the date was just set forward"
        pass_time(gate, DAY_S / 2)
        look(gate)
        assert templates(gate) == {"Ann"}
        pass_time(gate, DAY_S / 2)
        look(gate)
        assert templates(gate) == set(), "the control: the date has stood for a day"


def test_a_mistaken_date_that_is_put_right_within_a_day_costs_nobody_their_template(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path, consent={"erase_after_days": 0}) as (gate, settings):
        enrol(settings, eye_at(gate), "Ann", 1, track=1)
        set_date(gate, 70 * 365 * DAY_S)
        pass_time(gate, DAY_S - 3 * LOOK_S)
        look(gate)
        assert templates(gate) == {"Ann"}
        set_date(gate, -70 * 365 * DAY_S)
        pass_time(gate, 2 * DAY_S)
        look(gate)
        assert templates(gate) == {"Ann"}, "the time is not trusted, until two people put it right"
        let_turn(gate)


@pytest.mark.parametrize("days", [0, 3])
def test_nobody_is_erased_whose_consent_holds_still(tmp_path: Path, board: BoardSimulator, days: int) -> None:
    with running_gate(tmp_path, board.path, consent={"erase_after_days": days}) as (gate, settings):
        enrol(settings, eye_at(gate), "Ann", 1, track=1)
        pass_time(gate, 30 * DAY_S)
        look(gate)
        assert templates(gate) == {"Ann"} and not erased(settings)
