# SPDX-License-Identifier: Apache-2.0
"""Personal tables are written anew in slices: whatever comes between two, nothing is lost and no trace stays."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_gate.core.errors import ResidentUnknown, StoreFull
from edge_gate.spec.model import Act
from edge_gate.store import events, rebuilding
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.keys.keyring import keyring_path
from edge_gate.store.people import consent, removal, residents
from edge_gate.store.people.sweep import sweep
from edge_gate.store.schema import FORGOTTEN, SCHEMA
from edge_gate.store.templates import templates
from tests.support.stores import CLOCK, KEY, MODEL, compared, enrol, in_the_clear

TABLES = [table.name for table in SCHEMA.personal if table.rebuilt]


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "SLICE_ROWS", 3)
    monkeypatch.setattr(rebuilding, "CHANGED_ROWS", 3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "edge-gate.db", KEY, CLOCK) as opened:
        yield opened


def content(store: Store) -> dict[str, list[dict[str, Any]]]:
    return {name: store.rows(f"SELECT rowid AS number, * FROM {name} ORDER BY rowid") for name in TABLES}


def copied(store: Store, to: Path) -> Path:
    """Return what a power cut at this moment would leave: database, log and keyring."""
    to.mkdir()
    path = to / store.path.name
    for source in (store.path, store.path.with_name(store.path.name + "-wal"), keyring_path(store.path)):
        if source.exists():
            shutil.copyfile(source, to / source.name)
            (to / source.name).chmod(0o600)
    return path


def test_the_power_may_go_after_any_slice(store: Store, tmp_path: Path) -> None:
    people = [enrol(store, f"Person-{number:04d}-of-many", number) for number in range(11)]
    (gone, secrets), *rest = people[4], *people[:4], *people[5:]
    residents.take_out(store, gone.id)
    before = content(store)
    assert any(secret in in_the_clear(store.path) for secret in secrets), "there is nothing to write anew"
    steps = rebuilding.slices(store)
    cuts = 0
    while next(steps, "over") is None:
        cuts += 1
        assert content(store) == before
        with Store.open(copied(store, tmp_path / f"cut-{cuts}"), KEY, CLOCK) as after:
            assert not sweep(after)
            assert content(after) == before, cuts
            assert after.check() == [], cuts
            assert [secret for secret in secrets if secret in in_the_clear(after.path)] == [], cuts
            assert not [name for (name,) in twins(after)], cuts
            assert {each.resident_id for each in compared(after, MODEL, CLOCK.now())} == {each.id for each, _ in rest}
    assert cuts > 4 * len(TABLES)
    assert store.empty_log()
    clear = in_the_clear(store.path)
    assert [secret for secret in secrets if secret in clear] == []
    assert all(secret in clear for _, theirs in rest for secret in theirs)
    assert content(store) == before
    assert store.check() == []
    assert not twins(store)


def test_the_power_may_go_after_any_step_of_forgetting(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "SLICE_ROWS", 4)
    ada, of_ada = enrol(store, "Ada-Lovelace-1815", 1)
    bob, of_bob = enrol(store, "Bob-Noyce-1927", 2)
    for number in range(10):
        events.append(store, "opened", resident_id=ada.id, detail={"track": number})
        events.append(store, "opened", resident_id=bob.id, detail={"like": ada.name, "track": number})
    residents.bury(store, ada)
    steps = residents.taking_out(store, ada)
    removed: removal.Removed | None = None
    cuts = 0
    while removed is None:
        with Store.open(copied(store, tmp_path / f"cut-{cuts}"), KEY, CLOCK) as after:
            sweep(after)
            clear = in_the_clear(after.path)
            assert [secret for secret in of_ada if secret in clear] == [], cuts
            assert all(secret in clear for secret in of_bob), cuts
            assert {event.resident_id for event in events.recent(after, limit=99)} - {None} == {FORGOTTEN, bob.id}
            assert after.check() == [], cuts
        cuts += 1
        events.append(store, "opened", detail={"like": ada.name})  # somebody passes meanwhile
        try:
            next(steps)
        except StopIteration as over:
            removed = over.value
    assert cuts > 20 / 4
    assert removed.figures == {"consents": 1, "templates": 1, "events": 20 + cuts}
    assert not removal.without_traces(store, removed).traces_left
    assert [secret for secret in of_ada if secret in in_the_clear(store.path)] == []
    with pytest.raises(ResidentUnknown):
        next(residents.taking_out(store, ada))


def twins(store: Store) -> list[tuple[str]]:
    return [(row["name"],) for row in store.rows("SELECT name FROM sqlite_master WHERE name LIKE '%twin%'")]


# Between two slices: somebody comes, goes, withdraws, comes again, passes.
ACTS = st.sampled_from(["enrol", "forget", "withdraw", "again", "pass", "nothing"])


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(st.tuples(ACTS, st.integers(0, 10**6)), max_size=40), most=st.sampled_from([1, 2, 3, 5, 8]))
def test_whatever_comes_between_two_slices(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int]], most: int
) -> None:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(rebuilding, "SLICE_ROWS", most)
        patch.setattr("os.fsync", lambda _: None)
        path = tmp_path_factory.mktemp("store") / "edge-gate.db"
        store = stack.enter_context(Store.create(path, KEY, CLOCK))
        living = {each.id: (each, secrets) for each, secrets in (enrol(store, f"First-{n}-here", n) for n in range(7))}
        gone: list[bytes] = []
        first, secrets = living.pop(next(iter(living)))
        residents.take_out(store, first.id)
        gone += secrets
        jobs = [rebuilding.slices(store)]
        for number, (act, chance) in enumerate(acts):
            chosen = list(living)[chance % len(living)] if living else None
            if act == "enrol" or chosen is None:
                resident, theirs = enrol(store, f"Late-{number}-comer", chance)
                living[resident.id] = (resident, theirs)
            elif act == "forget":
                residents.take_out(store, chosen)
                gone += living.pop(chosen)[1]
                jobs.append(rebuilding.slices(store))
            elif act == "withdraw":
                consent.end(store, chosen)
                gone += living[chosen][1][2:]
                living[chosen] = (living[chosen][0], living[chosen][1][:2])
                jobs.append(rebuilding.slices(store))
            elif act == "again" and len(living[chosen][1]) > 2:
                code = (b"%d-" % number).ljust(256, b"x")
                with store.transaction():
                    templates.put(store, templates.Template(chosen, MODEL, 5, code, 128))
                gone += living[chosen][1][2:]
                living[chosen] = (living[chosen][0], living[chosen][1][:2])
            elif act == "pass":
                event = events.append(store, "opened", resident_id=chosen, detail={}, awaited=True)
                events.finish(store, event.id, "opened")
            if next(jobs[0], "over") == "over" and len(jobs) > 1:
                jobs.pop(0)
        before = content(store)
        for job in jobs:
            for _ in job:
                assert content(store) == before
        rebuilding.require(store)  # for templates that were only replaced by others
        rebuilding.at_once(store)
        assert store.empty_log()
        assert content(store) == before
        assert {each.id for each in residents.everyone_known(store)} == set(living)
        clear = in_the_clear(path)
        assert [secret for secret in gone if secret in clear] == []
        assert all(secret in clear for _, theirs in living.values() for secret in theirs)
        assert store.check() == []
        assert not twins(store)


def test_rows_that_were_copied_may_change_before_any_slice(tmp_path: Path) -> None:
    with Store.create(tmp_path / "edge-gate.db", KEY, CLOCK) as made:
        people = [enrol(made, f"Person-{number}", number)[0] for number in range(7)]
        residents.take_out(made, people.pop(3).id)
    for slices in range(200):
        with Store.open(copied(made, tmp_path / str(slices)), KEY, CLOCK) as store:
            rebuilding.require(store)
            steps = rebuilding.slices(store)
            over = [next(steps, "over") for _ in range(slices)][-1:] == ["over"]
            consent.end(store, people[0].id)  # their rows are copied first
            before = content(store)
            for _ in steps:
                assert content(store) == before, slices
            assert content(store) == before, slices
            assert store.check() == [], slices
            if over:
                break
    else:
        raise AssertionError("it never ended")
    assert slices > 4 * len(TABLES)


def test_no_trace_is_left_in_an_index_whose_pages_were_balanced(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this coming and going one name is left in the slack of the index of names, and nowhere else."""
    monkeypatch.undo()  # slices of the usual size: this is about many rows
    monkeypatch.setattr("os.fsync", lambda _: None)
    store.run("PRAGMA synchronous = OFF")
    chance = random.Random(1)
    living: list[residents.Resident] = []
    gone: list[bytes] = []
    for step in range(1200):
        with store.transaction():
            if len(living) < 200 or chance.random() < 0.5:
                living.append(enrol(store, f"{step:04d}-{chance.randbytes(chance.randint(4, 40)).hex()}", step)[0])
                continue
            resident = living.pop(chance.randrange(len(living)))
            for table in ("voucher", "audit_subject", "template", "consent", "resident"):
                column = "id" if table == "resident" else "resident_id"
                store.run(f"DELETE FROM {table} WHERE {column} = ?", (resident.id,))
            gone += [resident.name.encode(), resident.id.encode()]
    store.empty_log()
    before = in_the_clear(store.path)
    assert any(secret in before for secret in gone), "there is nothing to write anew"
    rebuilding.require(store)
    rebuilding.at_once(store)
    store.empty_log()
    clear = in_the_clear(store.path)
    assert [secret for secret in gone if secret in clear] == []
    assert all(each.name.encode() in clear for each in living)


