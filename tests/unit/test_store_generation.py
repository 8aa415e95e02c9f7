# SPDX-License-Identifier: Apache-2.0
"""Keyring and database of one time or of two: counted, put back, cut off by a power cut, and read in the old form."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from edge_gate.store.audit import generation, log_end
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit.chain import KEY_CHANGED, NEW_KEYRING, STARTED, Checkpoint, examine
from edge_gate.store.audit.generation import Seen, last_recorded
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.keys.keyring import Keyring, keyring_path
from edge_gate.store.people import consent, residents
from edge_gate.store.people.sweep import Swept, sweep
from tests.support.power_cuts import STORE_STEPS, PowerCut, cut_before
from tests.support.stores import BEFORE, CLOCK, KEY, enrol, names_in_the_gallery


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with Ada, who was enrolled as the gate does it, after a start."""
    path = tmp_path / "edge-gate.db"
    with Store.create(path, KEY, CLOCK) as store:
        started(store)
        enrolled(store, "Ada")
    return path


def log_of(store: Store) -> AuditLog:
    return AuditLog(store, store.keyring.signer())


def written(store: Store, verb: str) -> None:
    detail = {generation.FIELD: store.keyring.generation}
    log_of(store).append(verb, actor="uid 1000", role="maintainer", detail=detail)


def started(store: Store, verb: str = STARTED) -> None:
    log = log_of(store)
    detail = {"device_key": log.public_key.hex(), generation.FIELD: store.keyring.known}
    log.append(verb, actor="gate", role="gate", detail=detail)
    log.checkpoint()


def enrolled(store: Store, name: str) -> None:
    with store.transaction():
        enrol(store, name)
        written(store, "enrol")


def forgotten(store: Store, name: str) -> None:
    residents.forget(store, name, record=lambda: written(store, "forget"))


def withdrawn(store: Store, name: str) -> None:
    resident = residents.find(store, name)
    consent.withdraw(store, resident.id, record=lambda: written(store, "withdraw"))


def expected(store: Store) -> None:
    """Compare the two, as a gate does at its start."""
    found = last_recorded(store)
    assert found is not None and found.generation is not None
    store.keyring.expect(found.generation)


def test_each_change_of_the_keyring_counts_and_the_log_has_the_count(path: Path) -> None:
    with Store.open(path, KEY, CLOCK) as store:
        for number, (change, name) in enumerate(((enrolled, "Bob"), (withdrawn, "Bob"), (forgotten, "Ada")), 3):
            change(store, name)
            assert store.keyring.generation == number
            assert last_recorded(store) == Seen(log_of(store).public_key.hex(), number)
        expected(store)
        assert store.keyring.suspect == ""
        store.keyring.sealed_again(bytes(32))
        assert store.keyring.generation == 5, "it holds what it held"
    assert Keyring.open(keyring_path(path), bytes(32)).generation == 5


