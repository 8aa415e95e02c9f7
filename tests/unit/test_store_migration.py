# SPDX-License-Identifier: Apache-2.0
"""A store that an earlier version wrote is opened and loses nothing.

tests/unit/data/store-0001.db was written by the commit before the audit log: two residents with consent, template and
one opening each, under the key 00 01 02 ... 1f. tests/unit/stores/steps_0005.db was written by the commit before two
kinds of event were renamed: two residents, and 20 events each of `opened`, `refused` and `unclear`.
"""

from __future__ import annotations

import random
import shutil
import struct
import uuid
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_gate.core.clock import SystemClock
from edge_gate.spec.registry import EVENTS
from edge_gate.store import events
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.connection import look
from edge_gate.store.database import Store
from edge_gate.store.people import consent, residents
from edge_gate.store.schema import SCHEMA
from edge_gate.store.steps import event_names, refusal_scores
from edge_gate.store.steps.step import Migrating, Step
from edge_gate.store.templates import renewal
from tests.support.stores import compared, in_the_clear

KEY = bytes(range(32))
OLD = Path(__file__).parent / "data" / "store-0001.db"
BEFORE_NAMES = Path(__file__).parent / "stores" / "steps_0005.db"
STORED = sorted([*OLD.parent.glob("*.db"), *BEFORE_NAMES.parent.glob("*.db")])


def brought(old: Path, folder: Path) -> Path:
    """Copy a stored store, and its keyring where it had one, to where it may be changed."""
    for each in (old, old.with_name(f"{old.name}.keyring")):
        if each.exists():
            copy = folder / each.name.replace(old.name, "edge-gate.db")
            shutil.copy(each, copy)
            copy.chmod(0o600)
    return folder / "edge-gate.db"


def test_a_store_from_before_the_audit_log_is_opened_without_loss_and_can_be_logged_in(tmp_path: Path) -> None:
    path, clock = tmp_path / "edge-gate.db", SystemClock()
    shutil.copy(OLD, path)
    path.chmod(0o600)
    with Store.open(path, KEY, clock) as store:
        assert "0003_audit" in [row["name"] for row in store.rows("SELECT name FROM _sqlite_migrations")]
        standings = residents.everyone(store, b"model-01", clock.now())
        assert [(each.resident.name, each.consent, each.has_template) for each in standings] == [
            ("Ada", consent.State.VALID, True),
            ("Bo", consent.State.VALID, True),
        ]
        transform, converted = renewal.prepare(store)
        found = compared(store, b"model-01", clock.now())
        assert (converted, len(found)) == (2, 2)
        for number, each in enumerate(found):
            given = np.random.default_rng(number).normal(size=128).astype(np.float32)
            assert np.unpackbits(np.frombuffer(each.code, np.uint8) ^ transform.encode(given)).sum() < 20
        assert [event.outcome for event in events.recent(store)] == ["confirmed"] * 2
        AuditLog(store, store.keyring.signer()).append(
            "pause", actor="gate", role="gate", resident_id=standings[0].resident.id
        )
        assert [len(page) for page in audit_log.about(store, standings[0].resident.id)] == [1]
        residents.forget(store, "Ada")
        assert store.check() == []
    with Store.open(path, KEY, clock) as again:
        assert [row.verb for row in audit_log.rows(again)] == ["pause"]


@pytest.mark.parametrize("old", STORED, ids=lambda path: path.name)
def test_every_stored_store_of_before_comes_up_to_date_and_stays_sound(old: Path, tmp_path: Path) -> None:
    path = brought(old, tmp_path)
    for _ in range(2):
        with Store.open(path, KEY, SystemClock()) as store:
            steps = [row["name"] for row in store.rows("SELECT name FROM _sqlite_migrations ORDER BY rowid")]
            assert steps == SCHEMA.known_steps()
            assert {event.kind for event in events.recent(store, limit=1000)} <= set(EVENTS)
            assert store.check() == []


# --- the events' new names ---------------------------------------------------------------------------------------


def read_raw(path: Path, sql: str) -> list[Any]:
    with closing(look(path, KEY)) as database:
        found: list[Any] = database.execute(sql).fetchall()
        return found


def test_the_names_that_the_step_gives_are_those_that_the_capabilities_declare() -> None:
    assert {kind.formerly: kind.name for kind in EVENTS.values() if kind.formerly} == event_names.NEW_NAMES


def test_old_events_get_their_kinds_new_names_and_nothing_else_of_them_changes(tmp_path: Path) -> None:
    path = brought(BEFORE_NAMES, tmp_path)
    kinds, rest = "SELECT kind FROM event ORDER BY seq", "SELECT seq, id, at, resident_id, detail FROM event"
    outcomes = "SELECT event_seq, outcome, at FROM outcome ORDER BY event_seq"
    old_kinds, old_rest, old_outcomes = (read_raw(path, sql) for sql in (kinds, rest, outcomes))
    assert [old_kinds.count((kind,)) for kind in ("opened", "refused", "unclear")] == [20, 20, 20]
    with Store.open(path, KEY, SystemClock()) as store:
        assert [kind for (kind,) in read_raw(path, kinds)] == [
            event_names.NEW_NAMES.get(kind, kind) for (kind,) in old_kinds
        ]
        assert (read_raw(path, rest), read_raw(path, outcomes)) == (old_rest, old_outcomes)
        (cut_off,) = events.unfinished(store)
        events.finish(store, cut_off.id, "interrupted")
        assert len(events.recent(store, kind="no match")) == len(events.recent(store, kind="not acquired")) == 20
        assert store.check() == []


