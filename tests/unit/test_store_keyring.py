# SPDX-License-Identifier: Apache-2.0
"""Keys that are destroyed stay destroyed: against old copies of the database, power cuts, moved rows and other keys."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.errors import AlreadyInitialised, KeyringDamaged, KeyringMissing, ResidentUnknown
from edge_gate.store import events, files
from edge_gate.store.database import Store
from edge_gate.store.keys import keyring
from edge_gate.store.keys.keyring import Keyring, keyring_path
from edge_gate.store.keys.sealing import CODE, VECTOR, DoesNotOpen, decrypt, open_row, seal_row
from edge_gate.store.people import consent, residents
from edge_gate.store.people.sweep import Swept, sweep
from edge_gate.store.templates import renewal, templates
from tests.support.power_cuts import STORE_STEPS, PowerCut, cut_before, stop
from tests.support.stores import CLOCK, KEY, MODEL, compared, enrol, in_the_clear, names_in_the_gallery

OTHER_KEY = bytes(32)
OLD_STORE = Path(__file__).parent / "data" / "store-0001-plain-templates.db"  # made by the code that had step 0001 only


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edge-gate.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.create(path, KEY, CLOCK) as opened:
        yield opened


def backup_of(store: Store) -> bytes:
    store.empty_log()
    return store.path.read_bytes()


def restored(path: Path, backup: bytes) -> Store:
    """Put an old database in the place of the present one, as docs/maintainer.md says."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(backup)
    return Store.open(path, KEY, CLOCK)


# --- the sealed row ----------------------------------------------------------------------------------------------


@given(st.binary(max_size=600))
def test_a_row_opens_in_its_own_place_and_in_no_other(plain: bytes) -> None:
    key, ada, bob = os.urandom(32), str(uuid.uuid4()), str(uuid.uuid4())
    sealed = seal_row(key, "template", ada, MODEL, plain)
    assert open_row(key, "template", ada, MODEL, sealed) == plain
    elsewhere = [
        (os.urandom(32), "template", ada, MODEL, sealed),
        (key, "template", bob, MODEL, sealed),
        (key, "template", ada, b"model-02", sealed),
        (key, "credential", ada, MODEL, sealed),
        (key, "template", ada, MODEL, VECTOR + sealed[1:]),
        (key, "template", ada, MODEL, CODE + seal_row(key, "template", ada, MODEL, plain, VECTOR)[1:]),
        (key, "template", ada, MODEL, sealed[:-1]),
        (key, "template", ada, MODEL, b""),
    ]
    for each in elsewhere:
        with pytest.raises(DoesNotOpen):
            open_row(*each)
    for changed in (sealed, VECTOR + sealed[1:]):
        with pytest.raises(DoesNotOpen):
            open_row(key, "template", ada, MODEL, changed, VECTOR)


def test_no_byte_of_a_sealed_row_can_be_changed_unnoticed() -> None:
    key, ada = os.urandom(32), str(uuid.uuid4())
    sealed = seal_row(key, "template", ada, MODEL, bytes(256))
    for at in range(len(sealed)):
        with pytest.raises(DoesNotOpen):
            open_row(key, "template", ada, MODEL, sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])


def test_a_template_that_somebody_moved_to_another_resident_is_not_compared_and_goes(store: Store) -> None:
    """With the store's key one can write rows, but not give one person's template to another."""
    ada, bob = enrol(store, "Ada", 1)[0], enrol(store, "Bob", 2)[0]
    (hers,) = store.rows("SELECT sealed FROM template WHERE resident_id = ?", (ada.id,))
    store.run("UPDATE template SET sealed = ? WHERE resident_id = ?", (hers["sealed"], bob.id))
    assert names_in_the_gallery(store) == {"Ada"}
    assert templates.unreadable(store) == [(bob.id, MODEL)]
    assert sweep(store) == Swept(residents=0, templates=1)
    assert templates.unreadable(store) == []


