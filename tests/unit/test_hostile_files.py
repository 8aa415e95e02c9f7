# SPDX-License-Identifier: Apache-2.0
"""Files that somebody else may have written: configuration, cards, keyring, a pending key change, sealed rows, receipts
and whole databases, also by who has the key. Each is read, or refused with a message.

What fuzzing found (tests/fuzz) stands here as plain tests.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shamir_mnemonic import generate_mnemonics

from edge_gate.cli.keys import command as commands
from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import (
    CardError,
    ConfigError,
    EdgeGateError,
    KeyringDamaged,
    ReceiptInvalid,
    StoreCorrupt,
    StoreError,
    WrongKey,
)
from edge_gate.core.toml_text import LONGEST_BYTES
from edge_gate.documents import receipt
from edge_gate.provenance import cards
from edge_gate.settings import config
from edge_gate.settings.config import ModelSettings
from edge_gate.store import connection, events
from edge_gate.store.audit import log as audit_log
from edge_gate.store.database import Store
from edge_gate.store.keys import pending, sealing
from edge_gate.store.keys.keyring import MAGIC, Keyring, keyring_path
from edge_gate.store.keys.pending import Change, pending_path
from edge_gate.store.people import residents, traces
from edge_gate.store.templates import templates
from tests.support.peers import write_model
from tests.support.signing import own_key

KEY = bytes(range(32))
WHO = str(uuid.UUID(int=7))
often = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 3000,
        "[site]\nname" + ".a" * 190 + ".a" * 3000 + " = 1",
        "a = 1" + "0" * 5000,
        "[decision]\nfmr = 1" + "0" * 400,
        "[decision]\nfmr = -1" + "0" * 400,
        "unknown = 1\n[" + " " * 10_000 + "x",
        "# [" + " " * 20_000 + "\nunknown = 1",
        '[store]\npath = "\\u0000"',
        '[site]\nname = "\\u0000"',
        "# " + "x" * LONGEST_BYTES,
        "a" + ".a" * 30_000 + " = 1",
    ],
    ids=lambda text: f"{len(text)} characters: {text[:24]!r}",
)
def test_a_configuration_that_is_too_much_is_refused_at_once(tmp_path: Path, text: str) -> None:
    """Each of these was an exception of another kind, or took from seconds to hours."""
    file = tmp_path / "edge-gate.toml"
    file.write_text(text)
    began = time.monotonic()
    with pytest.raises(ConfigError):
        config.load(file)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[input]", "deep = " + "[" * 3000 + "\n[input]"),
        ("[input]", "more = 1" + "0" * 5000 + "\n[input]"),
        ("threshold = 0.5", "threshold = 1" + "0" * 400),
        ('file = "test-eyes.tflite"', 'file = "\\u0000"'),
        ("shape = [1, 128]", 'shape = ["a"]'),
        ("shape = [1, 128]", "shape = []"),
        ("shape = [1, 128]", "shape = 128"),
        ("[input]", "# " + "x" * LONGEST_BYTES + "\n[input]"),
    ],
)
def test_a_card_that_is_too_much_is_refused_with_a_message(tmp_path: Path, old: str, new: str) -> None:
    write_model(tmp_path)
    (tmp_path / "test-eyes.toml.minisig").unlink()
    card = tmp_path / "test-eyes.toml"
    lenient = ModelSettings(folder=tmp_path, allow_unsigned=("test-eyes",))
    assert cards.read(lenient, "test-eyes").waived, "the control"
    assert old in card.read_text()
    card.write_text(card.read_text().replace(old, new, 1))
    with pytest.raises(CardError):
        cards.read(lenient, "test-eyes")


def endless(place: Path, kind: str) -> None:
    """Put what never ends, or for which one would wait, in the place of a file."""
    place.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "enormous":
        with place.open("wb") as file:
            file.truncate(1 << 40)
    else:
        place.symlink_to(kind)


def raised(folder: Path, name: str) -> type[Exception]:
    """Read what has this name, which a user can put there, by what reads it; return what comes of it."""
    models = ModelSettings(folder=folder, trusted_keys=(own_key(),))
    readers: dict[str, Callable[[], object]] = {
        "edge-gate.toml": lambda: config.load(folder / name),
        "test-eyes.toml": lambda: cards.read(models, "test-eyes"),
        "test-eyes.toml.minisig": lambda: cards.read(models, "test-eyes"),
        "ring": lambda: Keyring.open(folder / name, KEY),
        "a.db.rotation": lambda: pending.read(folder / "a.db", KEY),
        "receipt.txt": lambda: receipt.read(folder / name),
    }
    with pytest.raises(EdgeGateError) as error:
        readers[name]()
    return error.type


READ = ("edge-gate.toml", "test-eyes.toml", "test-eyes.toml.minisig", "ring", "receipt.txt")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "/dev/zero", "/dev/tty", "enormous"])
@pytest.mark.parametrize("name", READ)
def test_nothing_waits_for_a_pipe_or_reads_what_has_no_end(tmp_path: Path, name: str, kind: str) -> None:
    write_model(tmp_path)
    endless(tmp_path / name, kind)
    assert issubclass(raised(tmp_path, name), EdgeGateError)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *itertools.product(["test-eyes.tflite", "a.db.rotation"], ["pipe", "/dev/zero"]),
        ("test-eyes.tflite", "enormous"),  # a key change of another length than it must have is none of ours
    ],
)
def test_nor_in_a_models_place_or_a_key_changes(tmp_path: Path, name: str, kind: str) -> None:
    write_model(tmp_path)
    endless(tmp_path / name, kind)
    raised(tmp_path, "test-eyes.toml" if name == "test-eyes.tflite" else name)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("words", [("config", "check"), ("status",), ("doctor",), ("models", "verify")])
def test_no_command_waits_for_a_pipe_in_the_configurations_place(tmp_path: Path, words: tuple[str, ...]) -> None:
    endless(tmp_path / "edge-gate.toml", "pipe")
    command = [sys.executable, "-P", "-m", "edge_gate", *words, "--config", str(tmp_path / "edge-gate.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0 and "it is no file" in done.stdout + done.stderr


def sealed_ring(path: Path, plain: bytes) -> Path:
    path.write_bytes(MAGIC + sealing.encrypt(sealing.derive(KEY, "keyring 1"), plain, MAGIC))
    return path


@pytest.mark.parametrize("plain", [b"", bytes(31), bytes(40), bytes(44), bytes(40) + b"\xff" * 4, bytes(48) + b"x"])
def test_a_keyring_that_does_not_hold_what_it_counts_is_damaged_though_the_key_opens_it(
    tmp_path: Path, plain: bytes
) -> None:
    with pytest.raises(KeyringDamaged):
        Keyring.open(sealed_ring(tmp_path / "ring", plain), KEY)
    assert Keyring.open(sealed_ring(tmp_path / "ring", bytes(48)), KEY).counts() == (0, 0)


@often
@given(at=st.integers(0, 200), change=st.binary(max_size=20), cut=st.booleans())
def test_a_changed_keyring_opens_as_it_was_or_not_at_all(tmp_path: Path, at: int, change: bytes, cut: bool) -> None:
    path = tmp_path / "ring"
    path.unlink(missing_ok=True)
    Keyring.create(path, KEY).ensure([WHO])
    whole = path.read_bytes()
    changed = whole[:at] + change + (b"" if cut else whole[at + len(change) :])
    path.write_bytes(changed)
    if changed == whole:
        assert Keyring.open(path, KEY).data_key(WHO)
        return
    with pytest.raises(KeyringDamaged):
        Keyring.open(path, KEY)


@often
@given(at=st.integers(0, 130), change=st.binary(max_size=20), cut=st.booleans())
def test_a_changed_pending_key_change_gives_the_right_keys_or_none(
    tmp_path: Path, at: int, change: bytes, cut: bool
) -> None:
    path = tmp_path / "edge-gate.db"
    pending_path(path).unlink(missing_ok=True)
    path.touch()
    begun = Change(KEY, bytes(32))
    pending.write(path, begun)
    whole = pending_path(path).read_bytes()
    pending_path(path).write_bytes(whole[:at] + change + (b"" if cut else whole[at + len(change) :]))
    for key in (begun.old, begun.new):
        assert pending.read(path, key) in (begun, None)


def test_a_folder_in_the_place_of_a_pending_key_change_is_a_fault_of_the_store(tmp_path: Path) -> None:
    pending_path(tmp_path / "edge-gate.db").mkdir()
    with pytest.raises(StoreError):
        pending.read(tmp_path / "edge-gate.db", KEY)


@often
@given(
    at=st.integers(0, 100), change=st.binary(max_size=20), cut=st.booleans(), version=st.sampled_from([b"\1", b"\2"])
)
def test_a_changed_sealed_row_does_not_open(at: int, change: bytes, cut: bool, version: bytes) -> None:
    row = sealing.seal_row(KEY, "template", WHO, b"model-01", bytes(66))
    changed = row[:at] + change + (b"" if cut else row[at + len(change) :])
    if changed == row and version == sealing.CODE:
        return
    with pytest.raises(sealing.DoesNotOpen):
        sealing.open_row(KEY, "template", WHO, b"model-01", changed, version)


def recovered(folder: Path, shares: list[str]) -> int:
    (folder / "edge-gate.toml").write_text('[store]\npath = "none.db"\n')
    arguments = ["recover", str(folder / "key"), "--config", str(folder / "edge-gate.toml")]
    done = CliRunner().invoke(commands.command, arguments, input="".join(f"{each}\n" for each in shares))
    return getattr(done.exception, "exit_code", 0 if done.exception is None else 1)


def test_shares_of_another_secret_and_shares_that_take_hours_give_no_key_file(tmp_path: Path) -> None:
    ((*short,),) = generate_mnemonics(1, [(1, 1)], bytes(16))
    assert recovered(tmp_path, short) == 105 and not (tmp_path / "key").exists()
    from shamir_mnemonic.share import Share

    ((*good,),) = generate_mnemonics(1, [(1, 1)], KEY)
    share = Share.from_mnemonic(good[0])
    slow = Share(**{name: getattr(share, name) for name in share.__dataclass_fields__} | {"iteration_exponent": 15})
    began = time.monotonic()
    assert recovered(tmp_path, [slow.mnemonic()]) == 1 and not (tmp_path / "key").exists()
    assert time.monotonic() - began < 5
    assert recovered(tmp_path, good) == 0 and (tmp_path / "key").read_text() == f"{KEY.hex()}\n"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"x" * 100_000, os.urandom(300)])
def test_a_file_that_is_no_receipt_is_refused_with_a_message(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "receipt").write_bytes(content)
    with pytest.raises(ReceiptInvalid):
        receipt.read(tmp_path / "receipt")
    with pytest.raises(ReceiptInvalid):
        receipt.read(tmp_path)


def test_a_receipt_that_somebody_signed_themselves_cannot_write_on_the_terminal() -> None:
    key = Ed25519PrivateKey.generate()
    given_ = receipt.Receipt(
        "Gate", WHO, datetime(2026, 3, 1, tzinfo=UTC), {"consents": 1, "templates": 1, "events": 1}, False
    )
    lines = receipt.write(given_, key, "en").splitlines()[:-1]
    lines = [f"{line}\x1b[2J" if line.startswith("when: ") else line for line in lines]
    text = "".join(f"{line}\n" for line in lines)
    with pytest.raises(ReceiptInvalid, match="cannot be shown"):
        receipt.check(f"{text}signature: {base64.b64encode(key.sign(text.encode())).decode()}\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a resident, an event and an audit row."""
    path = tmp_path_factory.mktemp("made") / "edge-gate.db"
    with Store.create(path, KEY, SystemClock()) as store:
        who = residents.add(store, "Ann")
        event = events.append(store, "opened", awaited=True, resident_id=who.id)
        events.finish(store, event.id, "confirmed")
    return path


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(made.parent, tmp_path / "copy")
    yield tmp_path / "copy" / made.name


