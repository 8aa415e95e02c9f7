# SPDX-License-Identifier: Apache-2.0
"""The control socket and the desk behind it: who may call, what they may say, and what an operator cannot do."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_gate.cli import reach
from edge_gate.core.errors import NotAllowed
from edge_gate.core.exit_codes import ExitCode
from edge_gate.gate.authorisation.roles import groups
from edge_gate.gate.control.server import IDLE_NS, MOST_OF_ONE_USER
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings.config import Config
from edge_gate.store.audit import log as audit_log
from edge_gate.wire.client import GateRefused, ask, converse
from tests.support.clocks import WindableClock
from tests.support.gates import eye_at, pass_time, settle, within
from tests.support.peers import CONSENT, embedding, enrol, events, running_gate, until


def test_withdrawn_consent_ends_recognition_at_once(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        ask(settings, "withdraw", name="Ann")
        eye.walk_up(1, track=2, views=12, pause_s=0.08)
        eye.step_away()
        assert events(settings, "no match")
        assert [row["consent"] for row in ask(settings, "residents")] == ["withdrawn"]
    assert not any(change.on for change in board.history)


def test_a_second_withdrawal_signs_nothing_over_nothing(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path, roles={"people_per_hour": 1}) as (gate, settings):
        settle(gate, "Ann")
        assert "RECEIPT OF A WITHDRAWAL" in ask(settings, "withdraw", name="Ann")["receipt"]
        log, told = len(within(gate, lambda: audit_log.rows(gate.store))), len(events(settings))
        with pytest.raises(GateRefused, match="nothing to withdraw") as refusal:  # and counts for nothing
            ask(settings, "withdraw", name="Ann")
        assert refusal.value.exit_code == ExitCode.CONSENT_MISSING
        assert len(within(gate, lambda: audit_log.rows(gate.store))) == log and len(events(settings)) == told
        within(gate, lambda: gate.store.run("UPDATE consent SET withdrawn_at = NULL"))  # as an old backup has it
        assert "RECEIPT OF A WITHDRAWAL" in ask(settings, "withdraw", name="Ann")["receipt"]


@pytest.mark.parametrize("consent", [None, {}, {**CONSENT, "until": "2020-01-01"}, {**CONSENT, "given_by": ""}])
def test_nobody_is_enrolled_without_a_valid_consent(tmp_path: Path, board: BoardSimulator, consent: Any) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye_at(gate)
        with pytest.raises(GateRefused) as refusal:
            ask(settings, "enrol", name="Ann", consent=consent)
        assert refusal.value.exit_code in (60, 70)
        assert ask(settings, "residents") == []


def test_the_same_person_is_not_enrolled_under_two_names(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        with pytest.raises(GateRefused, match="too like Ann"):
            enrol(settings, eye, "Not Ann", 1, track=2)
        with pytest.raises(GateRefused, match="already"):
            ask(settings, "enrol", name="Ann", consent=CONSENT)
        assert [row["name"] for row in ask(settings, "residents")] == ["Ann"]


def say(path: Path, data: bytes) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer: dict[str, Any] = json.loads(connection.makefile("rb").readline())
        return answer


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"{}\n",
        b"[1]\n",
        b"null\n",
        b'{"verb": 1}\n',
        b'{"verb": "open"}\n',
        b"\xff\xfe\n",
        b"[" * 9000 + b"\n",
        b'{"verb": "events", "limit": 1e9}\n',
        b'{"verb": "forget"}\n',
        b"x" * 20_000,
    ],
)
def test_a_bad_request_gets_a_clear_error_and_harms_nobody(tmp_path: Path, board: BoardSimulator, data: bytes) -> None:
    with running_gate(tmp_path, board.path) as (_, settings):
        assert say(settings.sockets.control, data)["error"]["kind"] == "WireError"
        assert ask(settings, "status")["door"]["state"] == "secure"


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_a_consent_until_a_date_that_utc_does_not_know_is_refused_before_the_camera_is_used(
    tmp_path: Path, board: BoardSimulator, until: str
) -> None:
    """Else the gate would end when it wrote the consent down, at the end of the enrolment."""
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye_at(gate)
        with pytest.raises(GateRefused, match="not a date"):
            ask(settings, "enrol", name="Ann", consent={**CONSENT, "until": until})
        assert not ask(settings, "status")["enrolling"]


ABSURD: list[Any] = [
    "", " ", "today", "24:00", "2027-03-31T24:00:00Z", "0000-01-01", "0001-01-01", "9999-12-31", "9999-12-31T23:59:59Z",
    "10000-01-01", "2027-02-29", "2027-13-01T00:00:00Z", "2027-03-31T12:00:00+99:00", "1" * 40, "\udc80", None, 7,
    1e999, [], {}, True,
]  # fmt: skip


def test_an_absurd_date_of_a_consent_is_refused_in_a_sentence(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye_at(gate)
        for absurd in ABSURD:
            with pytest.raises(GateRefused, match=r"until\b.*(date|bounds|line of text)") as refusal:
                ask(settings, "enrol", name="Ann", consent={**CONSENT, "until": absurd})
            assert refusal.value.exit_code == 70 and "\n" not in str(refusal.value)
        assert not ask(settings, "status")["enrolling"]


@pytest.mark.parametrize(
    ("zone", "today"), [("Pacific/Kiritimati", 14), ("Asia/Kolkata", 5.5), ("Pacific/Pago_Pago", -11)]
)
def test_a_consent_for_today_holds_to_the_end_of_the_day_at_the_site(
    tmp_path: Path, board: BoardSimulator, zone: str, today: float
) -> None:
    """At any hour: the gate's clock is wound to before and after midnight there."""
    with running_gate(tmp_path, board.path, site={"time_zone": zone}) as (gate, settings):
        clock = gate.clock
        assert isinstance(clock, WindableClock)
        for wanted_h in (0.02, 23.98):
            there = clock.now() + timedelta(hours=today)
            since_midnight_h = (there - there.replace(hour=0, minute=0, second=0, microsecond=0)) / timedelta(hours=1)
            clock.wind(3600 * ((wanted_h - since_midnight_h) % 24))
            day = (clock.now() + timedelta(hours=today)).date()
            with pytest.raises(GateRefused, match="eye is not connected"):  # and not: the consent would be over
                ask(settings, "enrol", name="Ann", consent={**CONSENT, "until": day.isoformat()})
            yesterday = (day - timedelta(days=1)).isoformat()
            with pytest.raises(GateRefused, match=f"would be over: it would hold until {yesterday}") as refusal:
                ask(settings, "enrol", name="Ann", consent={**CONSENT, "until": yesterday})
            assert refusal.value.exit_code == 60


