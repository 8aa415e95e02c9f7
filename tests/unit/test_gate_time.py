# SPDX-License-Identifier: Apache-2.0
"""A wrong clock at a real gate: what somebody who sets the date gains, and how a site gets out of a mistake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edge_gate import cli
from edge_gate.cli.audit import read
from edge_gate.gate.gate import Gate
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.store.audit.chain import Row, examine
from edge_gate.wire.client import GateRefused, ask
from tests.support.clerk import ANNE, BERT, ROLES, Clerk
from tests.support.clocks import WindableClock
from tests.support.gates import ends_in, eye_at, pass_time, set_date, settle, today, within
from tests.support.peers import CONSENT, RawEye, enrol, events, running_gate, until

MINUTE_S = 60
# So many that the limiter of tries, which has tests of its own, asks nobody here to wait.
PATIENT: dict[str, Any] = {"decision": {"attempts": 20}}
HOUR_S = 3600
DAY_S = 24 * HOUR_S


def set_date_while_off(folder: Path, seconds: float) -> None:
    """Set the machine's date forward, or back, between two runs of the gate."""
    clock = WindableClock.of(folder)
    clock.set_back(-seconds)
    clock.leave_in(folder)


def opens(settings: config.Config, eye: RawEye, person: int, track: int) -> bool:
    """Whether somebody who walks up is let in."""
    before = len(events(settings, "opened"))
    eye.walk_up(person, track=track, views=12)
    until(lambda: ask(settings, "status")["door"]["state"] == "secure" and not events(settings, "opening"))
    eye.step_away()
    return len(events(settings, "opened")) > before


def rows(settings: config.Config, *verbs: str) -> list[Row]:
    return [row for row in read(settings)[0] if row.verb in verbs]


def kinds(settings: config.Config) -> list[str]:
    return [each["kind"] for each in events(settings)]


def test_an_expired_consent_opens_to_nobody_from_its_last_instant_on_and_others_come_in(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path, **PATIENT) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        enrol(settings, eye, "Bo", 2, track=2)
        ends_in(gate, "Bo", 30)
        assert opens(settings, eye, 2, 3), "the control: it holds until then"
        ends_in(gate, "Bo", 30)

        def at_its_end() -> int:
            """How many are compared in the turn in which it ends, before that turn looks at the time."""
            gate.clock.wind(30)  # type: ignore[attr-defined]
            return len(gate.recognition.gallery.ids)

        assert within(gate, at_its_end) == 1
        assert not opens(settings, eye, 2, 5)
        assert opens(settings, eye, 1, 6), "the control"


@pytest.mark.parametrize("restarts", [False, True])
def test_a_consent_that_has_ended_never_opens_again_though_the_clock_is_put_back(
    tmp_path: Path, board: BoardSimulator, restarts: bool
) -> None:
    with running_gate(tmp_path, board.path, **PATIENT) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        enrol(settings, eye, "Bo", 2, track=2)
        ends_in(gate, "Bo", 30)
        pass_time(gate, 31)
        assert not opens(settings, eye, 2, 3)
        if not restarts:
            set_date(gate, -5 * MINUTE_S)
            assert not opens(settings, eye, 2, 4)
            assert opens(settings, eye, 1, 5), "the control: hers holds"
    if restarts:
        set_date_while_off(tmp_path, -5 * MINUTE_S)
        with running_gate(tmp_path, board.path, **PATIENT) as (gate, settings):
            eye = eye_at(gate)
            assert not opens(settings, eye, 2, 6)
            assert opens(settings, eye, 1, 7), "the control"


def test_in_1970_consents_are_judged_by_the_time_that_is_counted_on_and_nobody_is_enrolled(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path, **PATIENT) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        enrol(settings, eye, "Bo", 2, track=2)
        ends_in(gate, "Bo", 10 * MINUTE_S)
    years = (datetime.now(UTC) - datetime(1970, 1, 2, tzinfo=UTC)).total_seconds()
    set_date_while_off(tmp_path, -years)
    with running_gate(tmp_path, board.path, **PATIENT) as (gate, settings):
        eye = eye_at(gate)
        with pytest.raises(GateRefused, match="time is not trusted"):
            enrol(settings, eye, "Cy", 3, track=4)
        assert "1970-01-02" in ask(settings, "status")["clock"]["fault"]
        assert opens(settings, eye, 2, 3), "it holds at the newest time that is known"
        assert "Cy" not in [row["name"] for row in ask(settings, "residents")]
        pass_time(gate, 10 * MINUTE_S)
        assert not opens(settings, eye, 2, 5), "it ended meanwhile, by the clock that runs"
        assert opens(settings, eye, 1, 6)
        assert "time not trusted" in kinds(settings) and rows(settings, "time not trusted")
        started = rows(settings, "started")
        assert [row.time_trusted for row in started] == [True, False]
        assert started[-1].at > started[0].at
        set_date(gate, years)
        assert ask(settings, "status")["clock"]["fault"] is None and "time trusted" in kinds(settings)
        assert not opens(settings, eye, 2, 7)
        assert enrol(settings, eye, "Cy", 3, track=8), "the control"