def test_what_another_connection_removes_is_not_brought_back_nor_others_lost(store: Store, tmp_path: Path) -> None:
    """Nobody else should write. If somebody does, the copy begins again."""
    people = [enrol(store, f"Person-{number}", number)[0] for number in range(12)]
    rebuilding.require(store)
    with Store.open(store.path, KEY, CLOCK) as other:
        for steps, _ in enumerate(rebuilding.slices(store)):
            if steps % 5 == 1 and len(people) > 6:
                consent.withdraw(other, people.pop(0).id)
    assert len(store.rows("SELECT * FROM resident")) == 12
    assert len(store.rows("SELECT * FROM template")) == len(people) == 6
    assert store.check() == []


def test_events_and_the_audit_log_do_not_make_a_copy_begin_again(store: Store) -> None:
    for number in range(12):
        enrol(store, f"Person-{number}", number)
    rebuilding.require(store)
    alone = sum(1 for _ in rebuilding.slices(store))
    rebuilding.require(store)
    log, beside = AuditLog(store, store.keyring.signer()), 0
    for _ in rebuilding.slices(store):
        beside += 1
        event = events.append(store, "opened", awaited=True)
        events.finish(store, event.id, "confirmed")
        log.append("pause", actor="uid 1", role="maintainer")
    assert beside == alone


