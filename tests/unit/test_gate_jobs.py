# SPDX-License-Identifier: Apache-2.0
"""Long work in slices: the loop turns between two of them, callers are answered, and a stop leaves nothing half."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_gate.cli.checks import health
from edge_gate.cli.checks.findings import Patient
from edge_gate.core.clock import Clock, SystemClock
from edge_gate.core.errors import Busy, EdgeGateError, InternalFault, StoreFull
from edge_gate.gate import jobs
from edge_gate.gate.control.caller import Caller
from edge_gate.gate.control.requests import Request
from edge_gate.gate.gate import Gate
from edge_gate.gate.jobs import Jobs
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
from edge_gate.store.templates import templates
from edge_gate.wire.client import ask
from tests.support.clocks import HeldClock, WindableClock
from tests.support.gates import eye_at, pass_time, settle, within
from tests.support.peers import enrol, events, pulsed, running_gate, until
from tests.support.power_cuts import PowerCut


class Asked:
    """A request, and the other end of its caller's connection."""

    def __init__(self, uid: int) -> None:
        ours, self._theirs = socket.socketpair()
        ours.setblocking(False)
        self.request = Request(Caller(ours, uid, 0, "somebody"), "forget", {})

    def close(self) -> None:
        self.request.caller.connection.close()
        self._theirs.close()

    @property
    def failed(self) -> list[str]:
        """The kinds of error that came as an answer."""
        return [line["error"]["kind"] for line in self._lines() if "error" in line]

    @property
    def progress(self) -> int:
        """How many lines about how it goes came."""
        return sum("progress" in line for line in self._lines())

    def _lines(self) -> list[dict[str, Any]]:
        self._theirs.setblocking(False)
        with suppress(BlockingIOError):
            return [json.loads(line) for line in self._theirs.recv(65536).splitlines()]
        return []


MakeAsked = Callable[[int], Asked]


def slices(told: list[str], name: str, *pauses: float, raises: Exception | None = None) -> Generator[float, None, None]:
    try:
        for number, pause_s in enumerate(pauses):
            told.append(f"{name}{number}")
            yield pause_s
        if raises is not None:
            raise raises
        told.append(f"{name} over")
    finally:
        told.append(f"{name} closed")


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def asked() -> Iterator[MakeAsked]:
    """Return what makes requests of a user."""
    with ExitStack() as stack:

        def ask_as(uid: int) -> Asked:
            made = Asked(uid)
            stack.callback(made.close)
            return made

        yield ask_as


def turn(jobs: Jobs, clock: Clock, turns: int = 1) -> None:
    for _ in range(turns):
        jobs.tick(clock.monotonic_ns())


def test_one_slice_a_turn_and_one_job_after_the_other(clock: HeldClock, asked: MakeAsked) -> None:
    jobs, told, request = Jobs(clock), list[str](), asked(0)
    assert jobs.patience_s() is None
    jobs.write(request.request, slices(told, "a", 0, 0))
    jobs.write(request.request, slices(told, "b", 0))
    seen = []
    while jobs.patience_s() is not None:
        assert jobs.patience_s() == 0
        turn(jobs, clock)
        seen.append(list(told))
    assert [len(each) for each in seen] == [1, 2, 4, 5, 7]
    assert told == ["a0", "a1", "a over", "a closed", "b0", "b over", "b closed"]
    assert not request.failed


def test_a_pause_lets_the_loop_rest(clock: HeldClock, asked: MakeAsked) -> None:
    jobs, told = Jobs(clock), list[str]()
    jobs.write(asked(0).request, slices(told, "a", 0.5, 0))
    turn(jobs, clock)
    assert told == ["a0"]
    patience_s = jobs.patience_s()
    assert patience_s is not None and 0.3 < patience_s <= 0.5
    turn(jobs, clock, 5)
    assert told == ["a0"]
    clock.pass_s(0.5)
    turn(jobs, clock)
    assert told == ["a0", "a1"]


@pytest.mark.parametrize(
    ("error", "told_as"),
    [(StoreFull(Path("x")), StoreFull), (ValueError("x"), InternalFault), (OSError(), InternalFault)],
)
def test_a_job_that_fails_is_told_and_the_next_one_is_done(
    clock: HeldClock, asked: MakeAsked, error: Exception, told_as: type[EdgeGateError]
) -> None:
    jobs, told, request = Jobs(clock), list[str](), asked(0)
    jobs.write(request.request, slices(told, "a", 0, raises=error))
    jobs.write(asked(0).request, slices(told, "b"))
    turn(jobs, clock, 3)
    assert request.failed == [told_as.__name__]
    assert told == ["a0", "a closed", "b over", "b closed"]