def test_the_number_of_an_event_is_not_given_again_after_the_renaming(tmp_path: Path) -> None:
    path = brought(BEFORE_NAMES, tmp_path)
    with Store.open(path, KEY, SystemClock(), OF_BEFORE) as store:
        last = store.insert(
            "event", {"id": str(uuid.uuid4()), "at": "2026-03-01T00:00:00.000Z", "kind": "started", "detail": "{}"}
        )
        store.run("DELETE FROM event WHERE seq = ?", (last,))
    with Store.open(path, KEY, SystemClock()) as store:
        assert events.append(store, "started").seq == last + 1


OF_BEFORE = replace(SCHEMA, steps=SCHEMA.steps[: SCHEMA.steps.index(event_names.STEP)])
IN_PLACE = Step(event_names.STEP.name, move=lambda store: rename_in_place(store))
# As it was then, with the tables of then.
RENAMED_IN_PLACE = replace(
    OF_BEFORE,
    steps=(*OF_BEFORE.steps, IN_PLACE),
    personal=tuple(replace(each, chained=False) for each in SCHEMA.personal if each.name != "voucher"),
)


def rename_in_place(store: Migrating) -> None:
    """Do what the step would do if rows that grow did not matter."""
    for old, new in event_names.NEW_NAMES.items():
        store.run("UPDATE event SET kind = ? WHERE kind = ?", (new, old))


def write_old_events(store: Store, count: int) -> list[residents.Resident]:
    chance = random.Random(3)
    for number in range(30):
        person = {"id": str(uuid.uuid4()), "name": f"Resident {number}", "created_at": "2026-03-01T00:00:00.000Z"}
        store.insert("resident", person)
    people = residents.everyone_known(store)
    with store.transaction():
        for number in range(count):
            kind = chance.choice(("opened", *event_names.NEW_NAMES))
            row = {"id": f"{number:036d}", "at": "2026-03-01T00:00:00.000Z", "kind": kind, "score": 0.5, "detail": "{}"}
            store.insert("event", row | {"resident_id": chance.choice(people).id if kind == "opened" else None})
    return people


def left_of_the_forgotten(path: Path, schema: Any) -> int:
    """Return how many people can be read in the pages of an old store that was migrated before it forgot them."""
    with Store.create(path, KEY, SystemClock(), OF_BEFORE) as store:
        people = write_old_events(store, 3000)
    with Store.open(path, KEY, SystemClock(), schema) as store:
        for each in people:
            residents.forget(store, each.id)
        clear = in_the_clear(path)
        assert store.check() == []
    return sum(each.id.encode() in clear for each in people)


def test_renaming_old_events_leaves_no_copy_that_forgetting_cannot_reach(tmp_path: Path) -> None:
    assert left_of_the_forgotten(tmp_path / "in_place.db", RENAMED_IN_PLACE) > 0, "the search would find nothing"
    assert left_of_the_forgotten(tmp_path / "step.db", SCHEMA) == 0


BEFORE_BLANKING = replace(SCHEMA, steps=SCHEMA.steps[: SCHEMA.steps.index(refusal_scores.STEP)])


def test_scores_of_refusals_that_were_kept_go_and_those_of_openings_are_cut_to_a_tenth(tmp_path: Path) -> None:
    path = tmp_path / "edge-gate.db"
    with Store.create(path, KEY, SystemClock(), BEFORE_BLANKING) as store:
        person = {"id": str(uuid.uuid4()), "name": "Ann", "created_at": "2026-03-01T00:00:00.000Z"}
        store.insert("resident", person)
        ann = residents.find(store, "Ann")
        for number, (kind, score) in enumerate([("opened", 0.6789), ("no match", 0.4321), ("started", None)] * 5):
            row = {
                "id": f"{number:036d}",
                "at": "2026-03-01T00:00:00.000Z",
                "kind": kind,
                "score": score,
                "detail": "{}",
            }
            seq = store.insert("event", row | {"resident_id": ann.id if kind == "opened" else None})
            if kind == "opened":
                store.insert("outcome", {"event_seq": seq, "outcome": "confirmed", "at": row["at"]})
        trial = {"at": "2026-03-01", "camera": "c", "model_id": b"m", "species": "print", "source": "1", "looks": 9}
        store.insert("pad_trial", trial | {"mean": 0.4321, "verdict": "unsure"})
    rest = "SELECT seq, id, at, kind, resident_id, detail FROM event"
    before = read_raw(path, rest)
    with Store.open(path, KEY, SystemClock()) as store:
        assert read_raw(path, rest) == before
        kept = {(each.kind, each.score, each.outcome) for each in events.recent(store)}
        assert kept == {("opened", 0.7, "confirmed"), ("no match", None, None), ("started", None, None)}
        assert store.rows("SELECT * FROM pad_trial") == [trial | {"verdict": "unsure"}]
        assert store.check() == []
        clear = in_the_clear(path)
        for score in (0.6789, 0.4321):
            assert struct.pack(">d", score) not in clear, "no page has it any more"
        residents.forget(store, ann.id)
        assert ann.id.encode() not in in_the_clear(path)