def test_a_keyring_of_before_counts_from_nought_and_is_written_anew_at_its_next_change(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    shutil.copyfile(keyring_path(BEFORE), path)
    assert path.read_bytes().startswith(b"EGRING1\0")
    ring = Keyring.open(path, KEY)
    assert (ring.generation, ring.suspect, ring.counts()) == (0, "", (1, 1))
    whose, seed = dict(ring._keys), ring.signer().private_bytes_raw()
    ring.ensure(["6f1c1e0a-9b1d-4f57-8a53-0c6c1fb5f7aa"])
    assert path.read_bytes().startswith(b"EGRING2\0")
    again = Keyring.open(path, KEY)
    assert (again.generation, again.counts()) == (1, (2, 1))
    assert whose.items() <= again._keys.items() and again.signer().private_bytes_raw() == seed


def test_a_log_that_did_not_count_says_nothing_of_the_keyring_until_it_does(tmp_path: Path) -> None:
    path = tmp_path / "edge-gate.db"
    for source, copy in ((BEFORE, path), (keyring_path(BEFORE), keyring_path(path))):
        shutil.copyfile(source, copy)
        copy.chmod(0o600)
    with Store.open(path, KEY, CLOCK) as store:
        before = last_recorded(store)
        assert before is not None and before.generation is None
        started(store, KEY_CHANGED)
        assert last_recorded(store) == Seen(log_of(store).public_key.hex(), 0)
        enrolled(store, "Eve")
        assert last_recorded(store) == Seen(log_of(store).public_key.hex(), 1)
    shutil.copyfile(keyring_path(BEFORE), keyring_path(path))
    with Store.open(path, KEY, CLOCK) as store:
        expected(store)
        assert "generation 0, but 1 was known" in store.keyring.suspect


def test_an_older_keyring_is_noticed_loses_nobody_and_counts_on_from_the_newer_one(path: Path, tmp_path: Path) -> None:
    ring, old, new = keyring_path(path), tmp_path / "old", tmp_path / "new"
    shutil.copy(ring, old)
    with Store.open(path, KEY, CLOCK) as store:
        enrolled(store, "Bob")
        enrolled(store, "Eve")
    shutil.copy(ring, new)
    shutil.copy(old, ring)
    with Store.open(path, KEY, CLOCK) as store:
        assert not store.keyring.suspect
        expected(store)
        assert "generation 2, but 4 was known" in store.keyring.suspect
        assert sweep(store) == Swept(0, 0)
        assert names_in_the_gallery(store) == {"Ada"}
        started(store)
    with Store.open(path, KEY, CLOCK) as store:
        expected(store)
        assert store.keyring.suspect, "a second start forgot it"
    shutil.copy(new, ring)
    with Store.open(path, KEY, CLOCK) as store:
        expected(store)
        assert not store.keyring.suspect and names_in_the_gallery(store) == {"Ada", "Bob", "Eve"}
    shutil.copy(old, ring)
    with Store.open(path, KEY, CLOCK) as store:
        expected(store)
        forgotten(store, "Ada")
        assert store.keyring.generation == 5 and store.keyring.suspect
    with Store.open(path, KEY, CLOCK) as store:
        expected(store)
        assert not store.keyring.suspect
        assert sweep(store) == Swept(0, 2), "now nobody waits for the other one"
    shutil.copy(new, ring)  # in which Ada still has a key
    with Store.open(path, KEY, CLOCK) as store:
        expected(store)
        assert "generation 4, but 5 was known" in store.keyring.suspect


def test_a_sweep_that_took_the_older_keyring_for_the_newest_would_lose_people(path: Path, tmp_path: Path) -> None:
    """The control: what happened before the generation was compared."""
    shutil.copy(keyring_path(path), tmp_path / "old")
    with Store.open(path, KEY, CLOCK) as store:
        enrolled(store, "Bob")
    shutil.copy(tmp_path / "old", keyring_path(path))
    with Store.open(path, KEY, CLOCK) as store:
        assert sweep(store) == Swept(0, 1)


def test_an_older_keyring_that_is_put_back_under_a_running_gate_is_noticed_at_the_next_change(path: Path) -> None:
    with Store.open(path, KEY, CLOCK) as store:
        old = keyring_path(path).read_bytes()
        enrolled(store, "Bob")
        keyring_path(path).write_bytes(old)
        enrolled(store, "Eve")
        assert "generation 2, but 3 was known" in store.keyring.suspect
        assert store.keyring.generation == 4
        assert names_in_the_gallery(store) == {"Ada", "Eve"}


@pytest.mark.parametrize("change", [enrolled, forgotten, withdrawn])
def test_no_power_cut_makes_a_keyring_look_older_than_it_is(
    path: Path, tmp_path: Path, change: Callable[[Store, str], None]
) -> None:
    name = "Bob" if change is enrolled else "Ada"
    whole = {each: (tmp_path / each).read_bytes() for each in (path.name, keyring_path(path).name)}
    ahead = []
    for number in range(100):
        for each, content in whole.items():
            (tmp_path / each).write_bytes(content)
        with pytest.MonkeyPatch.context() as patch, Store.open(path, KEY, CLOCK) as store:
            begun = cut_before(patch, number, STORE_STEPS)
            with suppress(PowerCut):
                change(store, name)
            finished = begun() <= number
        with Store.open(path, KEY, CLOCK) as again:
            expected(again)
            assert not again.keyring.suspect, number
            found = last_recorded(again)
            assert found is not None
            ahead.append(again.keyring.generation - (found.generation or 0))
        if finished:
            break
    assert set(ahead) == {0, 1} and ahead[0] == ahead[-1] == 0, "no cut came between the two"


def test_a_new_keyring_counts_from_one_and_is_not_compared_with_the_lost_one(path: Path) -> None:
    with Store.open(path, KEY, CLOCK) as store:
        enrolled(store, "Bob")
        assert last_recorded(store) == Seen(log_of(store).public_key.hex(), 3)
    keyring_path(path).unlink()
    Keyring.create(keyring_path(path), KEY)
    with Store.open(path, KEY, CLOCK) as store:
        started(store, NEW_KEYRING)
        assert last_recorded(store) == Seen(log_of(store).public_key.hex(), 1)
        expected(store)
        assert not store.keyring.suspect


def test_both_put_back_together_are_of_one_time_and_only_a_kept_checkpoint_tells(path: Path, tmp_path: Path) -> None:
    both = (path, keyring_path(path))
    with Store.open(path, KEY, CLOCK) as store:
        store.empty_log()
    for each in both:
        shutil.copy(each, tmp_path / f"old-{each.name}")
    with Store.open(path, KEY, CLOCK) as store:
        forgotten(store, "Ada")
        kept = log_of(store).checkpoint()
    assert kept is not None
    for each in both:
        shutil.copy(tmp_path / f"old-{each.name}", each)
    with Store.open(path, KEY, CLOCK) as store:
        expected(store)
        assert not store.keyring.suspect and names_in_the_gallery(store) == {"Ada"}, "she is back, and nothing tells"
        started(store)
        assert findings(store) == []
        assert findings(store, kept) == [kept.seq]
        log_of(store).append("pause", actor="uid 1", role="maintainer")  # nor does it help to write on
        assert findings(store, kept) == [kept.seq]


def findings(store: Store, kept: Checkpoint | None = None) -> list[int]:
    seen_ = examine(
        audit_log.rows(store, limit=1000), audit_log.checkpoints(store, limit=1000), log_end.end(store), kept
    )
    return [each.seq for each in seen_.findings]