def test_an_hour_on_the_clock_is_no_hour_for_what_one_person_may_change(tmp_path: Path, board: BoardSimulator) -> None:
    new = {"name": "New", "consent": CONSENT}
    with running_gate(tmp_path, board.path, roles={**ROLES, "people_per_hour": 2}) as (gate, settings):
        eye = eye_at(gate)
        settle(gate, "A", "B")
        anne = Clerk(gate, ANNE, "maintainer")
        assert "ok" in anne.ask("forget", name="A") and "ok" in anne.ask("forget", name="B")
        assert anne.refused("enrol", **new) == "ApprovalNeeded"
        set_date(gate, 61 * MINUTE_S)
        assert anne.refused("enrol", **new) == "ApprovalNeeded"
        del eye
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        anne = Clerk(gate, ANNE, "maintainer")
        assert anne.refused("enrol", **new) == "ApprovalNeeded", "a restart is no hour either"
        pass_time(gate, HOUR_S + 1)
        until(lambda: ask(settings, "status")["eye"]["connected"])
        anne.start("enrol", **new)
        until(lambda: ask(settings, "status")["enrolling"])  # the control: an hour that has passed
        del eye


def test_audit_rows_never_go_back_and_a_jump_is_a_row_and_an_event(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        ask(settings, "pause")
        set_date(gate, -3 * HOUR_S)
        ask(settings, "resume")
        set_date(gate, 5 * HOUR_S)
        ask(settings, "pause")
        ask(settings, "resume")
        log, checkpoints, end = read(settings)
        at = [row.at for row in log]
        assert at == sorted(at)
        seen = examine(log, checkpoints, end)
        assert not seen.findings and not seen.backwards and seen.untrusted
        back, forward = rows(settings, "clock set")
        assert back.said["from"] > back.said["to"] and forward.said["from"] < forward.said["to"]
        assert kinds(settings).count("clock set") == 2
        assert [row.time_trusted for row in rows(settings, "pause", "resume")] == [True, False, True, True]
        (told,) = rows(settings, "time not trusted")
        assert not told.time_trusted


def test_however_often_the_date_is_set_the_log_grows_by_few_rows(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        for _ in range(60):
            set_date(gate, 3)
        assert 15 <= len(rows(settings, "clock set")) <= 25
        pass_time(gate, HOUR_S)
        last = rows(settings, "clock set")[-1]
        gap = datetime.fromisoformat(last.said["to"]) - datetime.fromisoformat(last.said["from"])
        assert gap > timedelta(seconds=60), "what was not told alone is told together"


def mistaken(gate: Gate, settings: config.Config) -> Clerk:
    """Have the machine be in 2099 for a moment, and right again; return somebody who wants to put it right."""
    far = (datetime(2099, 6, 1, tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    set_date(gate, far)
    set_date(gate, -far)
    assert "it was 2099" in ask(settings, "status")["clock"]["fault"]
    return Clerk(gate, ANNE, "maintainer")


def test_a_date_that_was_too_late_lets_nobody_in_until_two_people_put_it_right(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path, roles=ROLES) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        assert Clerk(gate, ANNE, "maintainer").refused("clock-accept", day=today(gate)) == "TimeRefused", (
            "trusted already"
        )
        anne = mistaken(gate, settings)
        assert not opens(settings, eye, 1, 2)
        assert anne.refused("clock-accept", day=today(gate)) == "ApprovalNeeded"
        assert anne.refused("clock-accept", day="2026-03-01") == "TimeRefused", "another day than by the watch"
        assert not opens(settings, eye, 1, 3), "one alone puts nothing right"
        bert = Clerk(gate, BERT, "installer")
        (waiting,) = bert.ask("approvals")["ok"]
        assert "2099" in waiting["what"]
        assert anne.refused("approve", id=waiting["id"]) == "NotAllowed"
        assert "ok" in bert.ask("approve", id=waiting["id"])
        assert "ok" in anne.ask("clock-accept", day=today(gate))
        assert ask(settings, "status")["clock"]["fault"] is None
        assert opens(settings, eye, 1, 4)
        assert "clock accepted" in kinds(settings)
        (accepted,) = rows(settings, "clock-accept")
        assert accepted.said["approver"] == f"uid {BERT}"
        seen = examine(*read(settings))
        assert not seen.findings and seen.backwards == [accepted.seq]
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert ask(settings, "status")["clock"]["fault"] is None, "it outlives a restart"
        assert opens(settings, eye_at(gate), 1, 5)


def test_the_command_says_what_it_is_given_and_what_was_not_done(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        site = str(settings.store.path.with_name("edge-gate.toml"))

        def accept(day: str) -> str:
            done = CliRunner().invoke(cli.group, ["clock", "accept", day, "--config", site])
            return done.output + str(done.exception)

        assert "Write it as 2027-03-31" in accept("31 March")
        assert "it is trusted already" in accept(today(gate))
        mistaken(gate, settings)
        assert "needs a second person" in accept(today(gate))
        (waiting,) = ask(settings, "approvals")
        assert "going back to" in waiting["what"] and "2099" in waiting["what"]


def test_1970_is_not_accepted_by_two_people_either(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path, roles=ROLES) as (gate, settings):
        set_date(gate, -50 * 365 * DAY_S)
        answer = Clerk(gate, ANNE, "maintainer").ask("clock-accept", day=today(gate))["error"]
        assert answer["kind"] == "TimeRefused" and "Set it first" in answer["message"]
        assert ask(settings, "status")["clock"]["fault"]


def test_a_row_that_is_dated_back_without_anybodys_agreement_is_a_finding(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        ask(settings, "pause")
        assert not examine(*read(settings)).findings, "the control"

        def backdate() -> None:
            """Go on an hour earlier, as somebody could who has the key of the store and its keyring."""
            gate.clock.set_back(HOUR_S)  # type: ignore[attr-defined]
            with gate.store.clock.accepting():
                gate.authorisation.log.append("resume", actor="uid 0", role="root")

        within(gate, backdate)
        assert "dated before" in examine(*read(settings)).findings[0].text