def changed(path: Path, *statements: str) -> None:
    with closing(connection.connect(path, KEY, "rw")) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        for each in statements:
            database.execute(each)


def read(path: Path) -> None:
    """Read all that there is to read."""
    with Store.open(path, KEY, SystemClock()) as store:
        residents.everyone(store, b"model-01", store.now())
        residents.everyone_known(store)
        events.recent(store)
        templates.unreadable(store)
        audit_log.rows(store)


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM audit; END"],
        ["DROP TABLE consent", "CREATE VIEW consent AS SELECT 1 AS id"],
        ["DROP TABLE audit", "CREATE VIEW audit AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
         " SELECT i AS seq, 'policy' AS verb FROM n"],
        ["ALTER TABLE resident ADD COLUMN more TEXT"],
        ["DROP TABLE resident", "CREATE TABLE resident(id, name, created_at)"],
        ["DROP TABLE template_key"],
    ],
)  # fmt: skip
def test_a_database_with_tables_that_are_not_ours_is_not_opened_though_the_key_fits(
    copy: Path, statements: list[str]
) -> None:
    read(copy)
    changed(copy, *statements)
    with pytest.raises(StoreCorrupt):
        Store.open(copy, KEY, SystemClock())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE resident SET created_at = 'x'",
        "UPDATE resident SET created_at = '9999-12-31T23:59:59.999-23:59x'",
        "UPDATE event SET detail = 'x'",
        "UPDATE event SET detail = '1'",
        "UPDATE event SET at = ''",
        "INSERT INTO template VALUES ('nobody', x'00', 1, x'02', '2026')",
        "INSERT INTO consent VALUES ('c', (SELECT id FROM resident), '', '', 'x', '', '', NULL)",
    ],
)
def test_a_row_that_was_not_written_by_us_is_a_damaged_store_and_no_other_exception(copy: Path, statement: str) -> None:
    changed(copy, statement)
    with pytest.raises(StoreCorrupt):
        read(copy)


