# SPDX-License-Identifier: Apache-2.0
"""Forgetting, judged from outside: the pages are decrypted here, without SQLCipher, and searched."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_gate.core.errors import ResidentUnknown
from edge_gate.store import events
from edge_gate.store.database import Store
from edge_gate.store.people import consent, residents
from edge_gate.store.schema import FORGOTTEN
from edge_gate.store.templates import templates
from tests.support.stores import CLOCK, KEY, MODEL, compared, enrol, in_the_clear


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "edge-gate.db", KEY, CLOCK) as opened:
        yield opened


def test_nothing_of_a_forgotten_person_is_left_in_any_page_of_any_file(store: Store) -> None:
    ada, of_ada = enrol(store, "Ada-Lovelace-1815", 1)
    _, of_bob = enrol(store, "Bob-Noyce-1927", 2)
    for _ in range(30):
        events.append(store, "opened", resident_id=ada.id, score=0.8, detail={"by": ada.id})
    events.append(store, "enrolment failed", detail={"like": ada.name})
    before = in_the_clear(store.path)
    assert all(secret in before for secret in (*of_ada, *of_bob)), "the search cannot find what is there"
    forgotten = residents.forget(store, ada.name)
    after = in_the_clear(store.path)
    assert [secret for secret in of_ada if secret in after] == []
    assert all(secret in after for secret in of_bob)
    assert forgotten.figures == {"consents": 1, "templates": 1, "events": 31}
    assert not forgotten.traces_left
    assert store.path.with_name("edge-gate.db-wal").stat().st_size == 0
    assert store.check() == []


def test_the_events_of_a_forgotten_person_stay_without_them(store: Store) -> None:
    ada, _ = enrol(store, "Ada", 1)
    bob, _ = enrol(store, "Bob", 2)
    hers = events.append(store, "opened", resident_id=ada.id, score=0.8, detail={"track": 7}, awaited=True)
    events.finish(store, hers.id, "opened")
    his = events.append(store, "opened", resident_id=bob.id, score=0.7, detail={"track": 8})
    naming = events.append(store, "no match", detail={"like": "Ada", "track": 9})
    residents.forget(store, "Ada")
    named, kept, left = events.recent(store)
    assert kept == his
    assert (left.id, left.at, left.score, left.outcome) == (hers.id, hers.at, 0.8, "opened")
    assert (left.resident_id, left.detail) == (FORGOTTEN, {})
    assert (named.id, named.resident_id, named.detail) == (naming.id, None, {})


@pytest.mark.parametrize("name", ["operator", "like", "views", "Ann", "阿明", 'quo"te', "back\\slash"])
def test_what_names_somebody_is_a_value_and_not_a_key(store: Store, name: str) -> None:
    resident, _ = enrol(store, "Somebody")
    store.run("UPDATE resident SET name = ? WHERE id = ?", (name, resident.id))  # also one of before there was a rule
    told = [
        events.append(store, "enrolled", detail=detail)
        for detail in (
            {"operator": "root", "views": 5},
            {"like": name},
            {"many": ["x", {"who": name}]},
            {"not": f"{name}s"},
        )
    ]
    assert residents.forget(store, resident.id).figures["events"] == 2
    kept = {each.id: each.detail for each in events.recent(store)}
    assert [kept[each.id] == each.detail for each in told] == [True, False, False, True]
    assert not kept[told[1].id] and not kept[told[2].id]


def test_an_event_whose_detail_is_no_json_is_blanked_where_the_name_stands_in_it(store: Store) -> None:
    resident, of_ann = enrol(store, "Ann-Noether-1882")
    event = events.append(store, "enrolled", detail={"x": 1})
    store.run("UPDATE event SET detail = ? WHERE seq = ?", ('{"like": "Ann-Noether-1882"', event.seq))
    residents.forget(store, resident.id)
    assert store.rows("SELECT detail FROM event")[0]["detail"] == "{}"
    assert [secret for secret in of_ann if secret in in_the_clear(store.path)] == []


def test_a_forgotten_person_is_unknown_and_may_come_again_as_somebody_new(store: Store) -> None:
    ada, _ = enrol(store, "Ada", 1)
    residents.forget(store, ada.id)
    with pytest.raises(ResidentUnknown):
        residents.find(store, "Ada")
    assert compared(store, MODEL, CLOCK.now()) == []
    again, _ = enrol(store, "Ada", 1)
    assert again.id != ada.id


def test_an_earlier_template_of_theirs_is_gone_too(store: Store) -> None:
    ada, of_ada = enrol(store, "Ada-Lovelace-1815", 1)
    templates.put(store, templates.Template(ada.id, MODEL, 5, np.random.default_rng(9).bytes(256), 128))
    residents.forget(store, ada.id)
    assert [secret for secret in of_ada if secret in in_the_clear(store.path)] == []


def test_a_withdrawn_template_is_gone_from_every_page(store: Store) -> None:
    ada, (name, _, *vector) = enrol(store, "Ada-Lovelace-1815", 1)
    assert all(part in in_the_clear(store.path) for part in vector)
    consent.withdraw(store, ada.id)
    after = in_the_clear(store.path)
    assert name in after
    assert not any(part in after for part in vector)


def test_a_reader_that_holds_the_log_is_reported_and_the_next_start_clears_it(store: Store) -> None:
    ada, of_ada = enrol(store, "Ada-Lovelace-1815", 1)
    with Store.open(store.path, KEY, CLOCK) as reader:
        reader.run("BEGIN")
        assert len(reader.rows("SELECT * FROM resident")) == 1
        store.rows("PRAGMA busy_timeout = 50")
        assert residents.forget(store, ada.id).traces_left
        reader.run("COMMIT")
    store.close()
    with Store.open(store.path, KEY, CLOCK) as again:
        assert not any(secret in in_the_clear(again.path) for secret in of_ada)


def test_no_trace_is_left_after_a_long_life_of_coming_going_and_passing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trees that are balanced again and again leave copies of moved rows in the slack of pages (schema.py)."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    store.run("PRAGMA synchronous = OFF")  # hundreds of commits, and the power stays on
    chance = random.Random(7)
    living: list[tuple[residents.Resident, list[bytes]]] = []
    gone: list[bytes] = []
    awaited: list[str] = []
    for step in range(300):
        if len(living) < 60 or chance.random() < 0.6:
            name = f"{step:04d}-{chance.randbytes(chance.randint(4, 40)).hex()}"
            with store.transaction():
                living.append(enrol(store, name, step))
        else:
            resident, secrets = living.pop(chance.randrange(len(living)))
            residents.forget(store, resident.id)
            gone += secrets
        with store.transaction():
            for resident, _ in chance.sample(living, min(4, len(living))):
                detail = {"why": "x" * chance.randint(0, 200)}
                awaited.append(events.append(store, "opened", resident_id=resident.id, detail=detail, awaited=True).id)
            while len(awaited) > 6:
                events.finish(store, awaited.pop(chance.randrange(len(awaited))), "opened" * chance.randint(1, 9))
    clear = in_the_clear(store.path)
    assert len(gone) > 4 * 60
    assert all(secret in clear for _, secrets in living for secret in secrets)
    assert [secret for secret in gone if secret in clear] == []
    assert store.check() == []
