# SPDX-License-Identifier: Apache-2.0
"""All that takes two people, on a real gate: nothing happens before, and what waits or was agreed to expires.

tests/unit/test_gate_oversight.py has who may agree, and to what exactly; test_gate_approvals.py the times;
test_gate_time.py what two people do about a wrong clock.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_gate.cli import reach as client
from edge_gate.cli.audit import read
from edge_gate.cli.status import find_faults
from edge_gate.core.errors import ApprovalNeeded
from edge_gate.gate.authorisation.approvals import MOST_OF_ONE_USER
from edge_gate.gate.authorisation.authorisation import POLICY_WAITS_S
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.spec.registry import SECOND
from edge_gate.store.templates import renewal
from edge_gate.wire.client import ask
from tests.support.clerk import ANNE, BERT, ROLES, Clerk
from tests.support.gates import change, eye_at, pass_time, settle, within
from tests.support.peers import CONSENT, events, pulsed, running_gate, until

# Each verb that may have to wait, with what it is asked.
WAITS: dict[str, dict[str, Any]] = {
    "enrol": {"name": "New", "consent": CONSENT},
    "templates-renew": {},
}
MINUTES = 15


OTHERWISE: dict[str, Any] = {
    "name": {"name": "Newer"},
    "until": {"consent": {**CONSENT, "until": "2099-12-31"}},
    "purpose": {"consent": {**CONSENT, "purpose": "opening the office"}},
    "given_by": {"consent": {**CONSENT, "given_by": "somebody else"}},
    "a field more": {"note": "x"},
}


def expired(settings: config.Config) -> list[str]:
    return [row.said["for"] for row in read(settings)[0] if row.verb == "approval expired"]


def test_these_tests_try_everything_that_may_have_to_wait() -> None:
    assert set(SECOND) == {
        *WAITS,
        "relay-test",
        "keys-escrow",
        "policy",
        "audit-accept",
        "clock-accept",
    }


def test_nothing_is_done_before_another_agrees_and_what_waits_or_was_agreed_to_expires(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path, roles={**ROLES, "people_per_hour": 1}) as (gate, settings):
        eye = eye_at(gate)
        settle(gate, "A", "B")
        until(lambda: ask(settings, "status")["eye"]["connected"])
        anne, bert = Clerk(gate, ANNE, "maintainer"), Clerk(gate, BERT, "maintainer")
        assert "ok" in anne.ask("forget", name="A")
        for verb, request in WAITS.items():
            assert anne.refused(verb, **request) == "ApprovalNeeded", verb
        waiting = bert.ask("approvals")["ok"]
        assert len(waiting) == len(WAITS) and all(0 < each["left_s"] <= 60 * MINUTES for each in waiting)
        assert [row["name"] for row in ask(settings, "residents")] == ["B"]
        assert within(gate, lambda: renewal.protection_status(gate.store)).renewals == 0
        assert not ask(settings, "status")["enrolling"]
        for each in waiting[:1]:
            assert "ok" in bert.ask("approve", id=each["id"])
        pass_time(gate, 60 * MINUTES)
        until(lambda: len(expired(settings)) == len(WAITS))
        assert sorted(expired(settings)) == sorted(WAITS)
        for each in waiting:
            assert bert.refused("approve", id=each["id"]) == "ApprovalUnknown"
        for verb, request in WAITS.items():
            assert anne.refused(verb, **request) == "ApprovalNeeded", "the agreement was used after its time"
        assert [row["name"] for row in ask(settings, "residents")] == ["B"]
        del eye


@pytest.mark.parametrize("field", OTHERWISE)
def test_an_approval_is_for_the_whole_request_and_not_for_a_name(
    tmp_path: Path, board: BoardSimulator, field: str
) -> None:
    """Agreed to is one enrolment. With another date, purpose or person who consents, it is another one."""
    with running_gate(tmp_path, board.path, roles={**ROLES, "people_per_hour": 1}) as (gate, settings):
        eye = eye_at(gate)
        settle(gate, "A")
        anne, bert = Clerk(gate, ANNE, "maintainer"), Clerk(gate, BERT, "maintainer")
        assert "ok" in anne.ask("forget", name="A")
        assert anne.refused("enrol", **WAITS["enrol"]) == "ApprovalNeeded"
        (request,) = bert.ask("approvals")["ok"]
        shown = request["fields"]
        assert (shown["name"], shown["consent.purpose"], shown["consent.given_by"]) == (
            "New",
            "opening the gate",
            "Ann",
        )
        assert CONSENT["until"][:4] in shown["consent.until"]
        assert bert.ask("approve", id=request["id"])["ok"]["fields"] == shown
        assert anne.refused("enrol", **{**WAITS["enrol"], **OTHERWISE[field]}) == "ApprovalNeeded"
        assert not gate.mode.enrolling and len(bert.ask("approvals")["ok"]) == 1, "another request"
        anne.start("enrol", **WAITS["enrol"])  # the control: what was agreed to
        until(lambda: ask(settings, "status")["enrolling"])
        del eye


def test_one_user_who_asks_for_much_keeps_nobody_else_from_asking(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path, roles={**ROLES, "people_per_hour": 1}) as (gate, _):
        eye = eye_at(gate)
        settle(gate, "A", "B")
        anne, bert = Clerk(gate, ANNE, "maintainer"), Clerk(gate, BERT, "maintainer")
        assert "ok" in anne.ask("forget", name="A")
        asked = [anne.refused("enrol", name=f"N{number}", consent=CONSENT) for number in range(20)]
        assert asked == ["ApprovalNeeded"] * MOST_OF_ONE_USER + ["Busy"] * (20 - MOST_OF_ONE_USER)
        assert bert.refused("enrol", name="Another", consent=CONSENT) == "ApprovalNeeded"
        assert bert.refused("templates-renew") == "ApprovalNeeded"
        assert "ok" in anne.ask("forget", name="B")
        del eye


@pytest.mark.parametrize("verb", ["forget", "withdraw"])
def test_nobodys_wish_to_be_erased_waits_and_many_of_them_are_told(
    tmp_path: Path, board: BoardSimulator, verb: str
) -> None:
    with running_gate(tmp_path, board.path, roles={**ROLES, "people_per_hour": 2}) as (gate, settings):
        eye = eye_at(gate)
        settle(gate, *"ABCDE")
        anne = Clerk(gate, ANNE, "maintainer")
        for name in "AB":
            assert "ok" in anne.ask(verb, name=name)
        assert ask(settings, "status")["many_erased"] == 0 and events(settings, "many erased") == []
        for name in "CD":
            assert "RECEIPT" in anne.ask(verb, name=name)["ok"]["receipt"]
        assert anne.ask("approvals")["ok"] == []
        told = [each["detail"] for each in events(settings, "many erased")]
        assert told == [{"operator": f"uid {ANNE}", "within the hour": number} for number in (4, 3)]
        rows = [row for row in read(settings)[0] if row.verb == verb]
        assert [row.said.get("within the hour") for row in rows] == [None, None, 3, 4]
        assert any(fault.startswith("residents: 2 ") for fault in find_faults(client.status(settings)))
        assert anne.refused("enrol", **WAITS["enrol"]) == "ApprovalNeeded", "the control: an enrolment waits"
        pass_time(gate, 24 * 3600)
        assert ask(settings, "status")["many_erased"] == 0
        del eye


def test_looser_settings_wait_for_a_day_and_then_for_the_next_start(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path, decision={"attempts": 2}, roles=ROLES) as (gate, _):
        settle(gate, "Ann")
    change(config.load(tmp_path / "site" / "edge-gate.toml"), "attempts = 2", "attempts = 9")
    with running_gate(tmp_path, board.path) as (gate, settings):
        (request,) = ask(settings, "approvals")
        assert POLICY_WAITS_S - 60 < request["left_s"] <= POLICY_WAITS_S
        pass_time(gate, POLICY_WAITS_S)
        until(lambda: expired(settings) == ["policy"])
        assert Clerk(gate, BERT, "installer").refused("approve", id=request["id"]) == "ApprovalUnknown"
        assert gate.recognition.policy.settings.attempts == 2
        assert ask(settings, "status")["policy"]["waiting"] == ["decision.attempts"]


def test_the_stores_key_is_not_printed_in_shares_by_root_alone_while_the_gate_runs(
    tmp_path: Path, board: BoardSimulator
) -> None:
    site = tmp_path / "site" / "edge-gate.toml"
    command = [sys.executable, "-m", "edge_gate.cli", "keys", "escrow", "--shares", "3", "--needed", "2"]

    def escrow() -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, "--config", str(site)], capture_output=True, text=True, check=False)

    with running_gate(tmp_path, board.path, roles=ROLES) as (gate, settings):
        alone = escrow()
        assert alone.returncode == ApprovalNeeded.exit_code and "Share" not in alone.stdout
        bert = Clerk(gate, BERT, "maintainer")
        assert bert.refused("keys-escrow", shares=3, needed=2) == "NotAllowed", "who cannot read the key"
        (request,) = bert.ask("approvals")["ok"]
        assert "3 shares" in request["what"]
        assert "ok" in bert.ask("approve", id=request["id"])
        assert escrow().stdout.count("Share") == 3
        assert escrow().returncode == ApprovalNeeded.exit_code, "once"
        (row,) = [row for row in read(settings)[0] if row.verb == "keys-escrow"]
        assert (row.said["shares"], row.said["needed"], row.said["approver"]) == (3, 2, f"uid {BERT}")


def test_a_door_that_is_held_is_not_opened_by_hand_by_one_alone(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path, models={"allow_unsigned": ()}, roles=ROLES) as (gate, _):
        settle(gate, "Ann")
        assert "ok" in Clerk(gate, ANNE, "installer").ask("relay-test"), "the control: else one is enough"
        assert pulsed(board)
    change(config.load(tmp_path / "site" / "edge-gate.toml"), "allow_unsigned = []", 'allow_unsigned = ["test-eyes"]')
    with running_gate(tmp_path, board.path) as (gate, settings):
        pulses = len(board.history)
        anne, bert = Clerk(gate, ANNE, "installer"), Clerk(gate, BERT, "installer")
        assert anne.refused("relay-test") == "ApprovalNeeded"
        (request,) = [each for each in bert.ask("approvals")["ok"] if "by hand" in each["what"]]
        assert anne.refused("approve", id=request["id"]) == "NotAllowed"
        assert len(board.history) == pulses
        assert "ok" in bert.ask("approve", id=request["id"])
        assert "ok" in anne.ask("relay-test")
        assert board.wait_until(lambda: [each.on for each in board.history[pulses:]] == [True, False], 5)
        rows = [row for row in read(settings)[0] if row.verb == "relay-test"]
        assert json.loads(rows[-1].detail) == {"approval": request["id"], "approver": f"uid {BERT}"}
        assert anne.refused("relay-test") == "ApprovalNeeded", "once"
