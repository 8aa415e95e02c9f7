# SPDX-License-Identifier: Apache-2.0
"""What goes wrong beside the gate: files in a socket's place, stores that fail for a moment, handlers that break."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_gate.cli.status import faults_by_part
from edge_gate.core.errors import AlreadyRunning, InternalFault, SocketUnusable, StoreFull, WireError
from edge_gate.core.exit_codes import ExitCode
from edge_gate.documents.guidance import text
from edge_gate.gate.gate import Gate
from edge_gate.gate.mode import REMEDIES
from edge_gate.gate.peers.unix_socket import listen
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.rules.enrolment import TIMEOUT_S
from edge_gate.settings import config
from edge_gate.spec import registry
from edge_gate.store import events as stored_events
from edge_gate.store.database import Store
from edge_gate.store.people import residents
from edge_gate.store.templates import templates
from edge_gate.wire import client
from edge_gate.wire.client import GateRefused, ask
from edge_gate.wire.eye import EYE_LINK, AcquisitionFailure, CameraState, Command, EyeMode, InfraredCamera
from edge_gate.wire.frame import Direction, decode
from edge_gate.wire.status import GateStatus
from tests.support.clerk import ANNE, BERT, ROLES, Clerk
from tests.support.gates import PATIENCE_S, change, eye_at, let_turn, pass_time, settle, within
from tests.support.peers import CONSENT, embedding, enrol, events, pulsed, running_gate, until

KINDS = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)


def file(path: Path) -> None:
    path.write_bytes(b"a store")


def folder(path: Path) -> None:
    path.mkdir()


def link(path: Path) -> None:
    target = path.with_name("target")
    target.write_bytes(b"a store")
    path.symlink_to(target)


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [file, folder, link, dangling, pipe])
def test_what_is_no_socket_is_never_removed_for_one(
    tmp_path: Path, make: Callable[[Path], None], kind: socket.SocketKind
) -> None:
    path = tmp_path / "control.sock"
    make(path)
    before = path.lstat()
    with pytest.raises(SocketUnusable, match="not a socket"):
        listen(path, kind, 0o660)
    after = path.lstat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, before.st_size)


@pytest.mark.parametrize("kind", KINDS)
def test_a_socket_left_over_is_replaced_one_that_is_served_is_not_and_another_users_stays(
    tmp_path: Path, kind: socket.SocketKind
) -> None:
    path = tmp_path / "control.sock"
    left = listen(path, kind, 0o660)
    with pytest.raises(AlreadyRunning):
        listen(path, kind, 0o660)
    left.close()
    listen(path, kind, 0o660).close()
    if os.getuid() == 0:
        os.chown(path, 54_321, -1)
        with pytest.raises(SocketUnusable, match="54321"):
            listen(path, kind, 0o660)
        assert stat.S_ISSOCK(path.lstat().st_mode)


@pytest.mark.parametrize("place", ["file/control.sock", "x" * 120, "a/" + "y" * 110, "n" * 300])
def test_a_place_in_which_no_socket_can_be_made_is_a_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SocketUnusable, match="cannot be made"):
        listen(tmp_path / place, socket.SOCK_STREAM, 0o660)


def test_a_pause_outlasts_a_restart_until_it_is_resumed(tmp_path: Path, board: BoardSimulator) -> None:
    def mode_told(gate: Gate) -> EyeMode:
        eye = eye_at(gate)
        told = decode(EYE_LINK, Direction.FROM_GATE, eye.connection.recv(64))
        assert isinstance(told, Command)
        return told.verb

    with running_gate(tmp_path, board.path) as (gate, settings):
        ask(settings, "pause")
        assert mode_told(gate) is EyeMode.PAUSE
    for _ in range(2):
        with running_gate(tmp_path, board.path) as (gate, settings):
            assert ask(settings, "status")["paused"] and mode_told(gate) is EyeMode.PAUSE
            with pytest.raises(GateRefused, match="gate is paused"):
                ask(settings, "enrol", name="Ann", consent={"purpose": "x", "given_by": "x", "until": "2099-01-01"})
    with running_gate(tmp_path, board.path) as (_, settings):
        ask(settings, "resume")
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert not ask(settings, "status")["paused"] and mode_told(gate) is EyeMode.WATCH


def test_who_stands_there_when_the_gate_is_paused_is_neither_told_of_nor_let_in(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        eye.step_away()
        eye.see(embedding(1, seed=1), track=2)
        let_turn(gate)
        assert ask(settings, "status")["approach"] is not None
        watching = eye.order
        ask(settings, "pause")
        assert ask(settings, "status")["approach"] is None
        for number in range(20):  # what was on its way when the eye was told
            eye.see(embedding(1, seed=number), track=2, order=watching)
            eye.wait(0.04)
        assert ask(settings, "status")["approach"] is None
        assert not board.history and not events(settings, "opened")
        ask(settings, "resume")
        eye.step_away()
        eye.walk_up(1, track=3, views=12)
        assert pulsed(board)


FAULTS = [each for each in CameraState if each not in (CameraState.STARTING, CameraState.WORKING)]


@pytest.mark.parametrize("fault", FAULTS)
def test_nobody_is_asked_to_stand_before_a_camera_that_is_at_fault(
    tmp_path: Path, board: BoardSimulator, fault: CameraState
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        eye.health(fault)
        let_turn(gate)
        with pytest.raises(GateRefused, match=f"{fault.name.lower()}. {REMEDIES[fault]}") as refused:
            ask(settings, "enrol", name="Ann", consent=CONSENT)
        assert refused.value.exit_code == ExitCode.EYE_ABSENT
        assert not ask(settings, "status")["enrolling"] and not events(settings, "enrolment failed")
        eye.health(CameraState.WORKING)
        let_turn(gate)
        enrol(settings, eye, "Ann", 1, track=1)


@pytest.mark.parametrize("camera", InfraredCamera)
def test_a_second_camera_that_fails_is_told_and_one_that_works_or_is_not_there_is_not(
    tmp_path: Path, board: BoardSimulator, camera: InfraredCamera
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        eye.health(infrared=camera)
        let_turn(gate)
        state = GateStatus.read(ask(settings, "status"))
        assert state.eye.infrared == camera.name.lower()
        told = [part for part, _ in faults_by_part(state) if part == "infrared"]
        assert told == ["infrared"] * (camera is InfraredCamera.FAILING)


@pytest.mark.parametrize("name", ["علی\u200cرضا", "क्\u200dष"])
def test_a_name_that_needs_a_joiner_goes_the_whole_way(tmp_path: Path, board: BoardSimulator, name: str) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        enrol(settings, eye_at(gate), name, 1, track=1)
        assert [each["name"] for each in ask(settings, "residents")] == [name]
        assert ask(settings, "forget", name=name)["name"] == name


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 101, "a\u202eb", "a\u200eb", "\u200d", "a\x00", 3, None])
def test_a_name_that_is_none_is_refused_before_the_camera_is_used(
    tmp_path: Path, board: BoardSimulator, name: object
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        with pytest.raises(GateRefused):
            ask(settings, "enrol", name=name, consent=CONSENT)
        assert not ask(settings, "status")["enrolling"]
        del eye


@contextmanager
def enrolling(settings: config.Config) -> Iterator[Callable[[], GateRefused]]:
    """Begin an enrolment; yield what returns how it failed."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: list(client.converse(settings, "enrol", name="Ann", consent=CONSENT)))
        until(lambda: asked.done() or ask(settings, "status")["enrolling"])

        def failure() -> GateRefused:
            error = asked.exception(PATIENCE_S)
            assert isinstance(error, GateRefused) and error.exit_code == ExitCode.ENROLMENT_FAILED
            return error

        yield failure


