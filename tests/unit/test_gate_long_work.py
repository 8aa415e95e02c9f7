# SPDX-License-Identifier: Apache-2.0
"""Long work in a real gate: the door opens meanwhile, a stop tells the truth, and nobody gets past a limit by haste."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_gate.cli.checks import health
from edge_gate.cli.checks.findings import Patient
from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import EdgeGateError
from edge_gate.gate import jobs
from edge_gate.gate.verbs import cleaning
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings.config import Config
from edge_gate.store import connection, rebuilding
from edge_gate.store import events as events_store
from edge_gate.store.audit import log as audit_log
from edge_gate.store.database import Store
from edge_gate.store.integrity import IntegrityCheck
from edge_gate.store.keys import rotation
from edge_gate.store.keys.source import load_key
from edge_gate.store.people import consent, removal, residents, traces
from edge_gate.wire.client import ask
from tests.support.gates import eye_at, settle, within
from tests.support.peers import enrol, events, pulsed, running_gate, until
from tests.support.power_cuts import PowerCut


def traces_of(name: str, settings: Config) -> Mapping[str, int]:
    return traces.search(settings.store.path, load_key(settings.store, {}), traces.words_for(name)).hits


def test_the_door_opens_while_somebody_is_being_forgotten(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, wait, opened = threading.Event(), threading.Event(), list[str]()
    real = rebuilding.slices

    def until_opened(of: Any) -> Any:
        begun.set()
        while not wait.is_set():
            yield
        opened.extend(row["kind"] for row in of.rows("SELECT kind FROM event"))
        yield from real(of)

    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann-who-leaves", 1, track=1)
        enrol(settings, eye, "Bo", 2, track=2)
        monkeypatch.setattr(rebuilding, "slices", until_opened)
        answer: list[Any] = []
        asking = threading.Thread(target=lambda: answer.append(ask(settings, "forget", name="Ann-who-leaves")))
        asking.start()
        assert begun.wait(20)
        assert ask(settings, "status")["residents_in_gallery"] == 1, "she is compared no more from the first turn on"
        eye.walk_up(2, track=3)
        assert until(lambda: pulsed(board))
        assert not answer, "a receipt before the traces are gone"
        wait.set()
        asking.join(20)
        assert answer[0]["traces_left"] is False and "opened" in opened
        assert traces_of("Ann-who-leaves", settings) == {}


def test_a_gate_that_is_stopped_meanwhile_finishes_the_forgetting(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, stopped, answer = threading.Event(), threading.Event(), list[Any]()
    real = rebuilding.slices

    def until_stopped(of: Any) -> Any:
        begun.set()
        while not stopped.is_set():
            yield
        yield from real(of)

    with running_gate(tmp_path, board.path) as (gate, settings):
        enrol(settings, eye_at(gate), "Ann-who-leaves", 1, track=1)
        monkeypatch.setattr(rebuilding, "slices", until_stopped)
        asking = threading.Thread(target=lambda: answer.append(ask(settings, "forget", name="Ann-who-leaves")))
        asking.start()
        assert begun.wait(20)
        stopped.set()
        gate.stop()
        asking.join(20)
    assert answer[0]["traces_left"] is False
    assert traces_of("Ann-who-leaves", settings) == {}


def test_what_a_stop_breaks_off_is_told_truly_and_finished_at_the_next_start(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ann's rows are gone, Bo's consent has ended, Cy's rows are still there; none is without traces."""
    monkeypatch.setattr(jobs, "STOP_S", 0.0)
    answers: dict[str, Any] = {}
    begun = threading.Event()

    def never(_: Any) -> Any:
        begun.set()
        while True:
            yield

    def asking(verb: str, name: str, settings: Config) -> threading.Thread:
        def run() -> None:
            try:
                answers[name] = ask(settings, verb, name=name)
            except EdgeGateError as error:
                answers[name] = error

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        for number, name in enumerate(("Ann-gone", "Bo-withdrawn", "Cy-waits"), 1):
            enrol(settings, eye, name, number, track=number)
        for _ in range(3):
            within(gate, lambda: events_store.append(gate.store, "no match", detail={"like": "Cy-waits"}))
        monkeypatch.setattr(removal, "SLICE_ROWS", 2)
        with monkeypatch.context() as patch:
            patch.setattr(rebuilding, "slices", never)
            threads = [asking("forget", "Ann-gone", settings)]
            assert begun.wait(20)
            threads.append(asking("withdraw", "Bo-withdrawn", settings))
            assert until(lambda: within(gate, lambda: len(gate.recognition.gallery.ids)) == 1)
            threads.append(asking("forget", "Cy-waits", settings))
            assert until(lambda: within(gate, lambda: len(gate.recognition.gallery.ids)) == 0)
            gate.stop()
            for each in threads:
                each.join(20)
    for name in ("Ann-gone", "Bo-withdrawn"):
        assert answers[name]["traces_left"] is True and "旧的数据页" in answers[name]["receipt"]
    assert "goes on at its next start" in str(answers["Cy-waits"])
    with running_gate(tmp_path, board.path) as (gate, settings):
        log = within(gate, lambda: [row.verb for row in audit_log.rows(gate.store)])
        assert (log.count("forget"), log.count("withdraw")) == (2, 1), "an act without its row"
        (bo,) = within(gate, lambda: residents.everyone(gate.store, gate.recognition.card.model_id, gate.clock.now()))
        assert (bo.resident.name, bo.consent, bo.has_template) == ("Bo-withdrawn", consent.State.WITHDRAWN, False)
        assert traces_of("Ann-gone", settings) == traces_of("Cy-waits", settings) == {}