# --- the keyring's file ------------------------------------------------------------------------------------------


def test_the_keyring_lies_beside_the_store_closed_to_others_and_says_nothing_without_the_key(store: Store) -> None:
    ada, _ = enrol(store, "Ada")
    file = keyring_path(store.path)
    assert file.stat().st_mode & 0o777 == 0o600
    key = store.keyring.data_key(ada.id)
    assert key is not None and len(key) == 32
    assert not any(secret in file.read_bytes() for secret in (key, uuid.UUID(ada.id).bytes, ada.id.encode()))
    assert key not in in_the_clear(store.path), "the database has the key of its own rows"


def test_a_missing_keyring_and_one_of_another_key_are_named_and_nothing_is_changed(store: Store) -> None:
    enrol(store, "Ada")
    store.close()
    ring, before = keyring_path(store.path), store.path.read_bytes()
    mine = ring.read_bytes()
    ring.unlink()
    with pytest.raises(KeyringMissing):
        Store.open(store.path, KEY, CLOCK)
    assert not ring.exists()
    for other in (b"", b"precious", mine[:-1], mine[:40] + bytes([mine[40] ^ 1]) + mine[41:]):
        ring.write_bytes(other)
        with pytest.raises(KeyringDamaged):
            Store.open(store.path, KEY, CLOCK)
        assert ring.read_bytes() == other
    ring.unlink()
    Keyring.create(ring, OTHER_KEY)
    with pytest.raises(KeyringDamaged):
        Store.open(store.path, KEY, CLOCK)
    assert store.path.read_bytes() == before


def test_a_keyring_that_holds_something_is_not_begun_anew(store: Store) -> None:
    ring = keyring_path(store.path)
    Keyring.create(ring, KEY)
    enrol(store, "Ada")
    before = ring.read_bytes()
    for key in (KEY, OTHER_KEY):
        with pytest.raises(AlreadyInitialised):
            Keyring.create(ring, key)
    assert ring.read_bytes() == before


def test_two_openers_do_not_undo_each_others_changes(store: Store) -> None:
    ada, bob = enrol(store, "Ada")[0], enrol(store, "Bob")[0]
    other = Keyring.open(keyring_path(store.path), KEY)
    residents.forget(store, ada.id)
    other.ensure([str(uuid.uuid4())])
    again = Keyring.open(keyring_path(store.path), KEY)
    assert again.data_key(ada.id) is None and again.buried(ada.id)
    assert again.data_key(bob.id) == store.keyring.data_key(bob.id)
    with pytest.raises(ResidentUnknown):
        again.ensure([ada.id])


def test_the_old_file_is_overwritten_where_it_lay(tmp_path: Path) -> None:
    """A hard link keeps the old file in sight, as a look at the bare card would."""
    file, seen = tmp_path / "ring", tmp_path / "seen"
    file.write_bytes(b"a key that has to go")
    os.link(file, seen)
    files.replace(file, b"without it")
    assert file.read_bytes() == b"without it"
    assert seen.read_bytes().strip(b"\0") == b""


# --- forgetting against old copies -------------------------------------------------------------------------------


def test_an_old_backup_does_not_bring_a_forgotten_person_back(store: Store) -> None:
    ada, _ = enrol(store, "Ada", 1)
    enrol(store, "Bob", 2)
    events.append(store, "opened", resident_id=ada.id, detail={"like": "Ada"})
    backup, old_ring = backup_of(store), keyring_path(store.path).read_bytes()
    residents.forget(store, "Ada")
    store.close()
    with restored(store.path, backup) as again:
        assert names_in_the_gallery(again) == {"Bob"}, "her template opened"
        assert sweep(again) == Swept(residents=1, templates=0)
        with pytest.raises(ResidentUnknown):
            residents.find(again, "Ada")
        assert not any(word in in_the_clear(again.path) for word in (ada.id.encode(), b'"like":"Ada"'))
        assert not sweep(again)
    # The control, and the limit that the documents state: whoever copied both files has her.
    keyring_path(store.path).write_bytes(old_ring)
    with restored(store.path, backup) as both:
        assert not sweep(both)
        assert names_in_the_gallery(both) == {"Ada", "Bob"}