def test_who_writes_goes_first_and_a_user_has_one_search_at_a_time(clock: HeldClock, asked: MakeAsked) -> None:
    jobs, told = Jobs(clock), list[str]()
    jobs.read(asked(1).request, slices(told, "a", 0))
    jobs.read(asked(2).request, slices(told, "b"))
    for uid in (1, 2):
        with pytest.raises(Busy):
            jobs.read(asked(uid).request, slices(told, "more"))
    jobs.read(asked(3).request, slices(told, "c"))
    jobs.write(asked(1).request, slices(told, "writes"))
    jobs.write(asked(1).request, slices(told, "writes too"))
    while jobs.patience_s() is not None:
        turn(jobs, clock)
    assert [each for each in told if each.endswith("over")] == [
        "a over", "writes over", "writes too over", "b over", "c over",
    ]  # fmt: skip
    jobs.read(asked(1).request, slices(told, "again"))


def test_a_stop_finishes_what_writes_and_lets_the_rest_say_how_far_it_came(clock: HeldClock, asked: MakeAsked) -> None:
    jobs, told = Jobs(clock, clock.pass_s), list[str]()

    def endless() -> Generator[float, None, None]:
        try:
            while True:
                clock.pass_s(1)
                yield 0.5
        finally:
            told.append("endless closed")

    jobs.write(asked(0).request, slices(told, "a", 1, 0))
    jobs.read(asked(0).request, slices(told, "reads", 0))
    jobs.write(asked(0).request, endless())
    jobs.write(asked(0).request, slices(told, "late", 0))
    jobs.finish()
    assert told == ["a0", "a1", "a over", "a closed", "endless closed", "late0", "late closed"]
    assert jobs.patience_s() is None


def test_a_check_under_way_is_broken_off_first_at_a_stop(clock: HeldClock, asked: MakeAsked) -> None:
    jobs, told = Jobs(clock, clock.pass_s), list[str]()
    jobs.read(asked(0).request, slices(told, "reads", 0, 0, 0))
    turn(jobs, clock)
    jobs.write(asked(0).request, slices(told, "writes"))
    jobs.finish()
    assert told == ["reads0", "reads closed", "writes over", "writes closed"]


def test_everybody_who_waits_is_told_so_now_and_then(clock: HeldClock, asked: MakeAsked) -> None:
    jobs, told, both = Jobs(clock), list[str](), (asked(0), asked(1))
    jobs.write(both[0].request, slices(told, "a", *[1.0] * 40))
    jobs.read(both[1].request, slices(told, "b"))
    for _ in range(35):
        turn(jobs, clock)
        clock.pass_s(1)
    assert [each.progress for each in both] == [3, 3]


def traces_of(name: str, settings: Config) -> Mapping[str, int]:
    return traces.search(settings.store.path, load_key(settings.store, {}), traces.words_for(name)).hits


# --- in a gate ---------------------------------------------------------------------------------------------------


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
def test_requests_that_come_all_at_once_do_not_pass_the_limit_of_one_person(
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
        assert kinds == ["ApprovalNeeded"] * 6 + ["ok"] * 2
        without = within(gate, lambda: [each for each in known.values() if gate.store.keyring.data_key(each) is None])
        assert len(without) == 2


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


# --- who is in the gallery ---------------------------------------------------------------------------------------


def in_gallery(gate: Gate) -> int:
    return within(gate, lambda: len(gate.recognition.gallery.ids))


def test_a_consent_that_ends_takes_its_owner_out_at_once_and_nobody_else(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        enrol(settings, eye, "Bo", 2, track=2)

        def shorten() -> None:
            soon = (gate.clock.now() + timedelta(seconds=30)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            (bo,) = gate.store.rows("SELECT id FROM resident WHERE name = 'Bo'")
            gate.store.run("UPDATE consent SET until = ? WHERE resident_id = ?", (soon, bo["id"]))
            gate.recognition.refresh(bo["id"])

        within(gate, shorten)
        assert in_gallery(gate) == 2
        pass_time(gate, 29)
        assert in_gallery(gate) == 2
        pass_time(gate, 1.5)
        assert in_gallery(gate) == 1
        eye.walk_up(2, track=3)
        assert not events(settings, "opened")
        # The clock was wrong, and is set back: Bo's consent holds after all.
        assert isinstance(gate.clock, WindableClock)
        gate.clock.set_back(60)
        pass_time(gate, 0)
        assert in_gallery(gate) == 2


def test_each_change_leaves_the_gallery_as_a_fresh_start_would_read_it(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)

        def same() -> None:
            shown, model_id = gate.recognition.gallery, gate.recognition.card.model_id
            stored = templates.references(gate.store, model_id, gate.clock.now())
            codes = {each.template.resident_id: each.template.code for each in stored}
            assert dict(zip(shown.ids, (column.tobytes() for column in shown.columns.T), strict=True)) == codes

        for number, name in enumerate(("Ann", "Bo", "Cy", "Di")):
            enrol(settings, eye, name, number + 1, track=number + 1)
            within(gate, same)
        ask(settings, "withdraw", name="Bo")
        within(gate, same)
        ask(settings, "forget", name="Ann")
        within(gate, same)
        assert in_gallery(gate) == 2
        within(gate, lambda: consent.end(gate.store, gate.recognition.gallery.ids[0]))
        within(gate, lambda: gate.recognition.refresh(gate.recognition.gallery.ids[0]))
        within(gate, same)
        assert in_gallery(gate) == 1