def test_it_ends_although_rows_are_changed_before_each_slice(store: Store) -> None:
    for number in range(20):
        enrol(store, f"P{number}", number)
    rebuilding.require(store)
    for steps, _ in enumerate(rebuilding.slices(store)):
        store.run("UPDATE consent SET purpose = ?", (f"purpose {steps}",))
        assert steps < 1000
    assert store.rows("PRAGMA user_version") == [{"user_version": 0}]
    assert {row["purpose"] for row in store.rows("SELECT purpose FROM consent")} == {f"purpose {steps}"}


def test_what_is_removed_while_tables_are_written_anew_is_written_anew_too(store: Store) -> None:
    ada, _ = enrol(store, "Ada", 1)
    bob, of_bob = enrol(store, "Bob-Noyce-1927", 2)
    enrol(store, "Cy", 3)
    residents.take_out(store, ada.id)
    steps = rebuilding.slices(store)
    for _ in range(3 * len(TABLES)):  # some tables are done
        next(steps)
    residents.take_out(store, bob.id)
    for _ in steps:
        pass
    assert store.rows("PRAGMA user_version")[0]["user_version"], "a power cut now would leave Bob's traces for good"
    rebuilding.at_once(store)
    store.empty_log()
    assert [secret for secret in of_bob if secret in in_the_clear(store.path)] == []
    assert store.rows("PRAGMA user_version") == [{"user_version": 0}]


