# SPDX-License-Identifier: Apache-2.0
"""The audit log, tampered with on a real store by somebody who has its key: what is found, and what cannot be."""

from __future__ import annotations

import base64
import hmac
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_gate.core.errors import BadCheckpoint, StoreError
from edge_gate.documents import receipt as receipts
from edge_gate.documents.receipt import check
from edge_gate.gate.authorisation.authorisation import Authorisation
from edge_gate.gate.authorisation.roles import SystemLists
from edge_gate.settings.config import Config
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit import log_end, subject
from edge_gate.store.audit.chain import (
    CHECKPOINT_ROWS,
    END_LOST,
    GENESIS,
    NEW_KEYRING,
    STARTED,
    Checkpoint,
    Examined,
    Row,
    examine,
)
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.keys.keyring import keyring_path
from edge_gate.store.keys.rotation import rotate
from edge_gate.store.people import consent, residents
from tests.support.stores import BEFORE, CLOCK, KEPT_BEFORE, KEY, RECEIPT, in_the_clear


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a log of 100 rows: signed at row 64, which is due, and at row 90, as a stop would."""
    path = tmp_path_factory.mktemp("written") / "edge-gate.db"
    with Store.create(path, KEY, CLOCK) as store:
        made = AuditLog(store, store.keyring.signer())
        with store.transaction():
            made.append(STARTED, actor="gate", role="gate", detail={"device_key": made.public_key.hex()})
            for number in range(2, 91):
                made.append("pause", actor="uid 1000", role="maintainer", detail={"n": number})
            made.checkpoint()
            for number in range(91, 101):
                made.append("resume", actor="uid 1000", role="maintainer", detail={"n": number})
    return path


@pytest.fixture
def store(tmp_path: Path, written: Path) -> Iterator[Store]:
    path = tmp_path / "edge-gate.db"
    shutil.copy(written, path)
    shutil.copy(keyring_path(written), keyring_path(path))
    with Store.open(path, KEY, CLOCK) as opened:
        opened.run("PRAGMA synchronous = OFF")  # what is tried here is not the disk
        yield opened


@pytest.fixture
def log(store: Store) -> AuditLog:
    return AuditLog(store, store.keyring.signer())


def examined(store: Store, since: Checkpoint | None = None) -> Examined:
    return examine(
        audit_log.rows(store, limit=10_000), audit_log.checkpoints(store, limit=10_000), log_end.end(store), since
    )


def found(store: Store, since: Checkpoint | None = None) -> list[int]:
    return [each.seq for each in examined(store, since).findings]


def put(store: Store, row: Row) -> None:
    """Write a row over the one with its number, as somebody with the key can."""
    store.run("DELETE FROM audit WHERE seq = ?", (row.seq,))
    store.insert("audit", {name: getattr(row, name) for name in Row.__slots__})


def row_of(store: Store, seq: int) -> Row:
    return audit_log.rows(store, first=seq, limit=1)[0]


def rebuilt(row: Row, previous: bytes) -> Row:
    unsigned = replace(row, previous=previous)
    return replace(unsigned, hash=unsigned.digest())


def rewrite_from(store: Store, changed: Row) -> None:
    """Change a row and compute every later hash anew."""
    rows = [changed, *audit_log.rows(store, first=changed.seq + 1, limit=10_000)]
    previous = changed.previous
    for row in rows:
        again = rebuilt(row, previous)
        put(store, again)
        previous = again.hash


def sign_again(store: Store, log: AuditLog) -> None:
    """What root can do who has store's key and keyring: sign every checkpoint and the end for the rows as they are."""
    for old in audit_log.checkpoints(store, limit=10_000):
        store.run("DELETE FROM audit_checkpoint WHERE seq = ?", (old.seq,))
        if rows := audit_log.rows(store, first=old.seq, limit=1):
            fresh = replace(old, hash=rows[0].hash).signed(store.keyring.signer())
            store.insert("audit_checkpoint", {name: getattr(fresh, name) for name in Checkpoint.__slots__})
    log_end.sign_end(store, store.keyring.signer())


