# SPDX-License-Identifier: Apache-2.0
"""Making, opening and losing the store: each fault has one error, and none of them changes the file."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import (
    AlreadyInitialised,
    EdgeGateError,
    KeyMalformed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreMissing,
    StoreReadOnly,
    StoreTooNew,
    WrongKey,
)
from edge_gate.store import events
from edge_gate.store.database import Store
from edge_gate.store.keys.keyring import keyring_path
from edge_gate.store.people import consent, residents
from edge_gate.store.schema import SCHEMA
from edge_gate.store.steps.step import Step, Tables
from edge_gate.store.templates import templates
from tests.support.stores import compared

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
CLOCK = SystemClock()
MODEL = b"model-01"
PAGE_BYTES = 4096
NOBODY = 65534


def contents(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder, but for the shared memory that SQLite makes anew at will."""
    return {each.name: each.read_bytes() for each in folder.iterdir() if not each.name.endswith("-shm")}


def enrol(store: Store, name: str) -> residents.Resident:
    resident = residents.add(store, name)
    year = CLOCK.now() + timedelta(days=365)
    consent.record(store, resident.id, purpose="entry", given_by=name, until=year, operator="operator")
    code = np.random.default_rng(len(name)).bytes(256)
    templates.put(store, templates.Template(resident.id, MODEL, 5, code, 128))
    return resident


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The bytes of a store with a few people and events, closed in order, and those of its keyring."""
    path = tmp_path_factory.mktemp("whole") / "edge-gate.db"
    with Store.create(path, KEY, CLOCK) as store, store.transaction():
        for number in range(20):
            person = enrol(store, f"Resident {number}")
            for _ in range(5):
                events.append(store, "opened", resident_id=person.id, detail={"track": number})
    return path.read_bytes(), keyring_path(path).read_bytes()


@pytest.fixture(scope="module")
def whole(both: tuple[bytes, bytes]) -> bytes:
    return both[0]


@pytest.fixture
def path(tmp_path: Path, both: tuple[bytes, bytes]) -> Path:
    place = tmp_path / "edge-gate.db"
    for each, content in zip((place, keyring_path(place)), both, strict=True):
        each.write_bytes(content)
        each.chmod(0o600)
    return place


@contextmanager
def another_user(*places: Path) -> Iterator[None]:
    """Be a user whom file modes bind, for root is not; ``places`` become theirs."""
    if os.geteuid() != 0:
        yield
        return
    for place in places:
        os.chown(place, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that `another_user` can reach: pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


# --- making ------------------------------------------------------------------------------------------------------


def test_a_new_store_is_sound_empty_private_and_alone_with_its_keyring(tmp_path: Path) -> None:
    path = tmp_path / "edge-gate.db"
    with Store.create(path, KEY, CLOCK) as store:
        assert store.check() == []
        assert residents.everyone(store, MODEL, CLOCK.now()) == []
        events.append(store, "started")
        assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
    assert {each.name for each in tmp_path.iterdir()} == {"edge-gate.db", "edge-gate.db.anchor", "edge-gate.db.keyring"}


@pytest.mark.parametrize(
    "name", ["edge-gate.db", "edge-gate.db.keyring", "edge-gate.db-wal", "edge-gate.db-shm", "edge-gate.db-journal"]
)
def test_making_a_store_replaces_neither_a_file_nor_a_log_that_lies_there(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(AlreadyInitialised, match=name):
        Store.create(tmp_path / "edge-gate.db", KEY, CLOCK)
    assert contents(tmp_path) | {name: b""} == {name: b""}
    assert (tmp_path / name).read_bytes() == b"precious"


def test_a_link_that_leads_nowhere_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "edge-gate.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AlreadyInitialised):
        Store.create(tmp_path / "edge-gate.db", KEY, CLOCK)
    assert not (tmp_path / "elsewhere").exists()


def test_a_store_that_appears_while_another_is_made_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real_link = tmp_path / "edge-gate.db", os.link

    def outrun(draft: Path, place: Path, *, follow_symlinks: bool) -> None:
        if place == path:
            place.write_bytes(b"the other's")
        real_link(draft, place, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "link", outrun)
    with pytest.raises(AlreadyInitialised):
        Store.create(path, KEY, CLOCK)
    assert path.read_bytes() == b"the other's"
    assert set(contents(tmp_path)) == {"edge-gate.db"}


def test_making_a_store_in_a_folder_that_is_not_there_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no folder"):
        Store.create(tmp_path / "absent" / "edge-gate.db", KEY, CLOCK)


def test_a_path_with_signs_that_mean_something_in_an_address_works(tmp_path: Path) -> None:
    path = tmp_path / "50% #1?mode=memory&x=ü.db"
    Store.create(path, KEY, CLOCK).close()
    Store.open(path, KEY, CLOCK).close()
    assert {each.name for each in tmp_path.iterdir()} == {path.name, f"{path.name}.anchor", f"{path.name}.keyring"}


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_key_of_another_length_is_refused(path: Path, length: int) -> None:
    with pytest.raises(KeyMalformed):
        Store.open(path, bytes(length), CLOCK)


# --- opening what is not a whole store ---------------------------------------------------------------------------


def refused(path: Path, key: bytes = KEY) -> EdgeGateError:
    """Open the store, which must fail and change nothing, and return the error."""
    before = contents(path.parent)
    with pytest.raises(EdgeGateError) as caught:
        Store.open(path, key, CLOCK).close()
    assert {name: each for name, each in contents(path.parent).items() if each} == {
        name: each for name, each in before.items() if each
    }
    return caught.value


def test_a_missing_store_is_not_made_by_opening_it(tmp_path: Path) -> None:
    assert isinstance(refused(tmp_path / "edge-gate.db"), StoreMissing)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_key_is_named_as_such(path: Path) -> None:
    assert isinstance(refused(path, OTHER_KEY), WrongKey)


def test_a_wrong_key_leaves_the_log_of_a_crash_to_the_right_one(path: Path, tmp_path: Path) -> None:
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    with Store.open(path, KEY, CLOCK) as store:
        event = events.append(store, "opened")
        for each in tmp_path.glob("edge-gate.db*"):
            shutil.copy(each, crashed)
    copy = crashed / "edge-gate.db"
    assert (crashed / "edge-gate.db-wal").stat().st_size > 0
    assert isinstance(refused(copy, OTHER_KEY), WrongKey)
    with Store.open(copy, KEY, CLOCK) as store:
        assert events.recent(store, limit=1)[0].id == event.id


def test_a_flipped_byte_in_the_first_page_cannot_be_told_from_a_wrong_key(path: Path, whole: bytes) -> None:
    for place in (0, 15, 16, 100, 2000, PAGE_BYTES - 80, PAGE_BYTES - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        error = refused(path)
        assert isinstance(error, WrongKey)
        assert "or the file is damaged" in str(error)


def test_a_flipped_byte_in_any_later_page_is_found(path: Path, whole: bytes) -> None:
    assert len(whole) > 12 * PAGE_BYTES
    for start in range(PAGE_BYTES, len(whole), PAGE_BYTES):
        place = start + start // 7 % PAGE_BYTES
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        try:
            with Store.open(path, KEY, CLOCK) as store:
                findings = store.check()
        except StoreCorrupt:
            continue
        assert any(f"page {start // PAGE_BYTES + 1}" in finding for finding in findings), findings


def test_a_page_that_does_not_decrypt_is_damage_also_for_the_writes_after_it(path: Path, whole: bytes) -> None:
    with Store.open(path, KEY, CLOCK) as store:
        root = store.rows("SELECT rootpage FROM sqlite_master WHERE name = 'template'")[0]["rootpage"]
    place = (root - 1) * PAGE_BYTES + 99
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with Store.open(path, KEY, CLOCK) as store:
        with pytest.raises(StoreCorrupt):
            compared(store, MODEL, CLOCK.now())
        with pytest.raises(StoreCorrupt):
            events.append(store, "opened")


def test_an_empty_file_is_not_filled(path: Path) -> None:
    path.write_bytes(b"")
    error = refused(path)
    assert isinstance(error, StoreCorrupt)
    assert "empty" in str(error)
    assert path.stat().st_size == 0


def test_a_store_cut_off_anywhere_is_refused(path: Path, whole: bytes) -> None:
    for length in (1, 16, 4095, 4096, 4097, 8192, len(whole) // 2, len(whole) - PAGE_BYTES, len(whole) - 1):
        path.write_bytes(whole[:length])
        error = refused(path)
        assert isinstance(error, StoreCorrupt), length


def test_a_plain_sqlite_file_is_refused_as_such(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as plain:
        plain.execute("CREATE TABLE resident (name)")
    plain.close()
    error = refused(path)
    assert isinstance(error, StoreCorrupt)
    assert "without encryption" in str(error)


def test_an_encrypted_file_that_is_not_ours_is_refused(path: Path) -> None:
    with Store.open(path, KEY, CLOCK) as store:
        store.run("DELETE FROM _sqlite_migrations")
    error = refused(path)
    assert isinstance(error, StoreCorrupt)
    assert "no store of edge-gate" in str(error)


def test_a_folder_in_the_place_of_the_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a file"):
        Store.open(tmp_path, KEY, CLOCK)


@given(st.binary(max_size=3 * PAGE_BYTES))
@example(b"not a database, but long enough for a page " * 200)
@example(b"SQLite format 3\0" + bytes(8176))
@example(bytes(8192))
def test_no_bytes_in_the_place_of_the_store_open_or_change(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "edge-gate.db"
    path.write_bytes(content)
    assert isinstance(refused(path), WrongKey | StoreCorrupt)


def test_a_store_of_a_newer_program_is_refused(path: Path) -> None:
    with Store.open(path, KEY, CLOCK) as store:
        row = {"migration_set": "edge-gate", "name": "0099_from_the_future", "applied_at": "2030"}
        store.insert("_sqlite_migrations", row)
    error = refused(path)
    assert isinstance(error, StoreTooNew)
    assert "0099_from_the_future" in str(error)


def test_opening_applies_the_steps_that_the_file_has_not_had(path: Path) -> None:
    def add_a_column(database: Tables) -> None:
        database.execute("ALTER TABLE resident ADD COLUMN card TEXT")

    newer = replace(SCHEMA, steps=(*SCHEMA.steps, Step("0099_cards", add_a_column)))
    for _ in range(2):
        with Store.open(path, KEY, CLOCK, newer) as store:
            assert len(store.rows("SELECT card FROM resident")) == 20
            assert store.check() == []
    assert isinstance(refused(path), StoreTooNew)


def test_a_step_that_fails_leaves_the_store_as_it_was(path: Path) -> None:
    def fail_half_way(database: Tables) -> None:
        database.execute("ALTER TABLE resident ADD COLUMN card TEXT")
        database.execute("ALTER TABLE nowhere ADD COLUMN card TEXT")

    newer = replace(SCHEMA, steps=(*SCHEMA.steps, Step("0099_cards", fail_half_way)))
    with pytest.raises(StoreError, match="nowhere"):
        Store.open(path, KEY, CLOCK, newer)
    with Store.open(path, KEY, CLOCK) as store:
        assert "card" not in store.rows("SELECT * FROM resident")[0]
        assert store.check() == []


# --- what the disk refuses ---------------------------------------------------------------------------------------


def test_a_full_disk_refuses_the_event_keeps_the_others_and_goes_on_when_there_is_room(path: Path) -> None:
    with Store.open(path, KEY, CLOCK) as store:
        before = len(events.recent(store, limit=10_000))
        pages = store.rows("PRAGMA page_count")[0]["page_count"]
        store.rows(f"PRAGMA max_page_count = {pages + 2}")
        written: list[str] = []
        with pytest.raises(StoreFull):
            for _ in range(1000):
                written.append(events.append(store, "opened", detail={"why": "x" * 500}).id)
        assert written
        assert len(events.recent(store, limit=10_000)) == before + len(written)
        store.rows("PRAGMA max_page_count = 100000")
        written.append(events.append(store, "opened").id)
    with Store.open(path, KEY, CLOCK) as store:
        assert {each.id for each in events.recent(store, limit=len(written))} == set(written)
        assert store.check() == []


def test_a_store_that_may_not_be_written_is_read_only(open_folder: Path, whole: bytes) -> None:
    path = open_folder / "edge-gate.db"
    path.write_bytes(whole)
    path.chmod(0o400)
    with another_user(open_folder, path):
        error = refused(path)
    assert isinstance(error, StoreReadOnly)
    assert str(path) in str(error)


def test_a_folder_that_may_not_be_written_is_read_only_for_opening_and_for_making(
    open_folder: Path, whole: bytes
) -> None:
    path = open_folder / "edge-gate.db"
    path.write_bytes(whole)
    path.chmod(0o600)
    open_folder.chmod(0o500)
    with another_user(open_folder, path):
        assert isinstance(refused(path), StoreReadOnly)
        with pytest.raises(StoreReadOnly):
            Store.create(open_folder / "second.db", KEY, CLOCK)
    assert [each.name for each in open_folder.iterdir()] == ["edge-gate.db"]


# --- use ---------------------------------------------------------------------------------------------------------


def test_what_a_failed_transaction_began_is_undone(path: Path) -> None:
    with Store.open(path, KEY, CLOCK) as store:
        with pytest.raises(KeyError), store.transaction():
            residents.add(store, "Ada")
            raise KeyError
        residents.add(store, "Ada")


def test_a_failed_inner_transaction_is_undone_alone(path: Path) -> None:
    with Store.open(path, KEY, CLOCK) as store:
        with store.transaction():
            residents.add(store, "Ada")
            with pytest.raises(KeyError), store.transaction():
                residents.add(store, "Bob")
                raise KeyError
        names = {each.resident.name for each in residents.everyone(store, MODEL, CLOCK.now())}
    assert "Ada" in names
    assert "Bob" not in names


def test_a_second_opener_reads_waits_for_its_turn_and_says_so_when_it_does_not_come(path: Path) -> None:
    with Store.open(path, KEY, CLOCK) as first, Store.open(path, KEY, CLOCK) as second:
        second.rows("PRAGMA busy_timeout = 50")
        with first.transaction():
            event = events.append(first, "opened")
            assert events.recent(second, limit=1)[0].id != event.id
            with pytest.raises(StoreError, match="another process"):
                events.append(second, "opened")
        assert events.recent(second, limit=1)[0].id == event.id
        events.append(second, "opened")
        assert first.check() == second.check() == []


def test_a_closed_store_says_so(path: Path) -> None:
    store = Store.open(path, KEY, CLOCK)
    store.close()
    with pytest.raises(StoreError, match="closed"):
        events.append(store, "opened")


def test_the_settings_that_durability_and_deletion_rest_on_are_in_force(path: Path) -> None:
    with Store.open(path, KEY, CLOCK) as store:
        values = {
            name: next(iter(store.rows(f"PRAGMA {name}")[0].values()))
            for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
        }
    full, on = 2, 1
    assert values == {
        "journal_mode": "wal",
        "synchronous": full,
        "secure_delete": on,
        "foreign_keys": on,
    }


def test_the_check_names_files_that_others_may_read(path: Path) -> None:
    path.chmod(0o644)
    with Store.open(path, KEY, CLOCK) as store:
        assert any("chmod 600" in finding for finding in store.check())


def test_neither_a_fault_nor_a_wrong_key_writes_to_standard_error(
    path: Path, whole: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    refused(path, OTHER_KEY)
    path.write_bytes(whole[:5000] + b"x" + whole[5001:])
    with pytest.raises(StoreCorrupt), Store.open(path, KEY, CLOCK) as store:
        store.rows("SELECT * FROM resident")
        raise StoreCorrupt(path, "elsewhere")
    assert capfd.readouterr().err == ""


def test_neither_names_nor_templates_nor_words_of_the_schema_can_be_read_in_any_file(tmp_path: Path) -> None:
    path = tmp_path / "edge-gate.db"
    with Store.create(path, KEY, CLOCK) as store:
        person = enrol(store, "Wilhelmina Featherstonehaugh")
        events.append(store, "opened", resident_id=person.id, detail={"reason": "recognised-at-the-gate"})
        code = compared(store, MODEL, CLOCK.now())[0].code
        secrets = [
            b"SQLite format 3",
            b"Featherstonehaugh",
            b"recognised-at-the-gate",
            b"CREATE TABLE",
            b"operator",
            person.id.encode(),
            MODEL,
            KEY,
            KEY.hex().encode(),
            code[:16],
            code[-16:],
        ]
        found = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    ends = ("", ".anchor", ".keyring", "-wal", "-shm")
    assert set(found) == {f"edge-gate.db{end}" for end in ends}
    found["closed"] = path.read_bytes()
    assert len(found["edge-gate.db-wal"]) > PAGE_BYTES
    hits = [(name, secret) for name, content in found.items() for secret in secrets if secret in content]
    assert hits == []
