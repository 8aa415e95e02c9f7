# SPDX-License-Identifier: Apache-2.0
"""Time and number: approvals that run out, lock-outs that end, settings compared one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.errors import ApprovalUnknown, Busy, WireError
from edge_gate.gate.authorisation.approvals import LONGEST_BYTES, MOST_OF_ONE_USER, MOST_WAITING, Approvals, Matter
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
from edge_gate.rules.agreed_policy import held
from tests.support.clocks import HeldClock
from tests.support.gates import settle
from tests.support.peers import running_gate

HOUR_NS = 3600 * 10**9


def matter(verb: str = "enrol", **fields: Any) -> Matter:
    return Matter.of("something", {"verb": verb, **fields})


def test_a_request_is_good_until_its_time_is_over_and_not_a_moment_longer() -> None:
    clock = HeldClock(0)
    approvals = Approvals(clock)
    request, new = approvals.ask(matter(), 1, 60)
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
    request, _ = approvals.ask(matter(), 1, 60)
    approvals.approve(request, 2)
    clock.at_ns = 60 * 10**9
    assert approvals.use(matter(), 1) is None


def test_an_approval_is_for_one_user_one_verb_one_person_and_once() -> None:
    approvals = Approvals(HeldClock(0))
    request, _ = approvals.ask(matter(name="A"), 1, 60)
    assert approvals.use(matter(name="A"), 1) is None, "nobody has agreed"
    approvals.approve(request, 2)
    others = [(matter(name="A"), 3), (matter("templates-renew", name="A"), 1), (matter(name="B"), 1)]
    assert [approvals.use(*other) for other in others] == [None] * 3
    used = approvals.use(matter(name="A"), 1)
    assert used is not None and used.approver == 2
    assert approvals.use(matter(name="A"), 1) is None


SENT: dict[str, Any] = {"name": "Ann", "consent": {"given_by": "Ann", "purpose": "the gate", "until": "2027-03-31"}}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["name", "consent", "shares", "note"]), VALUES), st.data())
def test_an_approval_is_for_every_field_that_was_sent(sent: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is another request than the one agreed to, in any field, at any depth, finds no approval."""
    approvals = Approvals(HeldClock(0))
    approvals.approve(approvals.ask(matter(**sent), 1, 60)[0], 2)
    name = data.draw(st.sampled_from(["name", "consent", "shares", "note", "more"]))
    other = {**sent, name: data.draw(VALUES)}
    if json.dumps(other, sort_keys=True) != json.dumps(sent, sort_keys=True):
        assert approvals.use(matter(**other), 1) is None
    again = json.loads(json.dumps(dict(reversed(sent.items()))))
    assert approvals.use(matter(**again), 1) is not None, "the same fields in another order are the same request"


def test_every_field_is_shown_to_who_agrees_and_none_can_stand_for_another() -> None:
    shown = Matter.of("enrolling Ann", {"verb": "enrol", **SENT, "note": 7}, {"consent.until": "31 March"}).fields
    assert dict(shown) == {
        "consent.given_by": "Ann",
        "consent.purpose": "the gate",
        "consent.until": "31 March",
        "name": "Ann",
        "note": "7",
    }
    for name in ("consent.until", "na\nme", "n\u0430me", ""):
        with pytest.raises(WireError):
            matter(**SENT, **{name: "x"})
    with pytest.raises(WireError):
        matter(name="A", note="x" * LONGEST_BYTES)


def test_only_so_many_requests_of_one_user_wait_and_others_are_not_kept_from_asking() -> None:
    approvals = Approvals(HeldClock(0))
    asked = [approvals.ask(matter(name=str(number)), 1, 60)[0] for number in range(MOST_OF_ONE_USER)]
    assert not approvals.ask(matter(name="0"), 1, 60)[1]
    approvals.approve(asked[0], 2)
    with pytest.raises(Busy):
        approvals.ask(matter(name="one more"), 1, 60)
    for uid in range(2, 1 + MOST_WAITING // MOST_OF_ONE_USER):
        for number in range(MOST_OF_ONE_USER):
            approvals.ask(matter(name=str(number)), uid, 60)
    with pytest.raises(Busy):
        approvals.ask(matter(), 999, 60)
    assert len({each.id for each in approvals.waiting()}) == MOST_WAITING - 1
    approvals.use(matter(name="0"), 1)
    assert approvals.ask(matter(name="one more"), 1, 60)[1], "a place is free again"


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


def test_where_the_model_has_no_point_at_the_old_rate_nothing_is_opened(tmp_path: Path) -> None:
    """The card of these tests has one point, at 1e-4; another model's card had one at 1e-5."""

    def agree_to_a_lower_rate(gate: Gate) -> None:
        agreed = held(gate.authorisation.wanted) | {"decision.fmr": 1e-5}
        gate.authorisation.log.append("policy", actor="gate", role="gate", detail=agreed)

    with BoardSimulator("lcus1") as board:
        with running_gate(tmp_path, board.path) as (gate, _):
            settle(gate, "Ann")
            gate.call(lambda: agree_to_a_lower_rate(gate))
        with running_gate(tmp_path, board.path) as (gate, _):
            assert gate.authorisation.waiting_settings == ["decision.fmr"] and "fmr" in gate.authorisation.held
