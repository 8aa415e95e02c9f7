# SPDX-License-Identifier: Apache-2.0
"""What is personal says so at its table: no column that names a resident is undeclared, and the rest follows."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import StoreError
from edge_gate.documents.receipt import Kind, Receipt, write
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.spec import registry
from edge_gate.spec.model import Act, Fate, PersonalTable, Phrase
from edge_gate.store import events
from edge_gate.store.connection import look
from edge_gate.store.database import Store
from edge_gate.store.keys.source import load_key
from edge_gate.store.people import consent, residents
from edge_gate.store.people.sweep import Swept, sweep
from edge_gate.store.people.traces import rows_left, search, words_for
from edge_gate.store.schema import SCHEMA, Schema
from edge_gate.store.steps.step import Step, run_each
from edge_gate.wire.client import ask
from tests.support import peers
from tests.support.clerk import BERT, ROLES, Clerk
from tests.support.gates import measured, set_date, today
from tests.support.peers import RawEye, enrol, pulsed, running_gate, until
from tests.support.stores import enrol as enrol_in
from tests.support.stores import in_the_clear

KEY = bytes(range(32))
CLOCK = SystemClock()
ADA, BOB = "Ada-Marked-1815", "Bob-Marked-1927"
CHECKOUT = Path(__file__).parents[2]

# Names under which a column may hold somebody, whatever is in it today.
TELLING = re.compile(r"resident|person|people|holder|member|owner|whom|subject", re.IGNORECASE)
# Columns with such a name that name nobody, each with the reason.
NAMELESS = {("audit", "subject"): "a commitment, which leads to nobody without the salt in audit_subject"}

Columns = set[tuple[str, str]]


def columns(database: Any) -> Iterator[tuple[str, str]]:
    tables = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%'"
    for (table,) in database.execute(tables).fetchall():
        for (column,) in database.execute("SELECT name FROM pragma_table_xinfo(?)", (table,)).fetchall():
            yield table, column


def referring(database: Any) -> Columns:
    """Return the columns that the tables say refer to a resident."""
    found: Columns = set()
    for table in {table for table, _ in columns(database)}:
        references = database.execute('SELECT "table", "from" FROM pragma_foreign_key_list(?)', (table,)).fetchall()
        found |= {(table, column) for goal, column in references if goal == "resident"}
    return found


def holding(database: Any, people: Collection[str]) -> Columns:
    """Return the columns in which one of these names or identifiers stands, in any form."""
    forms = [form for text in people for each in words_for(text).values() for form in each]
    found: Columns = set()
    for table, column in columns(database):
        for (value,) in database.execute(f'SELECT "{column}" FROM "{table}"'):
            content = value if isinstance(value, bytes) else str(value).encode()
            if any(form in content for form in forms):
                found.add((table, column))
    return found


def naming(database: Any, people: Collection[str]) -> Columns:
    """Return every column that names a resident, by reference, by its own name or by what is in it."""
    told = {place for place in columns(database) if TELLING.search(place[1])}
    return (referring(database) | told | holding(database, people)) - set(NAMELESS)


def undeclared(found: Columns, tables: Collection[PersonalTable]) -> Columns:
    """Return the columns from which no declaration takes a forgotten resident."""
    by_name = {table.name: table for table in tables}

    def covered(table: str, column: str) -> bool:
        declared = by_name.get(table)
        if declared is None:
            return False
        return declared.forgetting is Fate.DELETED or column in (declared.column, *declared.cleared)

    return {place for place in found if not covered(*place)}


@pytest.fixture
def board() -> Iterator[BoardSimulator]:
    with BoardSimulator("lcus1") as simulator:
        yield simulator


def agreed(settings: Any, second: Clerk, verb: str, **request: Any) -> None:
    """Ask for what takes two people, have the second agree, and ask again."""
    with pytest.raises(Exception, match="second person"):
        ask(settings, verb, **request)
    (waiting,) = second.ask("approvals")["ok"]
    assert "ok" in second.ask("approve", id=waiting["id"])
    ask(settings, verb, **request)


def test_no_verb_writes_a_resident_into_a_column_that_no_table_declares(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each verb that changes something is asked of a whole gate; then every column of every table is looked into."""
    tables = SCHEMA.personal
    monkeypatch.setitem(peers.CONSENT, "given_by", ADA)
    with running_gate(tmp_path, board.path, roles=ROLES) as (gate, settings):
        key = load_key(settings.store, {})
        eye, bert = RawEye(settings.sockets.eye, gate.recognition.card.model_id), Clerk(gate, BERT, "maintainer")
        people = [enrol(settings, eye, name, number, track=number)[-1]["id"] for number, name in enumerate((ADA, BOB))]
        eye.walk_up(0, track=20)
        assert pulsed(board)
        measured(gate, settings, eye, "live", pad=peers.LIVE)
        for verb in ("relay-test", "pause", "resume", "audit-checkpoint"):
            ask(settings, verb)
        agreed(settings, bert, "templates-renew")
        agreed(settings, bert, "keys-escrow", shares=3, needed=2)
        set_date(gate, 3600)
        set_date(gate, -3600)
        agreed(settings, bert, "clock-accept", day=today(gate))
        with closing(look(settings.store.path, key)) as database:
            found = naming(database, [ADA, BOB, *people])
            assert {("event", "resident_id"), ("consent", "given_by"), ("template", "resident_id")} <= found
            assert undeclared(found, tables) == set(), "declare the table in edge_gate/spec, or write nobody into it"
        until(lambda: not ask(settings, "status")["enrolling"])
        ask(settings, "withdraw", name=BOB)
        ask(settings, "forget", name=ADA)
        with closing(look(settings.store.path, key)) as database:
            assert undeclared(naming(database, [ADA, BOB, *people]), tables) == set()
            assert holding(database, [people[0]]) == set(), "forgetting left something"
            assert ("event", "resident_id") in holding(database, [people[1]]), "the search finds nobody"
            done = {verb for (verb,) in database.execute("SELECT DISTINCT verb FROM audit")}
        # What accepts a log in doubt has none here; it says nothing of anybody (test_gate_vouching.py asks for it).
        changing = {verb.name for verb in registry.VERBS.values() if verb.changes} - {"audit-accept"}
        assert changing <= done, "this test has to ask for every verb that changes something"
        del eye


