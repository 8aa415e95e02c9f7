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
from tests.support.gates import change, eye_at
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
        detail = json.dumps({**json.loads(agreed), "attempts": 9}, separators=(",", ":"), sort_keys=True)
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
            detail = row.detail.replace('"attempts":2', '"attempts":9') if row.verb == "policy" else row.detail
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
            assert gate.authorisation.agreed.attempts == 2, "the looser setting is in force"
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
                enrol(settings, eye_at(gate, eye=9), "New", 3, track=4)


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
        assert "attempts 2" in request["what"]
        assert anne.refused("approve", id=request["id"]) == "NotAllowed"
        assert "ok" in bert.ask("approve", id=request["id"])
        assert ask(settings, "status")["log"]["fault"], "an approval alone changes nothing"
        assert "ok" in anne.ask("audit-accept")
        assert ask(settings, "status")["log"] == {"fault": None}
        assert gate.authorisation.agreed.attempts == 2
        assert anne.refused("audit-accept") == "LogUndoubted"
        eye_at(gate).walk_up(1, track=3)
        assert pulsed(board)
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert ask(settings, "status")["log"] == {"fault": None} and gate.authorisation.agreed.attempts == 2
        assert ask(settings, "status")["policy"]["waiting"] == ["attempts"]
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
        assert gate.authorisation.agreed.attempts == 2, "the log is whole, so what it says was agreed to"
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
        assert gate.authorisation.agreed.attempts == 9
        assert verified(site)[0] == 0
        eye_at(gate).walk_up(1, track=3)
        assert pulsed(board)
