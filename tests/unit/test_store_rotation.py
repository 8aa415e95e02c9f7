# SPDX-License-Identifier: Apache-2.0
"""A change of the store's key: all is kept, either key works in between, and the old one is worth nothing after."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from edge_gate.core.errors import AlreadyRunning, KeyringDamaged, RotationFailed, WrongKey
from edge_gate.rules.comparison import Candidate, Gallery
from edge_gate.store import events, files
from edge_gate.store.database import Store
from edge_gate.store.keys import pending, rotation
from edge_gate.store.keys.anchor import anchor_path
from edge_gate.store.keys.keyring import Keyring, keyring_path
from edge_gate.store.lock import sole_use
from edge_gate.store.people import residents
from edge_gate.store.templates import renewal, templates
from tests.support.peers import direction
from tests.support.power_cuts import PowerCut, cut_before
from tests.support.stores import CLOCK, KEY, MODEL, compared, enrol, names_in_the_gallery


class Place:
    """Where the key is kept: a file, as store.key_file is."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "store.key"
        self.file.write_bytes(KEY)

    def fetch(self) -> bytes:
        return self.file.read_bytes()

    def put(self, key: bytes) -> None:
        files.replace(self.file, key)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "edge-gate.db"
    with Store.create(path, KEY, CLOCK) as store:
        for number, name in enumerate(("Ada", "Bob", "Eve")):
            person, _ = enrol(store, name, number)
            events.append(store, "opened", resident_id=person.id, score=0.5, awaited=True)
        residents.forget(store, "Eve")
    return path


def everything(store: Store) -> dict[str, list[dict[str, object]]]:
    tables = ("resident", "consent", "template", "event", "outcome", "sqlite_sequence", "_sqlite_migrations")
    return {name: store.rows(f"SELECT * FROM {name} ORDER BY 1") for name in tables}


def test_everything_is_kept_under_the_new_key_and_the_old_one_opens_nothing(path: Path) -> None:
    place = Place(path.parent)
    with Store.open(path, KEY, CLOCK) as store:
        before, signer = everything(store), store.keyring.signer().private_bytes_raw()
    assert not rotation.rotate(path, place.fetch, place.put)
    new = place.fetch()
    assert new != KEY and len(new) == 32
    with Store.open(path, new, CLOCK) as store:
        assert everything(store) == before
        assert store.keyring.signer().private_bytes_raw() == signer
        assert names_in_the_gallery(store) == {"Ada", "Bob"}
        assert store.check() == []
        assert store.rows("PRAGMA journal_mode")[0]["journal_mode"] == "wal"
    with pytest.raises(WrongKey):
        Store.open(path, KEY, CLOCK)
    with pytest.raises(KeyringDamaged):
        Keyring.open(keyring_path(path), KEY)
    assert {each.name for each in path.parent.iterdir()} == {
        path.name,
        anchor_path(path).name,
        keyring_path(path).name,
        "store.key",
    }


def test_templates_are_compared_as_before_under_a_new_key_and_can_still_be_renewed(path: Path) -> None:
    place = Place(path.parent)
    with Store.open(path, KEY, CLOCK) as store:
        transform, _ = renewal.prepare(store)
        people = [direction(seed) for seed in range(3)]
        for seed, resident in enumerate(residents.everyone_known(store)):
            code = transform.encode(people[seed]).tobytes()
            templates.put(store, templates.Template(resident.id, MODEL, 5, code, 128))
        before = compared(store, MODEL, CLOCK.now())
    rotation.rotate(path, place.fetch, place.put)
    with Store.open(path, place.fetch(), CLOCK) as store:
        again, converted = renewal.prepare(store)
        assert converted == 0
        assert compared(store, MODEL, CLOCK.now()) == before
        assert all((again.encode(each) == transform.encode(each)).all() for each in people)
        gallery = Gallery.of([each.resident_id for each in before], [each.code for each in before], again)
        for resident, seen in zip(residents.everyone_known(store), people, strict=False):
            assert gallery.search(seen, 1)[0] == Candidate(resident.id, 1.0)
        under_way = renewal.Renewal(store, again)
        while under_way.compute():
            pass
        for _ in under_way.put_in_place():
            pass
        renewed = compared(store, MODEL, CLOCK.now())
        gallery = Gallery.of([each.resident_id for each in renewed], [each.code for each in renewed], again)
        assert gallery.search(people[0], 1)[0].comparison_score < 0.5, "the control: other axes are not taken for these"