def test_tables_that_share_their_pages_are_no_store_of_ours(copy: Path) -> None:
    changed(
        copy,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'consent')"
        " WHERE name = 'template_key'",
    )
    with pytest.raises(StoreCorrupt, match="share their pages"):
        Store.open(copy, KEY, SystemClock())


def with_schema(name: str, old: str, new: str) -> tuple[str, ...]:
    """Return what changes the statement of a table, in the way of somebody who has the key."""
    change = f"UPDATE sqlite_master SET sql = replace(sql, '{old}', '{new}') WHERE name = '{name}'"
    return "PRAGMA writable_schema = ON", change


@pytest.mark.parametrize(
    "statements",
    [
        ("CREATE UNIQUE INDEX mine ON event(kind)",),
        ("CREATE INDEX mine ON event(length(detail))",),
        ("DROP INDEX event_kind", "CREATE INDEX event_kind ON event(at)"),
        ("DROP INDEX outcome_awaited",),
        with_schema("event", "kind TEXT NOT NULL", "kind TEXT NOT NULL ON CONFLICT IGNORE"),
        with_schema("event", "detail TEXT NOT NULL", "detail TEXT NOT NULL CHECK (length(detail) < 9)"),
        with_schema("event", "resident_id TEXT", "resident_id TEXT DEFAULT (hex(randomblob(9)))"),
        with_schema("outcome", "REFERENCES event(seq)", ""),
        with_schema("consent", "REFERENCES resident(id)", "REFERENCES resident(id) ON DELETE CASCADE"),
        with_schema("audit", "STRICT", ""),
    ],
)
def test_tables_and_indexes_with_other_rules_than_ours_are_no_store_of_ours(
    copy: Path, statements: tuple[str, ...]
) -> None:
    changed(copy, *statements)
    with pytest.raises(StoreCorrupt, match="not as edge-gate makes it"):
        Store.open(copy, KEY, SystemClock())


