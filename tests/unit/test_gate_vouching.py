# SPDX-License-Identifier: Apache-2.0
"""Somebody who has the store's key changes the store's records under a real gate, and does not have its keyring."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_gate import cli
from edge_gate.cli.audit import read
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.store import connection
from edge_gate.store.audit.chain import Row
from edge_gate.store.keys.anchor import anchor_path
from edge_gate.store.keys.source import load_key
from edge_gate.wire.client import GateRefused, ask
from tests.support.clerk import ANNE, BERT, ROLES, Clerk
from tests.support.gates import change, eye_at, within
from tests.support.peers import enrol, events, pulsed, running_gate, until


@pytest.fixture
def site(tmp_path: Path, board: BoardSimulator) -> Path:
    """A site where two attempts were agreed to and Ann and Bo were enrolled; returns its store."""
    with running_gate(tmp_path, board.path, roles=ROLES) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        enrol(settings, eye, "Bo", 2, track=2)
    return tmp_path / "site" / "edge-gate.db"


@contextmanager
def with_the_stores_key(store: Path) -> Iterator[Any]:
    """Open the database as anybody can who has its key, and commit what was done to it."""
    key = load_key(config.load(store.with_name("edge-gate.toml")).store, {})
    with closing(connection.connect(store, key, "rw")) as database:
        yield database
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def loosen(store: Path) -> None:
    change(config.load(store.with_name("edge-gate.toml")), "attempts = 2", "attempts = 9")


def run(store: Path, *words: str) -> Result:
    return CliRunner().invoke(cli.group, [*words, "--config", str(store.with_name("edge-gate.toml"))])


def verified(store: Path) -> tuple[int, str]:
    told = run(store, "audit", "verify")
    return told.exit_code, told.output


def empty_the_log(store: Path) -> None:
    with with_the_stores_key(store) as database:
        for table in ("audit_checkpoint", "audit_end", "audit"):
            database.execute(f"DELETE FROM {table}")


def empty_the_log_and_write_another(store: Path) -> None:
    """As above, and begin one that looks well, but for the signatures."""
    with with_the_stores_key(store) as database:
        (first,) = database.execute("SELECT * FROM audit WHERE seq = 1").fetchall()
    empty_the_log(store)
    with with_the_stores_key(store) as database:
        database.execute(f"INSERT INTO audit VALUES ({', '.join('?' * len(first))})", first)


def forge_a_policy(store: Path) -> None:
    """Put a row after the last one that says that looser settings were agreed to, well chained."""
    with with_the_stores_key(store) as database:
        columns = ", ".join(Row.__slots__)
        last = Row(*database.execute(f"SELECT {columns} FROM audit ORDER BY seq DESC LIMIT 1").fetchone())
        (agreed,) = database.execute("SELECT detail FROM audit WHERE verb = 'policy' ORDER BY seq DESC").fetchone()
        detail = json.dumps({**json.loads(agreed), "decision.attempts": 9}, separators=(",", ":"), sort_keys=True)
        forged = replace(last, seq=last.seq + 1, verb="policy", subject=None, detail=detail, previous=last.hash)
        forged = replace(forged, hash=forged.digest())
        places = ", ".join("?" * len(Row.__slots__))
        values = [getattr(forged, name) for name in Row.__slots__]
        database.execute(f"INSERT INTO audit ({columns}) VALUES ({places})", values)


def change_the_policy_in_its_place(store: Path) -> None:
    """Rewrite the row that says what was agreed to, and every hash after it."""
    with with_the_stores_key(store) as database:
        columns = ", ".join(Row.__slots__)
        rows = [Row(*each) for each in database.execute(f"SELECT {columns} FROM audit ORDER BY seq").fetchall()]
        previous = bytes(32)
        for row in rows:
            detail = row.detail.replace('attempts":2', 'attempts":9') if row.verb == "policy" else row.detail
            row = replace(row, detail=detail, previous=previous)
            previous = row.digest()
            values = (detail, row.previous, previous, row.seq)
            database.execute("UPDATE audit SET detail = ?, previous = ?, hash = ? WHERE seq = ?", values)


def cut_the_end(store: Path) -> None:
    with with_the_stores_key(store) as database:
        database.execute("DELETE FROM audit WHERE seq > 2")


@pytest.mark.parametrize(
    "attack",
    [empty_the_log, empty_the_log_and_write_another, forge_a_policy, change_the_policy_in_its_place, cut_the_end],
)
def test_who_changes_the_log_with_the_stores_key_gets_no_looser_settings_and_is_noticed(
    board: BoardSimulator, tmp_path: Path, site: Path, attack: Callable[[Path], None]
) -> None:
    attack(site)
    loosen(site)
    for start in range(2):  # a second start has rows of this one in the log, and signed them
        with running_gate(tmp_path, board.path) as (gate, settings):
            assert gate.authorisation.agreed.decision.attempts == 2, "the looser setting is in force"
            state = ask(settings, "status")
            assert state["log"]["fault"], start
            assert run(site, "status").exit_code == 1 and "in doubt" in run(site, "status").output
            findings = json.loads(run(site, "doctor", "--json").stdout)["findings"]
            assert [each["state"] for each in findings if each["part"] == "log"] == ["fault"]
            assert len(events(settings, "log doubted")) == start + 1
            assert any(row.verb == "log doubted" for row in read(settings)[0])
            assert verified(site)[0] == 1
            eye_at(gate).walk_up(1, track=3)
            assert not any(each.on for each in board.history), "the door was opened"
            with pytest.raises(GateRefused, match="A log in doubt"):
                enrol(settings, eye_at(gate), "New", 3, track=4)


def test_two_people_take_a_log_in_doubt_as_it_stands_and_the_settings_known_hold(
    board: BoardSimulator, tmp_path: Path, site: Path
) -> None:
    empty_the_log(site)
    loosen(site)
    with running_gate(tmp_path, board.path) as (gate, settings):
        anne, bert = Clerk(gate, ANNE, "maintainer"), Clerk(gate, BERT, "maintainer")
        assert anne.refused("audit-accept") == "ApprovalNeeded"
        assert anne.refused("audit-accept") == "ApprovalNeeded", "nobody else has agreed"
        (request,) = [each for each in bert.ask("approvals")["ok"] if "audit log" in each["what"]]
        assert request["fields"]["decision.attempts"] == "2"
        assert anne.refused("approve", id=request["id"]) == "NotAllowed"
        assert "ok" in bert.ask("approve", id=request["id"])
        assert ask(settings, "status")["log"]["fault"], "an approval alone changes nothing"
        assert "ok" in anne.ask("audit-accept")
        assert ask(settings, "status")["log"] == {"fault": None}
        assert gate.authorisation.agreed.decision.attempts == 2
        assert anne.refused("audit-accept") == "LogUndoubted"
        eye_at(gate).walk_up(1, track=3)
        assert pulsed(board)
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert ask(settings, "status")["log"] == {"fault": None} and gate.authorisation.agreed.decision.attempts == 2
        assert ask(settings, "status")["policy"]["waiting"] == ["decision.attempts"]
        code, told = verified(site)
        assert code == 1 and "is missing" in told, "what is gone stays told"


def test_a_site_that_restored_an_older_backup_is_held_until_two_people_agree(
    board: BoardSimulator, tmp_path: Path, site: Path
) -> None:
    backup = tmp_path / "backup"
    shutil.copy(site, backup)
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye_at(gate).walk_up(1, track=3)
        assert pulsed(board)
    shutil.copy(backup, site)
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert "it ends before row" in ask(settings, "status")["log"]["fault"]
        anne, bert = Clerk(gate, ANNE, "maintainer"), Clerk(gate, BERT, "maintainer")
        anne.refused("audit-accept")
        (request,) = bert.ask("approvals")["ok"]
        assert "ok" in bert.ask("approve", id=request["id"]) and "ok" in anne.ask("audit-accept")
        eye_at(gate).walk_up(1, track=3)
        until(lambda: events(settings, "opened"))


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(bytes(200))])
def test_a_device_that_has_lost_what_it_knew_is_held_until_two_people_agree(
    board: BoardSimulator, tmp_path: Path, site: Path, damage: Callable[[Path], object]
) -> None:
    damage(anchor_path(site))
    loosen(site)
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert anchor_path(site).name in ask(settings, "status")["log"]["fault"]
        assert gate.authorisation.agreed.decision.attempts == 2, "the log is whole, so what it says was agreed to"
        anne, bert = Clerk(gate, ANNE, "maintainer"), Clerk(gate, BERT, "maintainer")
        anne.refused("audit-accept")
        (request,) = [each for each in bert.ask("approvals")["ok"] if "audit log" in each["what"]]
        assert "ok" in bert.ask("approve", id=request["id"]) and "ok" in anne.ask("audit-accept")
    with running_gate(tmp_path, board.path) as (_, settings):
        assert ask(settings, "status")["log"] == {"fault": None}
        assert verified(site)[0] == 0


def test_an_honest_site_is_never_in_doubt(board: BoardSimulator, tmp_path: Path, site: Path) -> None:
    """The control: starts, changes, settings that two people agreed to, an anchor of before the last rows."""
    kept = anchor_path(site).read_bytes()
    loosen(site)
    with running_gate(tmp_path, board.path) as (gate, settings):
        (request,) = ask(settings, "approvals")
        assert "ok" in Clerk(gate, ANNE, "maintainer").ask("approve", id=request["id"])
        assert ask(settings, "forget", name="Bo")["templates"] == 1
    anchor_path(site).write_bytes(kept)  # as a power cut leaves it: behind the database
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert ask(settings, "status")["log"] == {"fault": None} and ask(settings, "status")["people"]["fault"] is None
        assert gate.authorisation.agreed.decision.attempts == 9
        assert verified(site)[0] == 0
        eye_at(gate).walk_up(1, track=3)
        assert pulsed(board)


def move_a_consent(database: Any) -> None:
    database.execute(
        "UPDATE consent SET until = '2099-01-01T00:00:00.000Z'"
        " WHERE resident_id = (SELECT id FROM resident WHERE name = 'Ann')"
    )


def swap_two_names(database: Any) -> None:
    database.execute("UPDATE resident SET name = 'x' WHERE name = 'Ann'")
    database.execute("UPDATE resident SET name = 'Ann' WHERE name = 'Bo'")
    database.execute("UPDATE resident SET name = 'Bo' WHERE name = 'x'")


def give_a_consent_to_another(database: Any) -> None:
    database.execute("UPDATE consent SET resident_id = (SELECT id FROM resident WHERE name = 'Bo')")


def swap_what_vouches_too(database: Any) -> None:
    swap_two_names(database)
    (one, first), (two, second) = database.execute("SELECT resident_id, code FROM voucher").fetchall()
    database.execute("UPDATE voucher SET code = ? WHERE resident_id = ?", (second, one))
    database.execute("UPDATE voucher SET code = ? WHERE resident_id = ?", (first, two))


def put_another_salt(database: Any) -> None:
    move_a_consent(database)
    database.execute("UPDATE audit_subject SET salt = zeroblob(32)")


def drop_what_vouches(database: Any) -> None:
    move_a_consent(database)
    database.execute("DELETE FROM voucher WHERE resident_id = (SELECT id FROM resident WHERE name = 'Ann')")


@pytest.mark.parametrize(
    ("attack", "left"),
    [
        (move_a_consent, ["Bo"]),
        (swap_two_names, []),
        (give_a_consent_to_another, []),
        (swap_what_vouches_too, []),
        (put_another_salt, []),
        (drop_what_vouches, ["Bo"]),
    ],
)
def test_whose_name_or_consent_was_changed_with_the_stores_key_does_not_open_and_it_is_told(
    board: BoardSimulator, tmp_path: Path, site: Path, attack: Callable[[Any], None], left: list[str]
) -> None:
    with with_the_stores_key(site) as database:
        attack(database)
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert [each["name"] for each in ask(settings, "residents") if each["recognised"]] == left
        state = ask(settings, "status")
        assert f"{2 - len(left)} residents are not as was vouched for" in state["people"]["fault"]
        assert "people:" in run(site, "status").output
        findings = json.loads(run(site, "doctor", "--json").stdout)["findings"]
        assert [each["state"] for each in findings if each["part"] == "people"] == ["fault"]
        code, told = verified(site)
        assert code == 1 and told.count("is not as was vouched for") == 2 - len(left)
        eye = eye_at(gate)
        eye.walk_up(1, track=3)
        assert not any(each.on for each in board.history), "the door was opened"
        if left:
            eye.step_away()
            eye.walk_up(2, track=4)
            assert pulsed(board), "the other resident is let in"


def test_a_change_under_a_running_gate_is_seen_when_the_gallery_is_read_again(
    board: BoardSimulator, tmp_path: Path, site: Path
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        ann = within(gate, lambda: gate.store.rows("SELECT id FROM resident WHERE name = 'Ann'"))[0]["id"]
        within(gate, lambda: gate.store.run("UPDATE consent SET until = '2099-01-01T00:00:00.000Z'"))
        within(gate, lambda: gate.recognition.refresh(ann))
        assert [each["name"] for each in ask(settings, "residents") if each["recognised"]] == ["Bo"]
        within(gate, gate.recognition.load)
        assert not any(each["recognised"] for each in ask(settings, "residents"))


def test_whoever_is_in_doubt_can_be_forgotten_or_withdrawn_and_is_in_doubt_no_more(
    board: BoardSimulator, tmp_path: Path, site: Path
) -> None:
    with with_the_stores_key(site) as database:
        database.execute("UPDATE consent SET until = '2099-01-01T00:00:00.000Z'")
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert ask(settings, "forget", name="Ann")["consents"] == 1
        assert ask(settings, "withdraw", name="Bo")["consents"] == 1
        enrol(settings, eye_at(gate), "Ann", 1, track=5)
        assert ask(settings, "status")["people"] == {"fault": None}
        assert verified(site)[0] == 0


def test_a_withdrawn_consent_that_is_put_back_with_what_vouched_for_it_is_noticed(
    board: BoardSimulator, tmp_path: Path, site: Path
) -> None:
    with with_the_stores_key(site) as database:
        (code,) = database.execute(
            "SELECT code FROM voucher WHERE resident_id = (SELECT id FROM resident WHERE name = 'Ann')"
        ).fetchone()
    with running_gate(tmp_path, board.path) as (_, settings):
        assert ask(settings, "withdraw", name="Ann")["consents"] == 1
        assert ask(settings, "status")["people"] == {"fault": None} and verified(site)[0] == 0, "the control"
    with with_the_stores_key(site) as database:
        database.execute("UPDATE consent SET withdrawn_at = NULL")
        database.execute(
            "UPDATE voucher SET code = ? WHERE resident_id = (SELECT id FROM resident WHERE name = 'Ann')", (code,)
        )
    with running_gate(tmp_path, board.path) as (_, settings):
        assert "1 residents" in ask(settings, "status")["people"]["fault"]


def wait_for_openings(settings: config.Config, count: int) -> None:
    until(lambda: len(events(settings, "opened")) == count)


@pytest.fixture
def passed(board: BoardSimulator, tmp_path: Path, site: Path) -> Path:
    """The same site, where Ann came three times and then Bo."""
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        for number, person in enumerate((1, 1, 1, 2), 1):
            eye.walk_up(person, track=10 + number)
            wait_for_openings(settings, number)
            eye.step_away()
    return site


def delete_openings(database: Any) -> None:
    database.execute("DELETE FROM outcome WHERE event_seq IN (SELECT seq FROM event WHERE kind = 'opened')")
    database.execute("DELETE FROM event WHERE kind = 'opened'")


def delete_the_last_events(database: Any) -> None:
    (first,) = database.execute("SELECT min(seq) FROM event WHERE kind = 'opened'").fetchone()
    database.execute("DELETE FROM outcome WHERE event_seq >= ?", (first,))
    database.execute("DELETE FROM event WHERE seq >= ?", (first,))
    database.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'event'", (first - 1,))


def delete_all_events(database: Any) -> None:
    database.execute("DELETE FROM outcome")
    database.execute("DELETE FROM event")
    database.execute("DELETE FROM sqlite_sequence")


def give_an_opening_to_another(database: Any) -> None:
    (bo,) = database.execute("SELECT id FROM resident WHERE name = 'Bo'").fetchone()
    database.execute(
        "UPDATE event SET resident_id = ? WHERE seq = (SELECT min(seq) FROM event WHERE kind = 'opened')", (bo,)
    )


def blank_an_opening(database: Any) -> None:
    database.execute(
        "UPDATE event SET resident_id = '00000000-0000-0000-0000-000000000000', detail = '{}' WHERE kind = 'opened'"
    )


def move_an_opening(database: Any) -> None:
    database.execute("UPDATE event SET at = '2026-01-01T00:00:00.000Z' WHERE kind = 'opened'")


def call_an_opening_failed(database: Any) -> None:
    database.execute("UPDATE outcome SET outcome = 'interrupted'")


def take_an_outcome_away(database: Any) -> None:
    database.execute("UPDATE outcome SET outcome = NULL, at = NULL, code = NULL")


def say_that_there_was_no_chain(database: Any) -> None:
    give_an_opening_to_another(database)
    database.execute("UPDATE event SET who = NULL, said = NULL, link = NULL")


def exchange_two_openings(database: Any) -> None:
    (one, two) = database.execute("SELECT seq FROM event WHERE kind = 'opened' LIMIT 2").fetchall()
    database.execute("PRAGMA foreign_keys = OFF")
    for old, new in ((one[0], -1), (two[0], one[0]), (-1, two[0])):
        database.execute("UPDATE event SET seq = ? WHERE seq = ?", (new, old))


@pytest.mark.parametrize(
    "attack",
    [
        delete_openings,
        delete_the_last_events,
        delete_all_events,
        give_an_opening_to_another,
        blank_an_opening,
        move_an_opening,
        call_an_opening_failed,
        take_an_outcome_away,
        say_that_there_was_no_chain,
        exchange_two_openings,
    ],
)
def test_events_that_were_removed_changed_or_given_to_another_are_found(
    board: BoardSimulator, tmp_path: Path, passed: Path, attack: Callable[[Any], None]
) -> None:
    with with_the_stores_key(passed) as database:
        attack(database)
    for _ in range(2):  # a start must not put right what was changed, nor vouch for it
        with running_gate(tmp_path, board.path) as (_, settings):
            code, told = verified(passed)
            assert code == 1 and "event" in told, told
            assert ask(settings, "status")["log"] == {"fault": None}, "nobody is kept out for it"


@pytest.mark.parametrize("attack", [delete_the_last_events, delete_all_events])
def test_events_that_the_device_knew_of_and_that_are_gone_are_told_at_the_start(
    board: BoardSimulator, tmp_path: Path, passed: Path, attack: Callable[[Any], None]
) -> None:
    with with_the_stores_key(passed) as database:
        attack(database)
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert ask(settings, "status")["events"]["fault"] and run(passed, "status").exit_code == 1
        assert len(events(settings, "events doubted")) == 1
        anne, bert = Clerk(gate, ANNE, "maintainer"), Clerk(gate, BERT, "maintainer")
        anne.refused("audit-accept")
        (request,) = bert.ask("approvals")["ok"]
        assert "ok" in bert.ask("approve", id=request["id"]) and "ok" in anne.ask("audit-accept")
        assert verified(passed)[0] == 0, "the log is whole, and has it that two people took the events as they stood"


def test_events_of_whoever_was_forgotten_stay_in_the_chain_and_lead_to_nobody(
    board: BoardSimulator, tmp_path: Path, passed: Path
) -> None:
    """The control, with a restart and a crash's outcome."""
    with with_the_stores_key(passed) as database:
        before = database.execute("SELECT seq, at, link FROM event ORDER BY seq").fetchall()
        salts = database.execute("SELECT who, said FROM event WHERE resident_id IS NOT NULL").fetchall()
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert ask(settings, "forget", name="Ann")["events"] == 4
        assert ask(settings, "status")["people"] == {"fault": None}
        assert verified(passed)[0] == 0
        within(gate, lambda: gate.journal.begin("opened", detail={"track": 1}))  # and then the gate ends
    with running_gate(tmp_path, board.path) as (_, settings):
        assert verified(passed)[0] == 0
        assert [each["outcome"] for each in events(settings, "opening failed")] == ["interrupted"]
    with with_the_stores_key(passed) as database:
        after = database.execute("SELECT seq, at, link FROM event ORDER BY seq").fetchall()
        assert after[: len(before)] == before, "the chain is what it was"
        left = {salt for row in database.execute("SELECT who, said FROM event").fetchall() for salt in row}
        assert sum(who in left for who, _ in salts) == 2, "the salts of Bo's events alone"
