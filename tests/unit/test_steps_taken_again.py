# SPDX-License-Identifier: Apache-2.0
"""What somebody with the store's key wants the gate to take for its own.

A step seals, signs and vouches for what it finds, if it is taken again: a stranger's face under a resident's name, a
policy nobody agreed to, another consent. Indexes, statements and times can be written to say something else.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import StoreCorrupt
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.store.database import Store
from edge_gate.store.keys.anchor import anchor_path
from edge_gate.store.keys.source import load_key
from edge_gate.store.steps import first_tables
from edge_gate.store.templates import renewal
from edge_gate.wire.client import ask
from tests.support.clerk import ROLES
from tests.support.clocks import WindableClock
from tests.support.gates import change, eye_at
from tests.support.peers import direction, events, pulsed, running_gate
from tests.unit.test_gate_vouching import (
    forge_a_policy,
    loosen,
    move_a_consent,
    site,
    swap_two_names,
    with_the_stores_key,
)

__all__ = ["site"]


def opened(path: Path) -> Store:
    settings = config.load(path.with_name("edge-gate.toml")).store
    return Store.open(path, load_key(settings, {}), SystemClock())


def forget_step(database: Any, number: str, *, later: bool = False) -> None:
    test = ">=" if later else "="
    database.execute(f"DELETE FROM _sqlite_migrations WHERE substr(name, 1, 4) {test} ?", (number,))


def take_vouching_out(database: Any) -> None:
    database.execute("DROP TABLE voucher")
    for column in ("who", "said", "link"):
        database.execute(f"ALTER TABLE event DROP COLUMN {column}")
    database.execute("ALTER TABLE outcome DROP COLUMN code")


def put_a_stranger_in_anns_place(path: Path) -> None:
    with with_the_stores_key(path) as database:
        (ann,) = database.execute("SELECT id FROM resident WHERE name = 'Ann'").fetchone()
        others = "SELECT model_id, pictures, created_at FROM template WHERE resident_id = ?"
        model, pictures, at = database.execute(others, (ann,)).fetchone()
        plain = sqlcipher3.dbapi2.connect(":memory:")
        first_tables.STEP.shape(plain)
        (shape,) = plain.execute("SELECT sql FROM sqlite_master WHERE name = 'template'").fetchone()
        database.execute("DROP TABLE template")
        database.execute(shape)
        vector = direction(77).astype("<f2").tobytes()
        database.execute("INSERT INTO template VALUES (?, ?, ?, ?, ?)", (ann, model, pictures, vector, at))
        forget_step(database, "0002")


def sign_a_forged_policy(path: Path) -> None:
    loosen(path)
    forge_a_policy(path)
    with with_the_stores_key(path) as database:
        database.execute("DROP TABLE audit_end")
        forget_step(database, "0005")


def vouch_for_another_consent(path: Path) -> None:
    with with_the_stores_key(path) as database:
        move_a_consent(database)
        take_vouching_out(database)
        forget_step(database, "0010")


def vouch_for_another_name(path: Path) -> None:
    with with_the_stores_key(path) as database:
        swap_two_names(database)
        take_vouching_out(database)
        forget_step(database, "0010")


@pytest.mark.parametrize(
    "attack",
    [put_a_stranger_in_anns_place, sign_a_forged_policy, vouch_for_another_consent, vouch_for_another_name],
)
def test_a_step_that_is_to_be_taken_again_out_of_its_order_makes_no_store(
    site: Path, attack: Callable[[Path], None]
) -> None:
    attack(site)
    with pytest.raises(StoreCorrupt, match="not in their order"):
        opened(site)


def test_a_store_that_is_taken_back_to_an_earlier_version_opens_to_nobody_and_loosens_nothing(
    board: BoardSimulator, tmp_path: Path, site: Path
) -> None:
    forge_a_policy(site)
    loosen(site)
    with with_the_stores_key(site) as database:
        database.execute("UPDATE consent SET until = '2099-01-01T00:00:00.000Z'")
        take_vouching_out(database)
        for table in ("audit_end", "pad_trial", "time_kept"):
            database.execute(f"DROP TABLE {table}")
        database.execute("DROP INDEX event_kind")
        forget_step(database, "0005", later=True)
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert "has not signed" in ask(settings, "status")["log"]["fault"]
        assert gate.authorisation.agreed.decision.attempts == 2
        assert not any(each["recognised"] for each in ask(settings, "residents"))
        eye_at(gate).walk_up(1, track=3)
        assert not any(each.on for each in board.history)


def test_an_upgrade_that_was_cut_off_after_its_anchor_was_written_goes_on(
    board: BoardSimulator, tmp_path: Path, site: Path
) -> None:
    """The control: here the anchor knows of no more than the database."""
    with with_the_stores_key(site) as database:
        take_vouching_out(database)
        database.execute("DROP TABLE time_kept")
        forget_step(database, "0010", later=True)
    before = site.with_name("before.db")
    shutil.copy(site, before)
    anchor_path(site).unlink()
    opened(site).close()
    shutil.copy(before, site)
    with running_gate(tmp_path, board.path) as (_, settings):
        assert ask(settings, "status")["log"] == {"fault": None}
        assert all(each["recognised"] for each in ask(settings, "residents"))


def test_the_first_start_of_a_version_that_keeps_the_time_erases_nothing_by_a_date_too_late(
    board: BoardSimulator, tmp_path: Path, site: Path
) -> None:
    with with_the_stores_key(site) as database:
        database.execute("DROP TABLE time_kept")
        forget_step(database, "0011")
    clock = WindableClock.of(tmp_path)
    clock.date_back -= timedelta(days=5 * 365)
    clock.leave_in(tmp_path)
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert not gate.store.clock.look().settled
        assert events(settings, "template expired") == []


def test_a_time_that_was_written_with_the_stores_key_erases_nobody(
    board: BoardSimulator, tmp_path: Path, site: Path
) -> None:
    with with_the_stores_key(site) as database:
        database.execute("UPDATE time_kept SET newest = newest + 4000000000000000, doubt = 0")
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert not gate.store.clock.look().settled
        assert events(settings, "template expired") == []


def test_many_erasures_are_told_for_a_day_over_a_restart(board: BoardSimulator, tmp_path: Path, site: Path) -> None:
    settings = config.load(site.with_name("edge-gate.toml"))
    change(settings, "[roles]\n", "[roles]\npeople_per_hour = 1\n")
    with running_gate(tmp_path, board.path, roles=ROLES) as (gate, settings):
        for name in ("Ann", "Bo"):
            ask(settings, "forget", name=name)
        told = gate.authorisation.many_erased
        assert told > 0
    with running_gate(tmp_path, board.path) as (gate, _):
        assert gate.authorisation.many_erased == told


def test_whom_eyes_open_to_is_whom_they_opened_to_before(board: BoardSimulator, tmp_path: Path, site: Path) -> None:
    """The control of all of this."""
    with running_gate(tmp_path, board.path) as (gate, _):
        eye_at(gate).walk_up(1, track=3)
        assert pulsed(board)


def test_an_index_that_leads_elsewhere_decides_nothing(board: BoardSimulator, tmp_path: Path, site: Path) -> None:
    """Ann's consent has ended. In the index, and there alone, Bo's still has her name."""
    with with_the_stores_key(site) as database:
        found = "SELECT id FROM resident WHERE name = ?"
        (ann,), (bo,) = (database.execute(found, (each,)).fetchone() for each in ("Ann", "Bo"))
        database.execute("UPDATE consent SET resident_id = ? WHERE resident_id = ?", (ann, bo))
        database.execute("PRAGMA writable_schema = ON")
        (index,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'consent_resident'").fetchone()
        row = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'consent_resident'").fetchone()
        database.execute("DELETE FROM sqlite_master WHERE name = 'consent_resident'")
    with with_the_stores_key(site) as database:
        database.execute("UPDATE consent SET resident_id = ? WHERE rowid = (SELECT max(rowid) FROM consent)", (bo,))
        database.execute("PRAGMA writable_schema = ON")
        values = ("index", "consent_resident", "consent", row[0], index)
        database.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", values)
    with with_the_stores_key(site) as database:
        assert database.execute("PRAGMA integrity_check(consent)").fetchone() != ("ok",), "the attack is none"
    store = opened(site)
    assert store.rows("PRAGMA integrity_check(consent)")[0]["integrity_check"] == "ok"
    store.close()


def test_a_table_whose_statement_hides_something_in_quotes_is_not_ours(site: Path) -> None:
    with with_the_stores_key(site) as database:
        (sql,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'consent'").fetchone()
        line = " ".join(re.sub(r"--[^\n]*", "", sql).split())
        head, tail = line.split("REFERENCES resident(id)", 1)
        hidden = f'{head}REFERENCES "resident/*"(id) COLLATE NOCASE{tail} -- */(id){tail}'
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'consent'", (hidden,))
    with pytest.raises(StoreCorrupt, match="consent is not as edge-gate makes it"):
        opened(site)


def test_templates_of_fewer_bits_are_damage(site: Path) -> None:
    with with_the_stores_key(site) as database:
        database.execute("UPDATE template_key SET bits = 64")
    with opened(site) as store, pytest.raises(StoreCorrupt, match="64 bits"):
        renewal.prepare(store)


def test_a_time_and_a_date_that_were_written_together_bring_no_consent_back_and_erase_nobody(
    board: BoardSimulator, tmp_path: Path, site: Path
) -> None:
    for days in (-400, 4000):
        clock = WindableClock.of(tmp_path)
        clock.date_back -= timedelta(days=days)
        wall = round((clock.now()).timestamp() * 1e6)
        with with_the_stores_key(site) as database:
            (last,) = database.execute("SELECT at FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
            database.execute("UPDATE time_kept SET newest = ?, floor = ?, wall = ?, boot = 0, doubt = 0", (wall,) * 3)
        clock.leave_in(tmp_path)
        with running_gate(tmp_path, board.path) as (gate, settings):
            assert gate.store.now() >= datetime.fromisoformat(last)
            assert not gate.store.clock.look().settled
            assert events(settings, "template expired") == []