def test_a_reference_to_nobody_is_found_by_the_check_and_keeps_nobody_from_being_forgotten(copy: Path) -> None:
    changed(copy, "INSERT INTO audit_subject VALUES ('nobody', x'00')")
    with Store.open(copy, KEY, SystemClock()) as store:
        assert not residents.forget(store, "Ann").traces_left
        assert [each for each in store.check() if "foreign_key_check" in each and "audit_subject" in each]


@often
@given(at=st.integers(0, 200_000), change=st.binary(max_size=40), cut=st.booleans())
def test_a_database_whose_bytes_were_changed_is_opened_or_refused_and_a_search_says_what_it_could_not_read(
    made: Path, tmp_path: Path, at: int, change: bytes, cut: bool
) -> None:
    folder = tmp_path / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made.parent, folder)
    path = folder / made.name
    whole = path.read_bytes()
    at %= len(whole)
    path.write_bytes(whole[:at] + change + (b"" if cut else whole[at + len(change) :]))
    with contextlib.suppress(EdgeGateError):
        read(path)
    path.write_bytes(whole[:at] + change + (b"" if cut else whole[at + len(change) :]))
    with contextlib.suppress(StoreCorrupt, WrongKey):
        found = traces.search(path, KEY, traces.words_for("Ann"))
        assert found.unread or path.read_bytes() in (whole, whole[: len(path.read_bytes())])


def test_a_search_in_what_is_no_file_or_for_what_is_no_unicode_says_so(made: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        traces.search(tmp_path, KEY, traces.words_for("Ann"))
    assert traces.search(made, KEY, traces.words_for("caf\udce9")).clean
    assert not traces.search(made, KEY, traces.words_for("Ann")).clean
    assert keyring_path(made).exists()