def started(store: Store, log: AuditLog) -> None:
    """Let a gate's oversight start on this log."""
    overseen = Authorisation(Config(), store, log, CLOCK, 0, lambda error: pytest.fail(str(error)), SystemLists())
    overseen.start()


def edit(store: Store) -> None:
    put(store, replace(row_of(store, 40), actor="uid 1001"))


def edit_and_hash(store: Store) -> None:
    put(store, rebuilt(replace(row_of(store, 40), actor="uid 1001"), row_of(store, 40).previous))


def delete(store: Store) -> None:
    store.run("DELETE FROM audit WHERE seq = 40")


def delete_and_close_the_gap(store: Store) -> None:
    store.run("DELETE FROM audit WHERE seq = 40")
    store.run("UPDATE audit SET seq = -seq WHERE seq > 40")
    store.run("UPDATE audit SET seq = -seq - 1 WHERE seq < 0")


def swap(store: Store) -> None:
    one, other = row_of(store, 40), row_of(store, 41)
    put(store, replace(one, seq=41))
    put(store, replace(other, seq=40))


def insert(store: Store) -> None:
    copy = row_of(store, 40)
    store.run("UPDATE audit SET seq = -seq WHERE seq >= 40")
    store.run("UPDATE audit SET seq = -seq + 1 WHERE seq < 0")
    put(store, rebuilt(replace(copy, verb="resume"), copy.previous))


def cut_the_beginning(store: Store) -> None:
    store.run("DELETE FROM audit WHERE seq <= 10")


def cut_a_signed_end(store: Store) -> None:
    store.run("DELETE FROM audit WHERE seq > 80")


def cut_an_end(store: Store) -> None:
    store.run("DELETE FROM audit WHERE seq > 95")


def cut_an_end_with_its_signatures(store: Store) -> None:
    store.run("DELETE FROM audit WHERE seq > 80")
    store.run("DELETE FROM audit_checkpoint WHERE seq > 80")
    store.run("DELETE FROM audit_end")


def cut_after_a_checkpoint_and_call_that_the_end(store: Store) -> None:
    store.run("DELETE FROM audit WHERE seq > 90")
    store.run("DELETE FROM audit_end")
    store.run("INSERT INTO audit_end SELECT * FROM audit_checkpoint WHERE seq = 90")


def put_a_row_after_the_end(store: Store) -> None:
    last = row_of(store, 100)
    put(store, rebuilt(replace(last, seq=101), last.hash))


def drop_a_checkpoint(store: Store) -> None:
    store.run("DELETE FROM audit_checkpoint WHERE seq = ?", (CHECKPOINT_ROWS,))


def forge_a_checkpoint(store: Store) -> None:
    """Rewrite the log and sign it, with a key that is not the device's."""
    rewrite_from(store, replace(row_of(store, 70), actor="uid 1001"))
    forger = Ed25519PrivateKey.generate()
    old = audit_log.checkpoints(store, first=90)[0]
    fresh = replace(old, hash=row_of(store, 90).hash, key=forger.public_key().public_bytes_raw()).signed(forger)
    store.run("DELETE FROM audit_checkpoint WHERE seq = 90")
    store.insert("audit_checkpoint", {name: getattr(fresh, name) for name in Checkpoint.__slots__})


def test_a_log_that_nobody_touched_is_whole_and_says_how_far_it_is_signed(store: Store, log: AuditLog) -> None:
    seen = examined(store)
    assert (seen.rows, seen.last, seen.vouched, seen.findings) == (100, 100, 100, [])
    assert log.end_fits()
    kept = log.checkpoint()
    assert kept is not None and kept.seq == 100
    assert found(store, kept) == []


@pytest.mark.parametrize(
    ("tamper", "row"),
    [
        (edit, 40),
        (edit_and_hash, 40),
        (delete, 40),
        (delete_and_close_the_gap, 40),
        (swap, 40),
        (insert, 41),  # 40 is the one put in; the first that does not fit any more comes after it
        (cut_the_beginning, 1),
        (cut_a_signed_end, 81),
        (cut_an_end, 96),
        (cut_an_end_with_its_signatures, 80),
        (cut_after_a_checkpoint_and_call_that_the_end, 90),
        (put_a_row_after_the_end, 101),
        (drop_a_checkpoint, CHECKPOINT_ROWS),
        (forge_a_checkpoint, 90),
    ],
)
def test_tampering_is_found_and_its_row_is_named(
    store: Store, log: AuditLog, tamper: Callable[[Store], None], row: int
) -> None:
    assert found(store) == []
    tamper(store)
    assert found(store)[0] == row


