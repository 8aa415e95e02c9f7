# SPDX-License-Identifier: Apache-2.0
"""The gate as a whole: real store, real sockets, a relay board on a pty, and an eye that speaks raw bytes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from edge_gate.cli.checks.findings import Patient
from edge_gate.cli.checks.health import check_relay
from edge_gate.cli.status import find_faults
from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import BadPulse, EdgeGateError, StoreFull
from edge_gate.gate import main as gate_main
from edge_gate.gate.door.door import RETRY_NS
from edge_gate.gate.journal import MOST_SEEN, SEEN_PER_S
from edge_gate.gate.peers.eye import LIMITS
from edge_gate.gate.peers.peer_link import MOST_JOINS
from edge_gate.relays.lcus import Lcus1
from edge_gate.relays.simulator import BoardSimulator, Fault
from edge_gate.settings import config
from edge_gate.store.events import append
from edge_gate.tools.trial import make_site
from edge_gate.wire import client
from edge_gate.wire.client import GateRefused, ask
from edge_gate.wire.eye import EyeMode
from tests.support.clerk import BERT, ROLES, Clerk
from tests.support.gates import eye_at, let_turn, pass_time, within
from tests.support.peers import RawEye, embedding, enrol, events, pulsed, running_gate, until, write_model


def test_a_resident_is_enrolled_recognised_and_forgotten(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        lines = enrol(settings, eye, "安 Ann", 1, track=1)
        assert lines[-1]["views"] == 16 and lines[0]["wanted"] == 16
        assert [row["recognised"] for row in ask(settings, "residents")] == [True]

        eye.walk_up(1, track=2)
        assert pulsed(board)
        (opened,) = until(lambda: events(settings, "opened"))
        assert (opened["resident"], opened["outcome"]) == ("安 Ann", "unconfirmed")

        ask(settings, "forget", name="安 Ann")
        eye.walk_up(1, track=3, views=12, pause_s=0.08)
        eye.step_away()
        assert events(settings, "no match")
        assert ask(settings, "residents") == []
        assert events(settings, "opened")[0]["resident"] == "(forgotten)"
    assert sum(change.on for change in board.history) == 1


def test_a_stranger_is_refused_once_however_long_they_stand_there(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        eye.walk_up(9, track=2, views=60, pause_s=0.08)  # two windows and more
        assert len(events(settings, "no match")) == 1
    assert not any(change.on for change in board.history)


def test_the_relay_is_switched_off_before_anything_else(tmp_path: Path) -> None:
    changes: list[bool] = []
    with BoardSimulator("lcus1", on_change=lambda change: changes.append(change.on)) as board:
        with open(board.path, "wb", buffering=0) as port:  # noqa: PTH123 - a tty has no other name
            port.write(bytes.fromhex("A00101A2"))
        assert board.wait_for(1, True)
        with running_gate(tmp_path, board.path) as (_, settings):
            assert board.wait_for(1, False)
            assert ask(settings, "status")["door"]["state"] == "secure"


def test_a_missing_relay_is_reported_and_found_when_it_comes(tmp_path: Path, board: BoardSimulator) -> None:
    link = tmp_path / "relay"
    with running_gate(tmp_path, str(link)) as (gate, settings):
        assert "not there" in ask(settings, "status")["door"]["fault"]
        with pytest.raises(GateRefused) as refusal:
            ask(settings, "relay-test")
        assert refusal.value.exit_code == 51
        assert events(settings, "relay test")[0]["outcome"].startswith("failed")
        link.symlink_to(board.path)
        pass_time(gate, RETRY_NS / 1e9)
        until(lambda: ask(settings, "status")["door"]["state"] == "secure")
        assert ask(settings, "relay-test")["outcome"] == "unconfirmed"
        assert pulsed(board)


def test_a_silent_board_is_a_failed_opening_in_the_log_and_not_a_crash(tmp_path: Path) -> None:
    with (
        BoardSimulator("modbus-waveshare", channels=1) as board,
        running_gate(tmp_path, board.path, door={"relay": "modbus-waveshare"}) as (gate, settings),
    ):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        board.fail(Fault.SILENT)
        eye.walk_up(1, track=2)
        until(lambda: events(settings, "opening failed"), 20)
        assert events(settings, "opening failed")[0]["outcome"].startswith("failed")
        assert events(settings, "opened", "opening") == [] and "opened" not in {
            each["kind"] for each in events(settings)
        }
        until(lambda: ask(settings, "status")["door"]["state"] == "fault")


def test_a_board_that_is_unplugged_while_nobody_comes_is_reported_and_found_again(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert ask(settings, "status")["door"]["state"] == "secure"
        finding, kind = check_relay(Patient(tmp_path, settings, client.status(settings)))
        assert kind.state == "ok" and "leaves the end of a pulse to this machine" in kind.text
        assert finding.state == "ok" and "such a board never answers" in finding.text
        board.unplug()
        until(lambda: "not there" in (ask(settings, "status")["door"]["fault"] or ""), 2.0)
        finding, _ = check_relay(Patient(tmp_path, settings, client.status(settings)))
        assert finding.state == "fault" and "not there" in finding.text
        board.plug_in()
        pass_time(gate, RETRY_NS / 1e9)
        until(lambda: ask(settings, "status")["door"]["state"] == "secure")


def test_a_pulse_that_turns_out_to_be_impossible_is_a_failed_opening_and_does_not_end_the_gate(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        for track, limit_ms, expected in [(2, 100, "failed"), (3, 25_000, "unconfirmed")]:
            monkeypatch.setattr(Lcus1, "max_pulse_ms", limit_ms)
            with pytest.raises(GateRefused, match="not possible") if limit_ms == 100 else nullcontext():
                ask(settings, "relay-test")
            eye.walk_up(1, track=track)
            wait_for_outcome(settings, expected)
            eye.step_away()


def wait_for_outcome(settings: config.Config, expected: str) -> None:
    """Wait until the newest opening has ended like this."""
    kind = "opening failed" if expected == "failed" else "opened"
    until(lambda: [each for each in events(settings, kind)[:1] if (each["outcome"] or "").startswith(expected)])


def test_a_gate_whose_board_cannot_give_the_pulse_switches_off_and_ends_with_a_sentence(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lcus1, "max_pulse_ms", 100)
    write_model(tmp_path / "models")
    loaded = config.load(make_site(tmp_path / "site", {"door": {"relay": "lcus1", "port": board.path}}))
    with (
        pytest.raises(BadPulse, match=r"must last 1 to 100 ms; correct door.pulse_ms"),
        gate_main.open_gate(loaded, clock=SystemClock()),
    ):
        pass
    assert board.heard and set(board.heard) == {bytes.fromhex("A00100A1")}


def test_a_silent_board_keeps_no_caller_waiting(tmp_path: Path) -> None:
    with (
        BoardSimulator("modbus-waveshare", channels=1) as board,
        running_gate(tmp_path, board.path, door={"relay": "modbus-waveshare"}) as (_, settings),
    ):
        board.fail(Fault.SILENT)
        refusals: list[GateRefused] = []

        def try_relay() -> None:
            with pytest.raises(GateRefused) as refusal:
                ask(settings, "relay-test")
            refusals.append(refusal.value)

        hand = threading.Thread(target=try_relay)
        hand.start()
        assert board.wait_until(lambda: any(change.on for change in board.history), 5)
        assert ask(settings, "status")["door"]["state"] == "secure", "the answer of the board is still awaited"
        assert not refusals, "and `relay-test` is not answered yet"
        hand.join()
        assert [each.exit_code for each in refusals] == [52]
        assert events(settings, "relay test")[0]["outcome"].startswith("failed")
        until(lambda: not board.is_on(1))


def test_a_gate_that_is_stopped_while_the_board_is_asked_records_the_outcome(tmp_path: Path) -> None:
    with BoardSimulator("modbus-waveshare", channels=1) as board:
        door = {"relay": "modbus-waveshare"}
        with running_gate(tmp_path, board.path, roles=ROLES, door=door) as (gate, _):
            board.fail(Fault.SILENT)
            Clerk(gate, BERT, "installer").start("relay-test")
            assert board.wait_until(lambda: any(change.on for change in board.history), 5)
        board.fail(Fault.NONE)
        assert board.wait_for(1, False)
        with running_gate(tmp_path, board.path, roles=ROLES, door=door) as (_, settings):
            assert events(settings, "relay test")[0]["outcome"].startswith("failed: The relay on")


def test_an_outcome_that_cannot_be_written_is_a_fault_of_the_store_and_is_written_when_the_store_takes_it(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(store: object, *_: object) -> None:
        raise StoreFull("the store")

    with running_gate(tmp_path, board.path) as (gate, settings):
        with monkeypatch.context() as patch:
            patch.setattr("edge_gate.store.events.finish", full)
            for _ in range(2):
                assert ask(settings, "relay-test")["outcome"] == "unconfirmed", "this much is true"
                assert pulsed(board)
                until(lambda: ask(settings, "status")["door"]["state"] == "secure")
            assert "no room left" in ask(settings, "status")["store"]["fault"]
            assert [each["outcome"] for each in events(settings, "relay test")] == [None, None]
        pass_time(gate, 2 * RETRY_NS / 1e9)
        assert [each["outcome"] for each in events(settings, "relay test")] == ["unconfirmed"] * 2
        assert ask(settings, "status")["store"]["fault"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"model_id": b"another!"},
        {"version": 5},
        {"version": 7},
        {"link": 2},
        {"magic": b"XX"},
        {"kind": 3},
        {"refusal": 77},
        {"sequence": 1},
        {"eye": 1},
        {"order": 9},
        {"dimensions": 300},
        {"dimensions": 64, "embedding": embedding(1)[:64]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_eye_that_talks_rubbish_is_disconnected(
    tmp_path: Path, board: BoardSimulator, change: dict[str, Any]
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        eye.see(embedding(1))
        eye.see(embedding(1), **change)
        assert eye.connection.recv(64) == b""
        assert ask(settings, "status")["eye"] | {"connected": False} == ask(settings, "status")["eye"]
        another = eye_at(gate)
        another.see(embedding(1))
        until(lambda: ask(settings, "status")["eye"]["connected"])


@pytest.mark.parametrize("age_s", [-1, 5], ids=["from the future", "stale"])
def test_sightings_of_another_time_are_not_used(tmp_path: Path, board: BoardSimulator, age_s: float) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        now = gate.clock.monotonic_ns()
        for number in range(10):
            eye.see(embedding(1, seed=number), track=2, captured_ns=now - round(age_s * 1e9) + number)
        until(lambda: ask(settings, "status")["eye"]["messages_refused"] == 10)
    assert not any(change.on for change in board.history)


def test_too_many_sightings_are_cut_to_the_rate_and_the_door_still_answers(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        for number in range(LIMITS.most_refused):
            eye.see(embedding(1, seed=number))
        assert ask(settings, "relay-test")["outcome"] == "unconfirmed"
        assert ask(settings, "status")["eye"]["messages_refused"] > LIMITS.most_refused - 200


def test_an_eye_that_floods_is_dropped_and_one_that_comes_again_and_again_is_turned_away(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        with pytest.raises(ConnectionError):
            for number in range(10 * LIMITS.most_refused):
                eye.see(embedding(1, seed=number % 9))
        assert "flood" in events(settings, "eye lost")[0]["detail"]["reason"]
        for _ in range(2 * MOST_JOINS):
            another = eye_at(gate)
            with suppress(ConnectionError):
                another.see(embedding(1), version=9)
                while another.connection.recv(64):
                    pass
        status = ask(settings, "status")["eye"]
        assert not status["connected"] and status["turned_away"] >= MOST_JOINS
        assert len(events(settings, "eye joined")) <= MOST_JOINS + 2


def test_what_an_eye_alone_causes_is_counted_when_it_is_too_much_to_be_written_down(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        told = MOST_SEEN + 100
        for number in range(told):
            eye.health(camera=2 + number % 2)
            if number % LIMITS.messages_per_s == 0:
                eye.wait(1.1)
        let_turn(gate)
        assert ask(settings, "status")["eye"]["camera"] == "stalled"
        eye.wait(2 / SEEN_PER_S)
        eye.health(camera=1)
        let_turn(gate)
        rows = within(gate, lambda: gate.store.rows("SELECT detail FROM event WHERE kind = 'camera' ORDER BY at, id"))
        written = [json.loads(row["detail"]) for row in rows]
        assert events(settings, "camera")[0]["detail"]["state"] == "working"
        assert len(written) < MOST_SEEN + 50, "the control: it was too much"
        assert sum(each.get("not_written_down", 0) for each in written) + len(written) == told + 1


def test_a_second_eye_is_turned_away(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        first = eye_at(gate)
        assert first.hear() == EyeMode.WATCH
        second = eye_at(gate)
        assert second.connection.recv(64)[4:6] == bytes([3, EyeMode.LEAVE])  # a command: there is another eye
        assert second.connection.recv(64) == b""
        first.see(embedding(1))
        assert ask(settings, "status")["eye"]["connected"]


def test_a_full_store_keeps_the_door_shut_and_recovers(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)

        def fill() -> None:
            pages = gate.store.rows("PRAGMA page_count")[0]["page_count"]
            gate.store.rows(f"PRAGMA max_page_count = {pages}")
            with suppress(StoreFull):
                for number in range(10_000):
                    gate.store.insert("event", {"id": str(number), "at": "x", "kind": "x" * 900, "detail": "{}"})
            with suppress(StoreFull):
                for _ in range(200):
                    append(gate.store, "opened", awaited=True)

        within(gate, fill)
        eye.walk_up(1, track=2)
        until(lambda: ask(settings, "status")["store"]["fault"])
        assert not any(change.on for change in board.history)
        within(gate, lambda: gate.store.rows("PRAGMA max_page_count = 1000000"))
        eye.step_away()
        eye.walk_up(1, track=3)
        assert pulsed(board)


def gate_process(file: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "edge_gate.cli", "run", "--config", str(file)])


@pytest.mark.processes
def test_killing_the_gate_opens_nothing_and_loses_no_event(tmp_path: Path, board: BoardSimulator) -> None:
    """SIGKILL at any moment of an opening: the relay ends off, and the log has every pulse that was begun."""
    with running_gate(tmp_path, board.path) as (gate, settings):
        model_id = gate.recognition.card.model_id
        enrol(settings, RawEye(settings.sockets.eye, model_id), "Ann", 1, track=1)
    file = tmp_path / "site" / "edge-gate.toml"
    for wait_s in (0.0, 0.03, 0.08, 0.2):
        process = gate_process(file)
        until(lambda: settings.sockets.eye.exists() and can_ask(settings), 20)
        eye = RawEye(settings.sockets.eye, model_id)
        for view in range(3):
            eye.see(embedding(1, seed=view), track=1)
        time.sleep(wait_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert board.wait_for(1, False, 5)
    with running_gate(tmp_path, board.path) as (_, settings):
        pulses = sum(change.on for change in board.history)
        told = [(event["kind"], event["outcome"]) for event in events(settings, "opened", "opening", "opening failed")]
        assert len(told) >= pulses
        assert set(told) <= {("opened", "unconfirmed"), ("opening failed", "interrupted")}


def can_ask(settings: config.Config) -> bool:
    try:
        return bool(ask(settings, "status"))
    except (EdgeGateError, OSError):  # not there yet
        return False


def test_a_second_gate_does_not_start_beside_a_running_one(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path):
        done = subprocess.run(
            [sys.executable, "-m", "edge_gate.cli", "run", "--config", str(tmp_path / "site" / "edge-gate.toml")],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (50, 73), done.stderr
    assert not any(change.on for change in board.history)


@pytest.mark.processes
def test_the_gate_process_loads_no_image_library_and_no_network_runtime(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (_, settings):
        pass
    process = gate_process(tmp_path / "site" / "edge-gate.toml")
    try:
        until(lambda: can_ask(settings), 20)
        maps = Path(f"/proc/{process.pid}/maps").read_text()
    finally:
        process.terminate()
        process.wait()
    assert "sqlcipher" in maps
    for library in ("cv2", "litert", "tflite", "PIL"):
        assert library not in maps


def test_who_was_just_enrolled_is_let_in_only_after_stepping_away(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        eye.walk_up(1, track=1, views=10)
        assert not any(change.on for change in board.history)
        eye.walk_up(1, track=2)
        assert pulsed(board)


def test_somebody_seen_only_badly_leaves_a_line_that_says_why(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        for refusal in (1, 4, 4):
            eye.see(refusal=refusal)
            eye.wait(0.05)
        eye.step_away()
        (event,) = events(settings, "not acquired")
        assert event["detail"] == {"accepted": 0, "reason": "too_dark"}


def test_a_camera_fault_is_in_the_status_and_once_in_the_log_and_so_is_its_end(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        for camera in (1, 4, 4, 4, 1):
            eye.health(camera)
        until(lambda: len(events(settings, "camera")) == 2)
        assert [each["detail"]["state"] for each in events(settings, "camera")] == ["working", "black"]
        eye.health(3)
        until(lambda: ask(settings, "status")["eye"]["camera"] == "stalled")
        assert find_faults(client.status(settings)) == ["camera: stalled"]


def test_an_eye_that_goes_is_an_event_and_a_fault(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        until(lambda: events(settings, "eye joined"))
        eye.connection.close()
        until(lambda: events(settings, "eye lost"))
        assert "nobody can be seen" in find_faults(client.status(settings))[0]


def test_templates_are_renewed_while_the_gate_runs_and_open_as_before(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path, roles=ROLES) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        before, old = ask(settings, "templates-status"), gate.recognition.transform
        assert (before["templates"], before["renewals"]) == (1, 0)
        with pytest.raises(GateRefused, match="second person"):
            ask(settings, "templates-renew")
        (request,) = ask(settings, "approvals")
        assert gate.recognition.transform is old and ask(settings, "templates-status") == before
        assert "ok" in Clerk(gate, BERT, "maintainer").ask("approve", id=request["id"])
        assert ask(settings, "templates-renew")["renewals"] == 1
        assert gate.recognition.transform is not old
        eye.walk_up(9, track=2)
        eye.walk_up(1, track=3)
        assert pulsed(board)
        assert [event["detail"]["templates"] for event in events(settings, "templates renewed")] == [1]
    with running_gate(tmp_path, board.path) as (gate, settings):  # the new axes are those of the next start too
        eye, so_far = eye_at(gate), len(events(settings, "opened"))
        eye.walk_up(1, track=4)
        until(lambda: len(events(settings, "opened")) > so_far)
        assert events(settings, "templates protected") == []