def test_half_a_character_pair_in_a_request_comes_back_as_it_was_spelt(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (_, settings):
        for request in (
            rb'{"verb": "\ud800"}',
            rb'{"verb": "approve", "id": "\ud800"}',
            rb'{"verb": "withdraw", "name": "A\ud800"}',
            rb'{"verb": "audit-resident", "name": "\ud800"}',
            rb'{"verb": "events", "kind": "\ud800"}',
        ):
            assert "error" in say(settings.sockets.control, request + b"\n")
        assert ask(settings, "status")["door"]["state"] == "secure"


def test_an_enrolment_ends_when_its_operator_leaves(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        lines = converse(settings, "enrol", name="Ann", consent=CONSENT)

        def come() -> None:
            until(lambda: ask(settings, "status")["enrolling"])
            eye.see(embedding(1))

        person = threading.Thread(target=come)
        person.start()
        assert next(lines)["taken"] == 1
        person.join()
        with pytest.raises(GateRefused, match="under way"):
            ask(settings, "enrol", name="Bo", consent=CONSENT)
        with pytest.raises(GateRefused, match="under way"):
            ask(settings, "pause")
        lines.close()  # type: ignore[attr-defined]
        until(lambda: not ask(settings, "status")["enrolling"])
        assert events(settings, "enrolment failed") and ask(settings, "residents") == []


def test_a_caller_who_never_reads_is_cut_off_and_the_rest_is_served(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings), socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(settings.sockets.control))
        deaf.settimeout(0.1)
        with pytest.raises(ConnectionError):
            for _ in range(3000):
                with suppress(TimeoutError):
                    deaf.sendall(b'{"verb": "status"}\n' * 20)
                    continue
                pass_time(gate, IDLE_NS / 1e9 + 1)
        assert ask(settings, "status")["door"]["state"] == "secure"


def test_too_many_callers_of_one_user_are_told_so(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (_, settings), ExitStack() as stack:
        for _ in range(MOST_OF_ONE_USER):
            idle = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            idle.connect(str(settings.sockets.control))
        with pytest.raises(GateRefused, match="4 callers of this user"):
            ask(settings, "status")


def test_who_may_not_reach_the_socket_is_told_every_group_that_may(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: socket.socket, __: object) -> None:
        raise PermissionError

    settings = Config()
    monkeypatch.setattr(socket.socket, "connect", closed)
    with pytest.raises(NotAllowed) as refusal:
        reach.ask(settings, "status")
    said = str(refusal.value)
    assert groups(settings) and [group for group in groups(settings) if group not in said] == []
    assert "log out and in again" in said


@pytest.mark.parametrize("name", ["Аnn", "ANN", "\u3164", "(forgotten)", "Ann\u200b"], ids=ascii)
def test_nobody_is_enrolled_under_a_name_that_deceives(tmp_path: Path, board: BoardSimulator, name: str) -> None:
    """The control is a name that does not, and one that was refused as a name's spelling before."""
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        with pytest.raises(GateRefused, match=r"kept as a name|looks like"):
            ask(settings, "enrol", name=name, consent=CONSENT)
        enrol(settings, eye, "علی\u200cرضا", 2, track=2)
        assert {row["name"] for row in ask(settings, "residents")} == {"Ann", "علی\u200cرضا"}