@pytest.mark.parametrize("column", ["at", "actor", "role", "verb", "subject", "detail", "previous", "hash"])
def test_a_change_of_any_column_is_found(store: Store, log: AuditLog, column: str) -> None:
    value = b"x" * 32 if column in ("subject", "previous", "hash") else "x"
    store.run(f"UPDATE audit SET {column} = ? WHERE seq = 40", (value,))
    assert 40 in found(store)


def test_a_log_rewritten_from_a_row_on_is_found_by_the_signature_that_came_after(store: Store, log: AuditLog) -> None:
    rewrite_from(store, replace(row_of(store, 40), actor="uid 1001"))
    assert found(store) == [CHECKPOINT_ROWS, 90, 100]


def test_a_log_rewritten_and_signed_anew_is_found_by_a_kept_checkpoint_and_by_nothing_else(
    store: Store, log: AuditLog
) -> None:
    kept = log.checkpoint()
    rewrite_from(store, replace(row_of(store, 40), actor="uid 1001"))
    sign_again(store, log)
    assert found(store) == []  # as docs/maintainer.md says: root can do this
    assert found(store, kept) == [100]


@pytest.mark.parametrize(
    "tamper",
    [cut_an_end, cut_an_end_with_its_signatures, cut_after_a_checkpoint_and_call_that_the_end, put_a_row_after_the_end],
)
def test_an_end_cut_off_anywhere_is_found_and_stays_found_after_the_next_start(
    store: Store, log: AuditLog, tamper: Callable[[Store], None]
) -> None:
    tamper(store)
    assert not log.end_fits()
    started(store, log)
    (said,) = (row.seq for row in audit_log.rows(store, first=80) if row.verb == END_LOST)
    assert said in found(store)


def test_a_whole_log_says_nothing_of_its_end_at_a_start(store: Store, log: AuditLog) -> None:
    """The control."""
    started(store, log)
    assert END_LOST not in [row.verb for row in audit_log.rows(store, limit=1000)]
    assert found(store) == []


def test_an_end_cut_off_and_signed_anew_is_found_by_a_kept_checkpoint_and_by_nothing_else(
    store: Store, log: AuditLog
) -> None:
    kept = log.checkpoint()
    cut_an_end_with_its_signatures(store)
    sign_again(store, log)
    assert found(store) == []  # as docs/maintainer.md says: root can do this
    assert found(store, kept) == [81]


def test_a_log_that_lost_its_signed_end_shows_the_gap_for_ever(store: Store, log: AuditLog) -> None:
    store.run("DELETE FROM audit WHERE seq > 80")
    log.append("pause", actor="uid 1000", role="maintainer")
    log.checkpoint()
    assert found(store) == [81, 101], "101 says that the end had gone"


def test_an_empty_log_is_whole_but_not_against_a_kept_checkpoint(store: Store, log: AuditLog) -> None:
    kept = log.checkpoint()
    store.run("DELETE FROM audit")
    store.run("DELETE FROM audit_checkpoint")
    store.run("DELETE FROM audit_end")
    assert found(store) == []
    assert found(store, kept) == [1]


def test_a_kept_line_is_read_as_it_was_written_and_no_other_line_is(store: Store, log: AuditLog) -> None:
    kept = log.checkpoint()
    assert kept is not None
    line = kept.line()
    assert Checkpoint.parse(f" {line}\n") == kept
    assert " " not in line
    for other in ("", "x", line[:-2], line.replace(",100,", ",99,"), line.replace(",100,", ",0100,"), line.upper()):
        with pytest.raises(BadCheckpoint):
            Checkpoint.parse(other)