def test_a_forgetting_that_left_the_key_would_be_found_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(store, "Ada", 1)
    backup = backup_of(store)
    monkeypatch.setattr(Keyring, "destroy", lambda *_, **__: True)
    residents.forget(store, "Ada")
    store.close()
    with restored(store.path, backup) as again:
        assert not sweep(again)
        assert names_in_the_gallery(again) == {"Ada"}


def test_an_old_backup_does_not_bring_back_a_template_whose_consent_was_withdrawn(store: Store) -> None:
    ada, _ = enrol(store, "Ada", 1)
    backup = backup_of(store)
    consent.withdraw(store, ada.id)
    store.close()
    with restored(store.path, backup) as again:
        assert names_in_the_gallery(again) == set()
        assert sweep(again) == Swept(residents=0, templates=1)
        assert residents.find(again, "Ada") == ada


def test_a_template_that_was_moved_to_somebody_else_is_not_compared_as_theirs(store: Store) -> None:
    ada, _ = enrol(store, "Ada", 1)
    bob, _ = enrol(store, "Bob", 2)
    assert len(compared(store, MODEL, CLOCK.now())) == 2
    store.run("DELETE FROM template WHERE resident_id = ?", (bob.id,))
    store.run("UPDATE template SET resident_id = ?", (bob.id,))
    assert compared(store, MODEL, CLOCK.now()) == [], "hers, moved to him, was compared as his"
    store.run("UPDATE template SET resident_id = ?", (ada.id,))
    assert len(compared(store, MODEL, CLOCK.now())) == 1
    store.keyring.destroy(ada.id, forgotten=True)
    assert compared(store, MODEL, CLOCK.now()) == []


def test_a_keyring_that_did_not_change_is_not_opened_again_and_one_that_did_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, _ = enrol(store, "Ada", 1)
    other = Keyring.open(store.keyring.path, KEY)
    opened: list[bytes] = []

    def counted(key: bytes, sealed: bytes, bound: bytes) -> bytes:
        opened.append(sealed)
        return decrypt(key, sealed, bound)

    monkeypatch.setattr(keyring, "decrypt", counted)
    store.keyring.reload()
    assert not opened, "it was opened although it is the same, bit by bit"
    other.destroy(ada.id, forgotten=True)
    store.keyring.reload()
    assert len(opened) == 1
    assert store.keyring.buried(ada.id)
    damaged = bytearray(store.keyring.path.read_bytes())
    damaged[-1] ^= 1
    store.keyring.path.write_bytes(damaged)
    with pytest.raises(KeyringDamaged):
        store.keyring.reload()


# --- stores of before --------------------------------------------------------------------------------------------


def test_a_store_of_before_there_were_data_keys_is_sealed_without_loss_and_without_a_trace(path: Path) -> None:
    vectors = [np.random.default_rng(seed).normal(size=128).astype(np.float32) for seed in range(3)]
    plain = [(each / np.linalg.norm(each)).astype("<f2").tobytes() for each in vectors]
    shutil.copy(OLD_STORE, path)
    path.chmod(0o600)
    assert all(each[:64] in in_the_clear(path) for each in plain), "the search cannot find what is there"
    with Store.open(path, KEY, CLOCK) as store:
        transform, _ = renewal.prepare(store)
        found = compared(store, MODEL, CLOCK.now())
        names = [residents.find(store, each.resident_id).name for each in found]
        assert names == ["Ada", "Bob", "安"]
        for each, vector in zip(found, vectors, strict=True):
            assert np.unpackbits(np.frombuffer(each.code, np.uint8) ^ transform.encode(vector)).sum() < 20
            assert each.pictures == 5
        assert [event.score for event in events.unfinished(store)] == [0.5, 0.6, 0.7]
        assert store.check() == []
        clear = in_the_clear(path)
    assert not any(part in clear for each in plain for part in (each[:24], each[100:124], each[-24:]))
    with Store.open(path, KEY, CLOCK) as again:
        assert len(compared(again, MODEL, CLOCK.now())) == 3