@pytest.mark.parametrize("fault", [*FAULTS, None])
def test_an_enrolment_ends_with_the_eye_that_it_needs_and_says_so(
    tmp_path: Path, board: BoardSimulator, fault: CameraState | None
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        with enrolling(settings) as failure:
            eye.walk_up(1, track=1, views=3)
            if fault is None:
                eye.connection.close()
            else:
                eye.health(fault)
            told = str(failure())
        assert "Nothing was stored" in told
        assert (fault.name.lower() if fault else "not connected") in told
        (event,) = events(settings, "enrolment failed")
        assert (fault.name.lower() if fault else "not connected") in event["detail"]["reason"]


@pytest.mark.parametrize("refusal", [each for each in AcquisitionFailure if each is not AcquisitionFailure.NONE])
def test_an_enrolment_that_takes_too_long_says_what_was_mostly_the_matter(
    tmp_path: Path, board: BoardSimulator, refusal: AcquisitionFailure
) -> None:
    other = next(each for each in AcquisitionFailure if each not in (AcquisitionFailure.NONE, refusal))
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        with enrolling(settings) as failure:
            for each in (other, refusal, refusal):
                eye.see(refusal=each)
                eye.wait(0.1)
            pass_time(gate, TIMEOUT_S)
            told = str(failure())
        assert (
            f'only 0 of 16 good views in 60 seconds. What the person was told most often: "{text(refusal, "en")}"'
            in told
        )


@pytest.mark.parametrize(("views", "says"), [(0, "nobody was in view. One person has to stand"), (3, "stay in view")])
def test_an_enrolment_of_nobody_says_what_to_do(tmp_path: Path, board: BoardSimulator, views: int, says: str) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        with enrolling(settings) as failure:
            eye.walk_up(1, track=1, views=views, pause_s=0.2)
            pass_time(gate, TIMEOUT_S + 1)
            assert says in str(failure())


def test_a_rate_that_the_card_lacks_is_never_offered_for_approval_and_the_gate_starts_again(
    tmp_path: Path, board: BoardSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    with running_gate(tmp_path, board.path, decision={"fmr": 1e-4}, roles=ROLES) as (gate, settings):
        settle(gate, "Ann")
    change(settings, "fmr = 0.0001", "fmr = 0.001")
    for _ in range(2):
        with running_gate(tmp_path, board.path) as (gate, settings):
            assert ask(settings, "approvals") == [] and "decision.fmr" in ask(settings, "status")["policy"]["waiting"]
            assert gate.recognition.point.fmr == 1e-4
            assert "no measured threshold" in caplog.text


@contextmanager
def failing_once(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, times: int = 1) -> Iterator[list[int]]:
    """Have a function of the store fail so many times, then work."""
    whole, calls = getattr(module, name), [0]

    def fails(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] <= times:
            raise StoreFull("the store")
        return whole(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, fails)
        yield calls


def test_who_stands_there_is_let_in_once_the_store_works_again(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        eye.step_away()
        with failing_once(monkeypatch, stored_events, "append", times=2) as calls:
            eye.walk_up(1, track=2, views=6)
            until(lambda: calls[0] >= 3)
        assert pulsed(board)
        assert len(events(settings, "opened")) == 1


def test_an_enrolment_that_was_stored_is_told_as_one_whatever_becomes_of_the_gallery(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        with failing_once(monkeypatch, templates, "references"):
            assert enrol(settings, eye, "Ann", 1, track=1)[-1]["name"] == "Ann"
        assert [each["name"] for each in ask(settings, "residents")] == ["Ann"]
        pass_time(gate, 2)
        assert ask(settings, "status")["residents_in_gallery"] == 1
        assert ask(settings, "status")["store"]["fault"] is None


@pytest.mark.parametrize("verb", ["withdraw", "forget"])
def test_nobody_is_compared_with_a_template_that_went_although_the_gallery_cannot_be_read(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        enrol(settings, eye, "Bo", 2, track=2)
        (bo,) = {each.id for each in within(gate, lambda: residents.everyone_known(gate.store)) if each.name == "Bo"}
        with failing_once(monkeypatch, templates, "references", times=10**6):
            assert ask(settings, verb, name="Ann")["name"] == "Ann"
            assert within(gate, lambda: gate.recognition.gallery.ids) == (bo,)
            assert "no room" in ask(settings, "status")["store"]["fault"]
            pass_time(gate, 2)
            assert ask(settings, "status")["residents_in_gallery"] == 0, "the store was asked again, and failed"
        pass_time(gate, 2)
        assert within(gate, lambda: gate.recognition.gallery.ids) == (bo,)
        assert ask(settings, "status")["store"]["fault"] is None


def test_what_waits_is_shown_to_whom_it_may_concern(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path, roles={**ROLES, "people_per_hour": 1}) as (gate, _):
        settle(gate, "Ann")
        anne, installer = Clerk(gate, ANNE, "maintainer"), Clerk(gate, BERT, "installer")
        assert "ok" in anne.ask("forget", name="Ann")
        eye = eye_at(gate)
        eye.health(1)
        let_turn(gate)
        asked = {"name": "Cy", "consent": CONSENT}
        assert anne.refused("enrol", **asked) == anne.refused("templates-renew") == "ApprovalNeeded"
        assert len(anne.ask("approvals")["ok"]) == 2
        (seen,) = installer.ask("approvals")["ok"]
        assert seen["what"] == "giving all templates new axes" and "Cy" not in json.dumps(seen)


def test_a_group_that_gives_two_roles_gives_both(tmp_path: Path, board: BoardSimulator) -> None:
    both = {**ROLES, "installer": ROLES["auditor"]}
    with running_gate(tmp_path, board.path, roles=both) as (gate, _):
        anne = Clerk(gate, ANNE, "auditor")
        assert "ok" in anne.ask("audit") and "ok" in anne.ask("store-check")


def test_a_role_that_is_lost_in_the_middle_of_an_act_undoes_the_act_and_leaves_a_row(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gate(tmp_path, board.path, roles=ROLES) as (gate, settings):
        settle(gate, "Ann")
        anne, whole = Clerk(gate, ANNE, "maintainer"), gate.authorisation.acted

        def lose(*arguments: Any, **named: Any) -> None:
            anne.leave()
            whole(*arguments, **named)

        with monkeypatch.context() as patch:
            patch.setattr(gate.authorisation, "acted", lose)
            assert anne.refused("withdraw", name="Ann") == "NotAllowed"
        until(lambda: [row["verb"] for row in ask(settings, "audit")["rows"]].count("refused") == 1)


def test_an_answer_that_is_too_long_is_an_error_and_not_a_silence(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        within(gate, lambda: [stored_events.append(gate.store, "camera", detail={"x": "y" * 900}) for _ in range(400)])
        with pytest.raises(GateRefused, match="ask for fewer rows") as refused:
            ask(settings, "events", limit=500)
        assert refused.value.exit_code == WireError("", "").exit_code
        assert len(ask(settings, "events", limit=100)) == 100


@pytest.mark.parametrize(
    ("verb", "broken", "name"), [("store-check", Store, "unsafe_files"), ("events", stored_events, "recent")]
)
@pytest.mark.parametrize(
    "fault", [ValueError("x"), KeyError("x"), ZeroDivisionError(), TypeError("x"), RecursionError()]
)
def test_a_verb_that_breaks_is_a_fault_of_ours_and_nobody_elses_trouble(
    tmp_path: Path,
    board: BoardSimulator,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    verb: str,
    broken: object,
    name: str,
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise fault

    with running_gate(tmp_path, board.path) as (_, settings):
        with monkeypatch.context() as patch:
            patch.setattr(broken, name, fail)
            with pytest.raises(GateRefused, match="fault of edge-gate itself") as refused:
                ask(settings, verb)
        assert refused.value.exit_code == InternalFault("").exit_code
        assert ask(settings, "store-check") == {"store": []}


def test_a_gate_that_does_not_answer_is_not_waited_for_for_ever(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        monkeypatch.setattr(client, "PATIENCE_S", 0.3)
        hold, held = threading.Event(), threading.Event()

        def wait() -> None:
            held.set()
            hold.wait(20)

        gate.call(wait)
        assert held.wait(10)
        try:
            with pytest.raises(WireError, match="has not answered"):
                ask(settings, "status")
        finally:
            hold.set()


def test_an_outcome_that_waited_is_written_at_the_stop_if_the_store_works_again(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gate(tmp_path, board.path) as (_, settings), failing_once(monkeypatch, stored_events, "finish"):
        assert ask(settings, "relay-test")["outcome"] == "unconfirmed"
        assert events(settings, "relay test")[0]["outcome"] is None
    with running_gate(tmp_path, board.path) as (_, settings):
        assert events(settings, "relay test")[0]["outcome"] == "unconfirmed"


def test_an_outcome_that_was_written_although_the_store_said_no_is_not_tried_for_ever(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stored_events.finish

    def written_and_denied(*arguments: Any) -> None:
        whole(*arguments)
        raise StoreFull("the store")

    with running_gate(tmp_path, board.path) as (gate, settings):
        with monkeypatch.context() as patch:
            patch.setattr(stored_events, "finish", written_and_denied)
            ask(settings, "relay-test")
        assert ask(settings, "status")["store"]["fault"]
        pass_time(gate, 2)
        assert ask(settings, "status")["store"]["fault"] is None
        assert events(settings, "relay test")[0]["outcome"] == "unconfirmed"
        pass_time(gate, 5)
        assert ask(settings, "status")["store"]["fault"] is None


def test_an_event_is_written_in_the_way_that_its_kind_declares(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, _):
        with pytest.raises(ValueError, match="no outcome follows"):
            within(gate, lambda: stored_events.append(gate.store, "camera", awaited=True))
        with pytest.raises(ValueError, match="the eye alone"):
            within(gate, lambda: gate.journal.record_seen("started"))


@pytest.mark.parametrize("names", [["a", "a"], ["a", "b", "a"]], ids=["beside each other", "apart"])
def test_nothing_is_declared_twice(names: list[str]) -> None:
    with pytest.raises(ValueError, match="'a' is declared twice"):
        registry.refuse_twice(names)
    registry.refuse_twice(["a", "b"])


def test_residents_are_paged_by_name_and_nothing_else(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_gate.gate.verbs.residents.PAGE_RESIDENTS", 3)
    names = ["Ann", "Ann ", "Bo, flat 3", "李雷", "Ünal", "a'b c", "zz"]
    with running_gate(tmp_path, board.path) as (gate, settings):
        settle(gate, *dict.fromkeys(each.strip() for each in names))
        listed: list[str] = []
        while page := ask(settings, "residents", after=listed[-1] if listed else ""):
            assert len(page) <= 3
            listed += [each["name"] for each in page]
        assert listed == sorted({each.strip() for each in names})
        for wrong in ({"after": 3}, {"after": None}, {"after": ["Ann"]}, {"after": "x" * 300}, {"first": 0}):
            with pytest.raises(GateRefused, match="by the name"):
                ask(settings, "residents", **wrong)