def test_a_row_is_written_with_what_it_records_or_not_at_all(store: Store, log: AuditLog) -> None:
    with pytest.raises(RuntimeError), store.transaction():
        log.append("enrol", actor="uid 1000", role="maintainer")
        residents.add(store, "Ada")
        raise RuntimeError
    assert len(audit_log.rows(store, limit=1000)) == 100 and found(store) == []
    with pytest.raises(StoreError), store.transaction():
        residents.add(store, "Ada")
        log.append("enrol", actor="uid 1000", role="maintainer", detail={"x": "x" * 5000})
    assert store.rows("SELECT * FROM resident") == []


def about(store: Store, resident: residents.Resident) -> list[Row]:
    return [row for page in audit_log.about(store, resident.id) for row in page]


def test_what_is_about_a_resident_is_found_in_steps_newest_first(
    store: Store, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = residents.add(store, "Ada"), residents.add(store, "Bob")
    for resident in (ada, bob) * 7:
        log.append("withdraw", actor="uid 1", role="maintainer", resident_id=resident.id)
    for rows_a_step in (1, 2, 3, 57, 114, 115, 1000):
        monkeypatch.setattr(audit_log, "SEARCHED_ROWS", rows_a_step)
        assert [row.seq for row in about(store, ada)] == list(range(113, 100, -2)), rows_a_step
        assert all(len(page) <= rows_a_step for page in audit_log.about(store, bob.id))


def test_forgetting_leaves_the_chain_as_it_was_and_no_way_from_it_to_the_person(store: Store, log: AuditLog) -> None:
    ada, bob = residents.add(store, "Ada-Lovelace-1815"), residents.add(store, "Bob-Noyce-1927")
    for resident in (ada, bob, ada):
        log.append("enrol", actor="uid 1000", role="maintainer", resident_id=resident.id)
    mine = [row.seq for row in about(store, ada)]
    assert mine == [103, 101]
    salt = subject.salt_of(store, ada.id)
    assert salt is not None and salt in in_the_clear(store.path)
    kept, before = log.checkpoint(), audit_log.rows(store, limit=1000)
    residents.forget(store, ada.id, record=lambda: log.append("forget", actor="uid 1000", role="maintainer"))
    after, clear = audit_log.rows(store, limit=1000), in_the_clear(store.path)
    assert after[:-1] == before and after[-1].verb == "forget"
    assert found(store, kept) == []
    assert not any(secret in clear for secret in (salt, ada.id.encode(), ada.name.encode()))
    assert about(store, ada) == []
    assert [row.seq for row in about(store, bob)] == [102]


def test_two_rows_about_one_person_do_not_show_that_they_are(store: Store, log: AuditLog) -> None:
    ada = residents.add(store, "Ada")
    rows = [log.append("withdraw", actor="uid 1", role="maintainer", resident_id=ada.id) for _ in range(20)]
    assert len({row.subject for row in rows}) == 20


def test_withdrawing_keeps_the_rows_of_a_resident_findable(store: Store, log: AuditLog) -> None:
    ada = residents.add(store, "Ada")
    year = CLOCK.now() + timedelta(days=365)
    consent.record(store, ada.id, purpose="entry", given_by="Ada", until=year, operator="op")

    def record() -> None:
        log.append("withdraw", actor="uid 1", role="maintainer", resident_id=ada.id)

    consent.withdraw(store, ada.id, record=record)
    assert [row.verb for row in about(store, ada)] == ["withdraw"]


def test_receipts_and_checkpoints_are_signed_by_one_key_that_outlives_the_stores(tmp_path: Path, written: Path) -> None:
    path = tmp_path / "edge-gate.db"
    shutil.copy(written, path)
    shutil.copy(keyring_path(written), keyring_path(path))
    place = [KEY]
    rotate(path, lambda: place[-1], place.append)
    assert place[-1] != KEY
    with Store.open(path, place[-1], CLOCK) as store:
        log = AuditLog(store, store.keyring.signer())
        assert log.public_key == audit_log.checkpoints(store)[0].key
        log.append("pause", actor="uid 1000", role="maintainer")
        log.checkpoint()
        assert found(store) == []
        receipt = check(receipts.write(RECEIPT, store.keyring.signer(), "en"))
        assert base64.b64decode(receipt.public_key) == log.public_key


def test_another_signing_key_counts_from_the_start_at_which_the_gate_announced_it(store: Store, log: AuditLog) -> None:
    other = AuditLog(store, Ed25519PrivateKey.generate())
    other.append(NEW_KEYRING, actor="gate", role="gate", detail={"device_key": other.public_key.hex()})
    other.checkpoint()
    assert found(store) == []
    assert examined(store).keys == [(1, log.public_key.hex()), (101, other.public_key.hex())]
    log.append("pause", actor="uid 1000", role="maintainer")
    log.checkpoint()  # by the key of before, which is not announced any more
    assert found(store) == [102, 103]


def test_the_first_row_is_chained_to_nothing(store: Store, log: AuditLog) -> None:
    assert row_of(store, 1).previous == GENESIS


# --- a log that was begun when its key was derived from the store's ------------------------------------------------


def derived(store_key: bytes) -> Ed25519PrivateKey:
    """The key of logs before: HKDF with nothing but HMAC-SHA256 (RFC 5869)."""
    extracted = hmac.digest(bytes(32), store_key, "sha256")
    return Ed25519PrivateKey.from_private_bytes(
        hmac.digest(extracted, b"edge-gate device signing key v1\x01", "sha256")
    )


@pytest.fixture
def continued(tmp_path: Path) -> Iterator[Store]:
    """That log, and after it a start, two acts and a checkpoint of today."""
    path = tmp_path / "edge-gate.db"
    for source, copy in ((BEFORE, path), (keyring_path(BEFORE), keyring_path(path))):
        shutil.copyfile(source, copy)
        copy.chmod(0o600)
    with Store.open(path, KEY, CLOCK) as store:
        log = AuditLog(store, store.keyring.signer())
        log.append(STARTED, actor="gate", role="gate", detail={"device_key": log.public_key.hex()})
        for verb in ("pause", "resume"):
            log.append(verb, actor="uid 1000", role="maintainer")
        log.checkpoint()
        yield store


def test_a_log_is_whole_over_the_change_of_its_key(continued: Store) -> None:
    seen = examined(continued)
    assert (seen.last, seen.vouched, seen.findings) == (83, 83, [])
    old, new = derived(KEY).public_key().public_bytes_raw(), continued.keyring.signer().public_key().public_bytes_raw()
    assert seen.keys == [(1, old.hex()), (81, new.hex())]
    assert {each.key for each in audit_log.checkpoints(continued)} == {old, new}
    assert found(continued, Checkpoint.parse(KEPT_BEFORE)) == []


@pytest.mark.parametrize("row", [1, 40, 63, 70, 78, 80, 81, 83])
def test_an_edit_before_or_after_the_change_of_key_is_found(continued: Store, row: int) -> None:
    rewrite_from(continued, replace(row_of(continued, row), actor="uid 7"))
    signed = {each.seq for each in audit_log.checkpoints(continued)} | {83}
    assert found(continued)[0] == min(seq for seq in signed if seq >= row)
    assert found(continued, Checkpoint.parse(KEPT_BEFORE)) == found(continued)


def test_neither_key_vouches_for_rows_of_the_others_time(continued: Store) -> None:
    for seq, key in ((64, continued.keyring.signer()), (83, derived(KEY))):
        (old,) = audit_log.checkpoints(continued, first=seq, limit=1)
        fresh = replace(old, key=key.public_key().public_bytes_raw()).signed(key)
        continued.run("DELETE FROM audit_checkpoint WHERE seq = ?", (seq,))
        continued.insert("audit_checkpoint", {name: getattr(fresh, name) for name in Checkpoint.__slots__})
    assert found(continued) == [64, 83]


def test_a_log_whose_key_is_not_the_one_that_receipts_have_is_found(continued: Store) -> None:
    rows, signed = audit_log.rows(continued, limit=1000), audit_log.checkpoints(continued, limit=1000)
    known = continued.keyring.signer().public_key().public_bytes_raw()
    end = log_end.end(continued)
    assert examine(rows, signed, end, key=known).findings == []
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert [each.seq for each in examine(rows, signed, end, key=other).findings] == [81]
    assert [each.seq for each in examine([], [], None, key=known).findings] == [1]