def test_a_sealing_that_was_interrupted_is_done_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(OLD_STORE, path)
    path.chmod(0o600)
    with monkeypatch.context() as cut:
        cut.setattr(Store, "insert", stop)
        with pytest.raises(PowerCut):
            Store.open(path, KEY, CLOCK)
    assert keyring_path(path).exists()
    with Store.open(path, KEY, CLOCK) as store:
        renewal.prepare(store)
        assert names_in_the_gallery(store) == {"Ada", "Bob", "安"}


# --- interruptions -----------------------------------------------------------------------------------------------


def test_a_forgetting_cut_off_at_any_step_is_either_not_begun_or_finished_at_the_next_start(
    path: Path, tmp_path: Path
) -> None:
    with Store.create(path, KEY, CLOCK) as store:
        ada, _ = enrol(store, "Ada", 1)
        enrol(store, "Bob", 2)
    whole = {each: (tmp_path / each).read_bytes() for each in (path.name, keyring_path(path).name)}
    outcomes = []
    for number in range(100):
        for name, content in whole.items():
            (tmp_path / name).write_bytes(content)
        with pytest.MonkeyPatch.context() as patch, Store.open(path, KEY, CLOCK) as store:
            begun = cut_before(patch, number, STORE_STEPS)
            with suppress(PowerCut):
                residents.forget(store, "Ada")
            finished = begun() <= number
        with Store.open(path, KEY, CLOCK) as again:
            sweep(again)
            known, gone = names_in_the_gallery(again), again.keyring.data_key(ada.id) is None
            assert known == ({"Bob"} if gone else {"Ada", "Bob"}), number
            assert (ada.id.encode() in in_the_clear(path)) is not gone
            outcomes.append(gone)
        if finished:
            break
    assert outcomes[-1] and not outcomes[0], "the cuts did not reach from the beginning to the end"
    assert outcomes == sorted(outcomes), "a key that was gone came back"
    assert outcomes.count(True) > 4 and outcomes.count(False) > 2


KILLED = f"""
import sys
from pathlib import Path
from edge_gate.core.clock import SystemClock
from edge_gate.store.database import Store
from edge_gate.store.people import residents
with Store.open(Path(sys.argv[1]), bytes.fromhex({KEY.hex()!r}), SystemClock()) as store:
    print("ready", flush=True)
    for number in range(40):
        residents.forget(store, f"Guest {{number}}")
        print(number, flush=True)
"""


@pytest.mark.parametrize("patience_s", [0.02, 0.2, 0.5])
@pytest.mark.processes
def test_a_gate_that_is_killed_while_it_forgets_forgets_wholly(path: Path, patience_s: float) -> None:
    with Store.create(path, KEY, CLOCK) as store:
        ids = [enrol(store, f"Guest {number}", number)[0].id for number in range(40)]
        backup = backup_of(store)
    process = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(patience_s)
    process.send_signal(signal.SIGKILL)
    told = {f"Guest {line}" for line in process.communicate()[0].splitlines()}
    with Store.open(path, KEY, CLOCK) as store:
        sweep(store)
        here = {each.name for each in residents.everyone_known(store)}
        buried = {f"Guest {number}" for number, each in enumerate(ids) if store.keyring.buried(each)}
    assert here.isdisjoint(buried) and len(here) + len(buried) == 40
    assert told <= buried
    with restored(path, backup) as again:
        assert names_in_the_gallery(again) == here