CHANGES = (
    *((files, "_create"), (files, "sync"), (files, "_overwrite"), (files.Draft, "sync"), (rotation, "sync")),
    *((Path, "rename"), (Path, "unlink")),
)


def test_a_change_cut_off_at_any_step_opens_with_the_key_in_its_place_and_can_be_finished(path: Path) -> None:
    whole = {each: each.read_bytes() for each in (path, keyring_path(path))}
    between = 0
    for number in range(100):
        for each in path.parent.iterdir():
            each.unlink()
        for each, content in whole.items():
            each.write_bytes(content)
            each.chmod(0o600)
        place = Place(path.parent)
        with pytest.MonkeyPatch.context() as patch:
            begun = cut_before(patch, number, CHANGES)
            with suppress(PowerCut):
                rotation.rotate(path, place.fetch, place.put)
            finished = begun() <= number
        between += pending.read(path, place.fetch()) is not None
        with Store.open(path, place.fetch(), CLOCK) as store:
            assert names_in_the_gallery(store) == {"Ada", "Bob"}, number
            assert store.check() == [], number
            late = enrol(store, f"Late {number}")[0]
        if finished:
            break
        rotation.rotate(path, place.fetch, place.put)
        assert place.fetch() != KEY
        assert not pending.pending_path(path).exists()
        with Store.open(path, place.fetch(), CLOCK) as store:
            assert names_in_the_gallery(store) == {"Ada", "Bob", late.name}, number
        with pytest.raises(WrongKey):
            Store.open(path, KEY, CLOCK)
    assert finished and between > 10, "the cuts did not reach into the change"


def test_a_key_that_does_not_come_back_from_its_place_leaves_both_good(path: Path) -> None:
    lost: list[bytes] = []
    with pytest.raises(RotationFailed, match="does not come back"):
        rotation.rotate(path, lambda: KEY, lost.append)
    for key in (KEY, *lost):
        with Store.open(path, key, CLOCK) as store:
            assert names_in_the_gallery(store) == {"Ada", "Bob"}
    place = Place(path.parent)
    assert rotation.rotate(path, place.fetch, place.put)
    assert place.fetch() == lost[0]


def test_what_is_written_down_during_a_change_opens_with_either_key_and_with_no_other(path: Path) -> None:
    change = pending.Change(KEY, bytes(32))
    pending.write(path, change)
    assert pending.read(path, change.old) == pending.read(path, change.new) == change
    assert pending.read(path, b"x" * 32) is None
    content = pending.pending_path(path).read_bytes()
    assert not any(key in content for key in (change.old, change.new))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for somebody else")
def test_what_root_writes_during_a_change_belongs_to_the_gates_user(path: Path) -> None:
    gates_user = 65534
    for each in (path.parent, path, keyring_path(path), anchor_path(path)):
        os.chown(each, gates_user, gates_user)
    with pytest.raises(RotationFailed):
        rotation.rotate(path, lambda: KEY, lambda _: None)
    assert {each.stat().st_uid for each in path.parent.iterdir()} == {gates_user}
    assert pending.pending_path(path).exists()
    keyring_path(path).unlink()
    Keyring.create(keyring_path(path), KEY)
    assert keyring_path(path).stat().st_uid == gates_user


def test_a_store_is_held_by_one_at_a_time(path: Path) -> None:
    with sole_use(path):
        with pytest.raises(AlreadyRunning), sole_use(path):
            pass
        with Store.open(path, KEY, CLOCK) as store:  # looking is not holding
            assert len(compared(store, MODEL, CLOCK.now())) == 2
            store.keyring.ensure([residents.find(store, "Ada").id])
    with sole_use(path):
        pass