@pytest.mark.parametrize("verb", ["forget", "withdraw"])
def test_requests_that_come_all_at_once_are_counted_one_by_one(
    tmp_path: Path, board: BoardSimulator, verb: str
) -> None:
    names = [f"Person-{number}" for number in range(8)]
    with running_gate(tmp_path, board.path, roles={"people_per_hour": 2}) as (gate, settings):
        settle(gate, *names)
        known = within(gate, lambda: {each.name: each.id for each in residents.everyone_known(gate.store)})
        within(gate, lambda: gate.store.keyring.ensure(known.values()))
        with closing(socket.socket(socket.AF_UNIX)) as caller, caller.makefile("rb") as answers:
            caller.connect(str(settings.sockets.control))
            caller.sendall(b"".join(json.dumps({"verb": verb, "name": each}).encode() + b"\n" for each in names))
            kinds = sorted(json.loads(answers.readline()).get("error", {}).get("kind", "ok") for _ in names)
        assert kinds == ["ok"] * 8
        without = within(gate, lambda: [each for each in known.values() if gate.store.keyring.data_key(each) is None])
        assert len(without) == 8
        assert sorted(each["detail"]["within the hour"] for each in events(settings, "many erased")) == [*range(3, 9)]


def test_a_gate_starts_while_a_change_of_the_key_is_half_done(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        enrol(settings, eye_at(gate), "Ann", 1, track=1)

    def lose_power(_: bytes) -> None:
        raise PowerCut

    for _ in range(2):
        with pytest.raises(PowerCut):
            rotation.rotate(settings.store.path, partial(load_key, settings.store, {}), lose_power)
        with running_gate(tmp_path, board.path) as (gate, settings):
            assert ask(settings, "store-check") == {"store": []}
            assert ask(settings, "status")["residents_in_gallery"] == 1


def test_a_doctor_leaves_a_store_alone_that_somebody_holds(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        enrol(settings, eye_at(gate), "Ann", 1, track=1)
        within(gate, lambda: residents.take_out(gate.store, "Ann"))
        before = gate.store.path.read_bytes()
        path = gate.store.path.with_name("edge-gate.toml")
        (found,) = health.check_store(Patient(path, settings, None))
        assert found.state == "unknown" and "Another process" in found.text
        assert gate.store.path.read_bytes() == before
    (found,) = health.check_store(Patient(path, settings, None))
    assert found.state == "ok"


def test_somebody_else_who_reads_the_store_is_waited_for_but_not_by_the_loop(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[bool] = []
    real = Store.empty_log

    def watched(of: Store, *, wait: bool = True) -> bool:
        waits.append(wait)
        return real(of, wait=wait)

    monkeypatch.setattr(cleaning, "PAUSE_S", 0.001)
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        enrol(settings, eye, "Bo-Noyce-1927", 2, track=2)
        monkeypatch.setattr(Store, "empty_log", watched)
        with Store.open(gate.store.path, load_key(settings.store, {}), gate.clock) as other:
            waits.clear()
            other.run("BEGIN")
            assert other.rows("SELECT name FROM resident")
            assert ask(settings, "forget", name="Ann")["traces_left"] is True
            assert len(waits) == cleaning.TRIES and not any(waits), "the loop waited for somebody else"
            other.run("COMMIT")
        assert ask(settings, "forget", name="Bo-Noyce-1927")["traces_left"] is False
        assert traces_of("Bo-Noyce-1927", settings) == {}


def test_the_store_is_checked_beside_the_door(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    real = IntegrityCheck._run

    def run(of: IntegrityCheck) -> None:
        threads.append(threading.current_thread().name)
        real(of)

    monkeypatch.setattr(IntegrityCheck, "_run", run)
    with running_gate(tmp_path, board.path) as (gate, settings):
        enrol(settings, eye_at(gate), "Ann", 1, track=1)
        assert ask(settings, "store-check") == {"store": []}
        assert threads == ["store-check"]
        gate.store.path.chmod(0o644)
        assert "chmod 600" in ask(settings, "store-check")["store"][0]


def test_a_check_can_be_broken_off_and_begun_again(tmp_path: Path) -> None:
    with Store.create(tmp_path / "edge-gate.db", bytes(range(32)), SystemClock()) as store:
        with store.transaction():
            for number in range(3000):
                residents.add(store, f"Resident {number}")
        with closing(connection.reader(store.path, bytes(range(32)))) as reader:
            check = IntegrityCheck(reader, store.path)
            for _ in range(3):
                check.begin()
                check.stop()
                assert check.over
            check.begin()
            assert until(lambda: check.over)
            assert check.found == []
        assert store.empty_log(), "it still reads"


def test_a_damaged_page_is_found_beside_the_door(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        enrol(settings, eye_at(gate), "Ann", 1, track=1)
        assert ask(settings, "store-check") == {"store": []}
        with gate.store.path.open("r+b") as file:
            file.seek(-100, 2)
            file.write(b"damage")
        found = ask(settings, "store-check")["store"]
        assert any("page" in each for each in found), found
        assert ask(settings, "status")["door"]["state"] == "secure"