def test_tables_are_declared_in_the_order_in_which_they_refer_to_each_other(tmp_path: Path) -> None:
    names = [table.name for table in SCHEMA.personal]
    with Store.create(tmp_path / "edge-gate.db", KEY, CLOCK) as store:
        for place, name in enumerate(names):
            references = store.rows('SELECT "table" AS goal FROM pragma_foreign_key_list(?)', (name,))
            assert {row["goal"] for row in references} <= set(names[:place]), name


def test_the_columns_that_a_declaration_names_exist(tmp_path: Path) -> None:
    with Store.create(tmp_path / "edge-gate.db", KEY, CLOCK) as store:
        for table in SCHEMA.personal:
            there = {row["name"] for row in store.rows("SELECT name FROM pragma_table_xinfo(?)", (table.name,))}
            named = {*table.cleared, table.mark, table.column} - {"", None}
            assert there and named <= there, table.name


def test_old_salts_of_the_templates_key_leave_no_page_although_they_name_nobody() -> None:
    template_key = registry.TABLES["template_key"]
    assert template_key.column is None and template_key.rebuilt


@pytest.mark.parametrize(
    "declared",
    [
        {"forgetting": Fate.KEPT},
        {"forgetting": Fate.MARKED, "mark": "at"},
        {"withdrawal": Fate.MARKED},
        {"rebuilt": False},
        {"forgetting": Fate.BLANKED},
        {"removed": None},
        {"column": None},
    ],
)
def test_a_declaration_that_would_leave_something_is_refused(declared: dict[str, Any]) -> None:
    whole: dict[str, Any] = {"name": "cards", "removed": Phrase("cards", "卡")}
    PersonalTable(**whole)
    with pytest.raises(ValueError, match="'cards'"):
        PersonalTable(**(whole | declared))


# --- a table that somebody adds ----------------------------------------------------------------------------------

PARKING = Step(
    "0099_parking",
    run_each(
        "CREATE TABLE parking (place INTEGER PRIMARY KEY, resident_id TEXT NOT NULL, plate TEXT NOT NULL) STRICT",
        "CREATE TABLE lodger (id INTEGER PRIMARY KEY, who TEXT NOT NULL REFERENCES resident(id)) STRICT",
        "CREATE TABLE remark (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT",
    ),
)
FORGETFUL = replace(SCHEMA, steps=(*SCHEMA.steps, PARKING))
DECLARED = PersonalTable(
    "parking",
    withdrawal=Fate.DELETED,
    figure="places",
    removed=Phrase("parking places: {count}", "停车位 {count} 个"),
)
MINDFUL = replace(FORGETFUL, personal=(*FORGETFUL.personal, DECLARED))


def parked(folder: Path, schema: Schema) -> tuple[Store, residents.Resident]:
    """Return a store with the added tables and a resident who has two parking places."""
    store = Store.create(folder / "edge-gate.db", KEY, CLOCK, schema)
    ada, _ = enrol_in(store, ADA, 1)
    for plate in ("AB 1", "AB 2"):
        store.insert("parking", {"resident_id": ada.id, "plate": plate})
    events.append(store, "opened", resident_id=ada.id)
    return store, ada


def test_an_added_table_that_is_not_declared_is_caught_and_would_keep_the_forgotten(tmp_path: Path) -> None:
    store, ada = parked(tmp_path, FORGETFUL)
    with closing(store):
        store.insert("remark", {"text": f"a parcel for {ADA}"})
        with closing(look(store.path, KEY)) as database:
            found = undeclared(naming(database, [ADA, ada.id]), FORGETFUL.personal)
        by_its_name, by_reference, by_content = ("parking", "resident_id"), ("lodger", "who"), ("remark", "text")
        assert found == {by_its_name, by_reference, by_content}
        assert "places" not in residents.forget(store, ada.id).figures
        assert not search(store.path, KEY, words_for(ada.id)).clean
        assert not search(store.path, KEY, words_for(ADA)).clean


