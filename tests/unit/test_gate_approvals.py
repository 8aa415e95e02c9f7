# SPDX-License-Identifier: Apache-2.0
"""Time and number: approvals that run out, lock-outs that end, settings compared one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_gate.core.errors import ApprovalUnknown, Busy
from edge_gate.gate.authorisation.approvals import MOST_WAITING, Approvals
from edge_gate.gate.authorisation.lockout import (
    LOCKED_NS,
    MOST_USERS,
    REFUSALS,
    ROWS_PER_HOUR,
    WITHIN_NS,
    Lockouts,
    Note,
)
from edge_gate.gate.gate import Gate
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.rules.agreed_policy import AgreedPolicy
from edge_gate.settings.config import Config
from tests.support.clocks import HeldClock
from tests.support.peers import running_gate

HOUR_NS = 3600 * 10**9


def test_a_request_is_good_until_its_time_is_over_and_not_a_moment_longer() -> None:
    clock = HeldClock(0)
    approvals = Approvals(clock)
    request, new = approvals.ask("forget", "id", "forgetting A", 1, 60)
    assert new and approvals.left_s(request) == 60
    clock.at_ns = 60 * 10**9 - 1
    assert approvals.find(request.id) == request and approvals.expired() == []
    clock.at_ns += 1
    with pytest.raises(ApprovalUnknown):
        approvals.find(request.id)
    assert approvals.expired() == [request] and approvals.waiting() == []


def test_an_approval_that_is_not_used_runs_out_too() -> None:
    clock = HeldClock(0)
    approvals = Approvals(clock)
    request, _ = approvals.ask("forget", "id", "forgetting A", 1, 60)
    approvals.approve(request, 2)
    clock.at_ns = 60 * 10**9
    assert approvals.use("forget", "id", 1) is None


def test_an_approval_is_for_one_user_one_verb_one_person_and_once() -> None:
    approvals = Approvals(HeldClock(0))
    request, _ = approvals.ask("forget", "id", "forgetting A", 1, 60)
    assert approvals.use("forget", "id", 1) is None, "nobody has agreed"
    approvals.approve(request, 2)
    for other in (("forget", "id", 3), ("withdraw", "id", 1), ("forget", "other", 1)):
        assert approvals.use(*other) is None
    used = approvals.use("forget", "id", 1)
    assert used is not None and used.approver == 2
    assert approvals.use("forget", "id", 1) is None


def test_only_so_many_requests_wait() -> None:
    approvals = Approvals(HeldClock(0))
    for number in range(MOST_WAITING):
        approvals.ask("forget", str(number), "x", 1, 60)
    assert not approvals.ask("forget", "0", "x", 1, 60)[1]
    with pytest.raises(Busy):
        approvals.ask("forget", "one more", "x", 1, 60)


def test_a_lock_out_begins_with_the_fifth_refusal_in_a_minute_and_ends() -> None:
    lockouts = Lockouts()
    assert [lockouts.refused(1, number) for number in range(REFUSALS)] == [Note.REFUSED] * 4 + [Note.LOCKED_OUT]
    assert lockouts.locked_s(1, REFUSALS) == LOCKED_NS // 10**9 and lockouts.locked_s(2, REFUSALS) == 0
    assert lockouts.locked_s(1, LOCKED_NS + REFUSALS) == 0
    slow = [lockouts.refused(3, number * (WITHIN_NS // 4 + 1)) for number in range(10)]
    assert Note.LOCKED_OUT not in slow
    assert [lockouts.refused(0, number) for number in range(10)] == [Note.REFUSED] * 10, "root is not locked out"


def test_a_flood_is_so_many_rows_an_hour_and_one_that_counts_the_rest() -> None:
    lockouts = Lockouts()
    notes = [lockouts.refused(number, 1) for number in range(10 * MOST_USERS)]
    assert sum(note is not Note.NOTHING for note in notes) == ROWS_PER_HOUR
    assert lockouts.untold(HOUR_NS) == 0, "the hour is not over"
    assert lockouts.untold(1 + HOUR_NS) == 10 * MOST_USERS - ROWS_PER_HOUR
    assert lockouts.untold(2 + HOUR_NS) == 0
    assert lockouts.refused(1, 1 + HOUR_NS) is Note.REFUSED


@pytest.mark.parametrize(
    ("setting", "looser", "stricter"),
    [
        ("fmr", 1e-3, 1e-5),
        ("attempts", 4, 2),
        ("pulse_ms", 25_000, 300),
        ("people_per_hour", 11, 9),
        ("min_sightings", 2, 4),
        ("liveness", "off", "require"),
        ("challenge", "never", "always"),
        ("trusted_keys", ("a", "b", "c"), ("a",)),
        ("allow_unsigned", ("m", "n"), ()),
    ],
)
def test_the_stricter_of_two_settings_holds(setting: str, looser: Any, stricter: Any) -> None:
    agreed = AgreedPolicy(1e-4, 3, 3, 700, 10, "watch", "in-doubt", ("a", "b"), ("m",))
    wider, tighter = replace(agreed, **{setting: looser}), replace(agreed, **{setting: stricter})
    assert wider.looser(agreed) == [setting] and wider.stricter(agreed) == agreed
    assert tighter.looser(agreed) == [] and tighter.stricter(agreed) == tighter
    assert agreed.looser(agreed) == []


def test_another_key_in_the_place_of_one_is_wider_trust() -> None:
    agreed = AgreedPolicy.of(Config())
    assert replace(agreed, trusted_keys=("another",)).looser(agreed) == ["trusted_keys"]


def test_where_the_model_has_no_point_at_the_old_rate_nothing_is_opened(tmp_path: Path) -> None:
    """The card of these tests has one point, at 1e-4; another model's card had one at 1e-5."""

    def agree_to_a_lower_rate(gate: Gate) -> None:
        gate.authorisation.log.append(
            "policy", actor="gate", role="gate", detail=replace(gate.authorisation.wanted, fmr=1e-5).written()
        )

    with BoardSimulator("lcus1") as board:
        with running_gate(tmp_path, board.path) as (gate, _):
            gate.call(lambda: agree_to_a_lower_rate(gate))
        with running_gate(tmp_path, board.path) as (gate, _):
            assert gate.authorisation.looser == ["fmr"] and "fmr" in gate.authorisation.held
