# SPDX-License-Identifier: Apache-2.0
"""Templates of an earlier store become codes once, and codes can be renewed without the residents."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from edge_gate.core.errors import StoreError
from edge_gate.rules.protection import SiteTransform, site_key
from edge_gate.store import rebuilding
from edge_gate.store.database import Store
from edge_gate.store.keys.keyring import Keyring, keyring_path
from edge_gate.store.keys.sealing import CODE
from edge_gate.store.people import consent, residents
from edge_gate.store.people.sweep import sweep
from edge_gate.store.templates import renewal, templates
from tests.support.stores import CLOCK, KEY, MODEL, compared, in_the_clear

# Written by the version before templates were protected: Ada, Bob and Eve, vectors from the seeds 0, 1 and 2.
OLD_STORE = Path(__file__).parent / "stores" / "steps_0001.db"
# The same people and seeds, written by the version that sealed vectors under the residents' data keys.
SEALED_STORE = OLD_STORE.with_name("steps_0003.db")


def direction(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    vector = np.random.default_rng(seed).standard_normal(128).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def codes(store: Store) -> dict[str, bytes]:
    found = compared(store, MODEL, CLOCK.now())
    names = {each.id: each.name for each in (residents.find(store, one.resident_id) for one in found)}
    return {names[each.resident_id]: each.code for each in found}


def finish(store: Store, under_way: renewal.Renewal) -> None:
    while under_way.compute():
        pass
    for _ in under_way.put_in_place():
        pass
    rebuilding.at_once(store)
    store.empty_log()


def enrol(store: Store, transform: SiteTransform, name: str, seed: int) -> None:
    person = residents.add(store, name)
    until = store.now() + timedelta(days=365)
    consent.record(store, person.id, purpose="a test", given_by=name, until=until, operator="test")
    code = transform.encode(direction(seed)).tobytes()
    templates.put(store, templates.Template(person.id, MODEL, 5, code, 128))


@pytest.fixture(params=[OLD_STORE, SEALED_STORE], ids=["plain vectors", "sealed vectors"])
def old(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "edge-gate.db"
    for source, copy in ((request.param, path), (keyring_path(request.param), keyring_path(path))):
        if source.exists():
            shutil.copyfile(source, copy)
            copy.chmod(0o600)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "edge-gate.db", KEY, CLOCK) as opened:
        yield opened


def test_plain_templates_of_an_earlier_store_are_protected_once_and_none_is_lost(old: Path) -> None:
    with Store.open(old, KEY, CLOCK) as store:
        assert compared(store, MODEL, CLOCK.now()) == []  # a vector is never taken for a code
        transform, protected = renewal.prepare(store)
        assert protected == 3
        first = codes(store)
    with Store.open(old, KEY, CLOCK) as store:
        again, protected = renewal.prepare(store)
        assert protected == 0
        assert codes(store) == first
        for seed, name in enumerate(("Ada", "Bob", "Eve")):
            for maker in (transform, again):
                away = np.unpackbits(np.frombuffer(first[name], np.uint8) ^ maker.encode(direction(seed))).sum()
                assert away < 20  # float16 moves a few components over 0
        assert {row["sealed"][:1] for row in store.rows("SELECT sealed FROM template")} == {CODE}
        assert templates.unreadable(store) == []
        assert store.check() == []


def test_no_plain_vector_stays_in_any_page_once_the_templates_are_protected(old: Path) -> None:
    pieces = [direction(seed).astype("<f2").tobytes()[start:][:24] for seed in range(3) for start in (0, 100, 232)]
    if not keyring_path(old).exists():
        assert all(piece in in_the_clear(old) for piece in pieces)  # the control: the search finds what is there
    with Store.open(old, KEY, CLOCK) as store:
        pieces += [row["sealed"][at:][:24] for row in store.rows("SELECT sealed FROM template") for at in (0, 150, 261)]
        assert all(piece in in_the_clear(old) for piece in pieces[9:])
        assert not [piece for piece in pieces[:9] if piece in in_the_clear(old)]
        renewal.prepare(store)
        assert not [piece for piece in pieces if piece in in_the_clear(old)]


def test_vectors_that_wait_to_become_codes_are_not_swept_as_unreadable(old: Path) -> None:
    with Store.open(old, KEY, CLOCK) as store:
        assert not sweep(store)
        assert renewal.prepare(store)[1] == 3


def test_a_store_protected_half_way_when_the_power_went_is_as_before(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_: rebuilding.Rewritable) -> None:
        raise KeyboardInterrupt

    with Store.open(old, KEY, CLOCK) as store:
        monkeypatch.setattr(rebuilding, "require", cut)
        with pytest.raises(KeyboardInterrupt):
            renewal.prepare(store)
        monkeypatch.undo()
        assert store.rows("SELECT * FROM template_key") == []
        assert renewal.prepare(store)[1] == 3


def test_renewal_gives_other_codes_for_the_same_people_and_erases_the_old_salt(store: Store) -> None:
    old, _ = renewal.prepare(store)
    people = {f"P{number}": number for number in range(20)}
    for name, seed in people.items():
        enrol(store, old, name, seed)
    keys = {each.id: store.keyring.data_key(each.id) for each in residents.everyone_known(store)}
    sealed = [row["sealed"] for row in store.rows("SELECT sealed FROM template")]
    before, salt = codes(store), store.rows("SELECT salt FROM template_key")[0]["salt"]
    assert salt in in_the_clear(store.path)
    under_way = renewal.Renewal(store, old)
    assert [under_way.compute() for _ in range(21)] == [True] * 20 + [False]
    assert codes(store) == before  # nothing changes until all is ready
    enrol(store, old, "late", 77)
    finish(store, under_way)
    after = codes(store)
    assert set(after) == {*people, "late"}
    page = in_the_clear(store.path)
    assert salt not in page and not [each for each in sealed if each[:24] in page or each[-24:] in page]
    assert not [name for name, code in {**before, **after}.items() if code[:24] in page]
    assert (
        keys.items() <= {each.id: store.keyring.data_key(each.id) for each in residents.everyone_known(store)}.items()
    )
    new, _ = renewal.prepare(store)
    for name, seed in {**people, "late": 77}.items():
        code = np.frombuffer(after[name], np.uint8)
        assert np.unpackbits(code ^ new.encode(direction(seed))).mean() < 0.06
        assert np.unpackbits(code ^ old.encode(direction(seed))).mean() > 0.4
    assert (renewal.protection_status(store).renewals, renewal.protection_status(store).templates) == (1, 21)


def test_a_renewal_that_is_cut_off_leaves_every_template_as_it_was(store: Store) -> None:
    old, _ = renewal.prepare(store)
    for seed in range(10):
        enrol(store, old, f"P{seed}", seed)
    before = codes(store)
    under_way = renewal.Renewal(store, old)
    assert under_way.compute()
    next(under_way.put_in_place())
    with Store.open(store.path, KEY, CLOCK) as again:
        transform, _ = renewal.prepare(again)
        assert codes(again) == before
        assert (transform.encode(direction(0)) == old.encode(direction(0))).all()


def test_whoever_is_forgotten_while_templates_are_renewed_stays_forgotten(store: Store) -> None:
    old, _ = renewal.prepare(store)
    for seed in range(10):
        enrol(store, old, f"P{seed}", seed)
    under_way = renewal.Renewal(store, old)
    assert under_way.compute()
    residents.forget(store, "P0")
    finish(store, under_way)
    assert set(codes(store)) == {f"P{seed}" for seed in range(1, 10)}


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_renewal_goes_on_whenever_a_key_is_destroyed(
    store: Store, forgotten: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "CHANGED_ROWS", 1)
    old, _ = renewal.prepare(store)
    for seed in range(6):
        enrol(store, old, f"P{seed}", seed)
    everybody = {each.name: each for each in residents.everyone_known(store)}
    under_way = renewal.Renewal(store, old)
    while under_way.compute():
        pass
    slices = 0
    for slices, _ in enumerate(under_way.put_in_place()):
        if slices < 3:  # their rows follow in a job of their own
            store.keyring.destroy(everybody[f"P{slices}"].id, forgotten=forgotten)
    assert slices > 4
    assert set(codes(store)) == {"P3", "P4", "P5"}
    new, _ = renewal.prepare(store)
    assert np.unpackbits(np.frombuffer(codes(store)["P3"], np.uint8) ^ new.encode(direction(3))).mean() < 0.06


def test_a_renewal_that_cannot_be_written_down_is_not_done(store: Store) -> None:
    def refuse() -> None:
        raise StoreError(store.path, "full")

    old, _ = renewal.prepare(store)
    enrol(store, old, "Ada", 0)
    before, rows = codes(store), store.rows("SELECT * FROM template_key")
    with pytest.raises(StoreError, match="full"):
        finish(store, renewal.Renewal(store, old, refuse))
    assert (codes(store), store.rows("SELECT * FROM template_key")) == (before, rows)


def test_templates_that_belong_to_another_secret_are_noticed_and_a_new_keyring_begins_anew(store: Store) -> None:
    old, _ = renewal.prepare(store)
    enrol(store, old, "Ada", 0)
    store.run("UPDATE template_key SET salt = ?", (bytes(32),))
    with pytest.raises(StoreError, match="another keyring"):
        renewal.prepare(store)
    store.close()
    keyring_path(store.path).unlink()
    Keyring.create(keyring_path(store.path), KEY)
    with Store.open(store.path, KEY, CLOCK) as again:
        assert sweep(again).templates == 1
        new, _ = renewal.prepare(again)
        enrol(again, new, "Bob", 1)
        assert (renewal.prepare(again)[0].encode(direction(1)) == new.encode(direction(1))).all()
        assert (new.encode(direction(1)) != old.encode(direction(1))).any()


def test_a_copy_of_the_database_and_its_key_does_not_give_the_axes_without_the_keyring(store: Store) -> None:
    old, _ = renewal.prepare(store)
    enrol(store, old, "Ada", 0)
    salt = store.rows("SELECT salt FROM template_key")[0]["salt"]
    assert (
        SiteTransform(site_key(store.keyring.template_secret(), salt)).encode(direction(0)) == old.encode(direction(0))
    ).all()
    guessed = SiteTransform(site_key(KEY, salt)).encode(direction(0))
    assert np.unpackbits(guessed ^ old.encode(direction(0))).mean() > 0.4
    assert store.keyring.template_secret() not in in_the_clear(store.path)