def test_a_table_with_a_reference_that_is_not_declared_makes_forgetting_fail_aloud(tmp_path: Path) -> None:
    store, ada = parked(tmp_path, FORGETFUL)
    with closing(store):
        store.insert("lodger", {"who": ada.id})
        with pytest.raises(StoreError, match="FOREIGN KEY"):
            residents.forget(store, ada.id)


def test_an_added_table_that_is_declared_is_forgotten_without_another_line(tmp_path: Path) -> None:
    store, ada = parked(tmp_path, MINDFUL)
    with closing(store):
        with closing(look(store.path, KEY)) as database:
            assert ("parking", "resident_id") not in undeclared(naming(database, [ADA, ada.id]), MINDFUL.personal)
        removed = residents.forget(store, ada.id)
        assert removed.figures == {"consents": 1, "templates": 1, "events": 1, "places": 2}
        assert search(store.path, KEY, words_for(ada.id)).clean
        assert b"AB 1" not in in_the_clear(store.path)


def test_an_added_table_that_is_declared_follows_a_withdrawal_and_the_search_after_it(tmp_path: Path) -> None:
    store, ada = parked(tmp_path, MINDFUL)
    with closing(store):
        before = rows_left(store.path, KEY, Act.WITHDRAWAL, [ada.id], MINDFUL.personal)
        assert {name: each.left for name, each in before.items()} == {
            "consent": {ada.id: 1},
            "template": {ada.id: 1},
            "parking": {ada.id: 2},
        }
        assert consent.can_withdraw(store, ada.id)
        assert consent.withdraw(store, ada.id).figures == {"consents": 1, "templates": 1, "places": 2}
        after = rows_left(store.path, KEY, Act.WITHDRAWAL, [ada.id], MINDFUL.personal)
        assert {name: (each.rows, each.left) for name, each in after.items()} == {
            "consent": (1, {ada.id: 0}),
            "template": (0, {ada.id: 0}),
            "parking": (0, {ada.id: 0}),
        }
        assert not consent.can_withdraw(store, ada.id)
        assert b"AB 1" not in in_the_clear(store.path)


def test_an_added_table_that_is_declared_is_swept_where_a_backup_brought_it_back(tmp_path: Path) -> None:
    store, ada = parked(tmp_path, MINDFUL)
    store.empty_log()
    shutil.copy(store.path, tmp_path / "backup.db")
    residents.forget(store, ada.id)
    store.close()
    shutil.copy(tmp_path / "backup.db", store.path)
    with Store.open(store.path, KEY, CLOCK, MINDFUL) as again:
        for table in ("voucher", "audit_subject", "consent", "template", "resident"):
            again.run(f"DELETE FROM {table}")
        assert sweep(again) == Swept(residents=1, templates=0), "rows without a resident of their own"
        assert again.rows("SELECT * FROM parking") == []
        assert not sweep(again)


@pytest.mark.parametrize(
    ("language", "kind", "said"),
    [
        ("en", Kind.FORGETTING, "Then this was removed: your name, consents: 1, templates: 1, parking places: 2."),
        ("zh", Kind.FORGETTING, "随后删除了：您的姓名，同意记录 1 条，模板 1 个，停车位 2 个。"),
        ("en", Kind.WITHDRAWAL, "Then this was removed: templates: 1, parking places: 2. You are no longer"),
        ("zh", Kind.WITHDRAWAL, "随后删除了：模板 1 个，停车位 2 个。您不再被识别。"),
    ],
)
def test_a_receipt_says_what_went_from_an_added_table(language: str, kind: Kind, said: str) -> None:
    figures = {"consents": 1, "templates": 1, "events": 1, "places": 2}
    who = "6f1c1e0a-9b1d-4f57-8a53-0c6c1fb5f7aa"
    receipt = Receipt("gate", who, CLOCK.now(), figures, False, kind)
    page = write(receipt, Ed25519PrivateKey.generate(), language, MINDFUL.personal)
    assert said in page
    assert all(len(line) <= 99 for line in page.splitlines())


# --- the documents -----------------------------------------------------------------------------------------------


def test_the_maintainers_table_of_personal_data_is_what_is_declared() -> None:
    text = (CHECKOUT / "docs" / "maintainer.md").read_text(encoding="utf-8")
    section = text.partition("## What is kept of a resident")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (\w+) \| (\w+) \| (.+) \|$", section, re.MULTILINE)
    assert rows == [
        (table.name, table.forgetting.value, table.withdrawal.value, table.retention.value)
        for table in SCHEMA.personal
        if table.column is not None
    ]


def test_every_word_of_a_receipt_is_in_both_languages_and_counts_only_what_has_a_figure() -> None:
    for table in SCHEMA.personal:
        for phrase in filter(None, (table.removed, table.kept)):
            assert phrase.en and phrase.zh
            counted = {"{count}" in phrase.en, "{count}" in phrase.zh}
            assert len(counted) == 1, table.name
            assert table.figure or counted == {False}, table.name