@pytest.mark.parametrize("mark", [-(2**31), -1, 0, 1, 2**31 - 3, 2**31 - 2, 2**31 - 1])
def test_whatever_the_mark_was_more_removed_is_another_mark_and_is_written_anew(store: Store, mark: int) -> None:
    ada, of_ada = enrol(store, "Ada-Lovelace-1815", 1)
    store.run(f"PRAGMA user_version = {mark}")
    residents.take_out(store, ada.id)
    first = store.rows("PRAGMA user_version")[0]["user_version"]
    assert first not in (0, mark)
    rebuilding.require(store)
    assert store.rows("PRAGMA user_version")[0]["user_version"] not in (0, first)
    rebuilding.at_once(store)
    store.empty_log()
    assert [secret for secret in of_ada if secret in in_the_clear(store.path)] == []
    assert store.rows("PRAGMA user_version")[0]["user_version"] == 0


def test_rows_are_replaced_all_or_none(store: Store) -> None:
    for number in range(10):
        enrol(store, f"P{number}", number)
    before = content(store)

    def change(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"sealed": b"another " + row["sealed"]}

    def refuse() -> None:
        raise StoreFull(store.path)

    with pytest.raises(StoreFull):
        for _ in rebuilding.replaced(store, "template", change, refuse):
            assert content(store) == before
    assert content(store) == before
    for _ in rebuilding.replaced(store, "template", change):
        assert content(store) == before
    after = content(store)
    assert {name: rows for name, rows in after.items() if name != "template"} == {
        name: rows for name, rows in before.items() if name != "template"
    }
    assert after["template"] == [change(row) for row in before["template"]]
    rebuilding.at_once(store)
    assert not twins(store), "what is left of replacing goes although nothing was removed"
    assert content(store) == after
    assert store.check() == []


def test_another_connection_sees_the_tables_as_they_are_now(store: Store) -> None:
    for number in range(10):
        enrol(store, f"P{number}", number)
    with Store.open(store.path, KEY, CLOCK) as other:
        assert content(other) == content(store)
        residents.take_out(store, "P3")
        for _ in rebuilding.slices(store):
            with store.transaction():  # rows that the old trees do not have
                residents.add(store, f"Late {len(content(store)['resident'])}")
            assert content(other) == content(store)
        events.append(other, "started")
        assert other.check() == store.check() == []


def test_keys_and_references_hold_as_before(store: Store) -> None:
    ada, _ = enrol(store, "Ada", 1)
    bob, _ = enrol(store, "Bob", 2)
    schema = store.rows("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name")
    residents.forget(store, bob.id)
    assert store.rows("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name") == schema
    plan = store.rows("EXPLAIN QUERY PLAN SELECT * FROM resident WHERE name = 'Ada'")[0]["detail"]
    assert "INDEX" in plan
    for broken in (
        ("INSERT INTO resident SELECT id, 'other', created_at FROM resident", ()),
        ("INSERT INTO resident SELECT hex(randomblob(18)), name, created_at FROM resident", ()),
        ("DELETE FROM resident WHERE id = ?", (ada.id,)),
        ("INSERT INTO audit_subject VALUES (hex(randomblob(18)), x'00')", ()),
    ):
        with pytest.raises(Exception, match="constraint failed"):
            store.run(*broken)


def test_every_table_that_is_rebuilt_can_be(store: Store) -> None:
    """A table WITHOUT ROWID has no row numbers by which to copy it, and a generated column no place in a copy."""
    listed = {row["name"]: row for row in store.rows("SELECT name, wr, strict FROM pragma_table_list")}
    for name in TABLES:
        assert (listed[name]["wr"], listed[name]["strict"]) == (0, 1), name
        hidden = store.rows("SELECT name FROM pragma_table_xinfo(?) WHERE hidden != 0", (name,))
        assert hidden == [], name


def test_a_removal_without_traces_is_the_sum_of_its_parts(store: Store) -> None:
    ada, _ = enrol(store, "Ada", 1)
    begun = removal.take_out(store, Act.FORGETTING, ada.id, ["Ada"])
    assert begun.traces_left
    assert not removal.without_traces(store, begun).traces_left
