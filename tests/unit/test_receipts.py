# SPDX-License-Identifier: Apache-2.0
"""A receipt survives paper and mail but no change; and a search finds what a receipt says is gone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import ReceiptInvalid, WrongKey
from edge_gate.core.exit_codes import ExitCode
from edge_gate.core.time_zones import named_zone
from edge_gate.documents.receipt import Kind, Receipt, check, public_key_text, write
from edge_gate.settings import config
from edge_gate.store import events
from edge_gate.store.audit.chain import STARTED
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.keys.keyring import Keyring, keyring_path
from edge_gate.store.keys.source import load_key
from edge_gate.store.people import consent, residents
from edge_gate.store.people.traces import search, words_for
from edge_gate.tools.trial import make_site
from tests.support.stores import FIGURES, RECEIPT, enrol

# Written by the code of before the receipt's words stood at their tables. In "many" the sentence on old pages is newer.
KEPT = Path(__file__).parent / "data" / "receipts"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_receipt_says_what_was_removed_and_is_signed(language: str, kind: Kind) -> None:
    page = write(replace(RECEIPT, kind=kind, figures=FIGURES | {"consents": 31}), SIGNER, language)
    said = check(page)
    assert said.kind is kind and page.startswith(f"{kind.value}\n")
    assert said.resident_id == RECEIPT.resident_id
    assert said.when == "2026-03-01T00:00:00.000Z"
    assert said.public_key == public_key_text(SIGNER.public_key())
    assert "北门 North" in page and "31" in page
    assert all(len(line) <= 99 for line in page.splitlines()), "too wide for a terminal or a printer"


@pytest.mark.parametrize("name", sorted(each.stem for each in KEPT.glob("*.txt")))
def test_a_receipt_reads_as_one_of_before_did_to_the_last_byte(name: str) -> None:
    kind, figures, language = name.split("-")
    many = {"consents": 1200, "templates": 340, "events": 5_678_901}
    of_before = KEPT.joinpath(f"{name}.txt").read_bytes()
    receipt = replace(RECEIPT, kind=Kind[kind.upper()])
    if figures == "many":
        receipt = replace(receipt, figures=many, traces_left=True)
    assert write(receipt, SIGNER, language).encode() == of_before
    assert check(of_before.decode()).kind is Kind[kind.upper()]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    ("zone", "language", "says"),
    [
        ("Asia/Shanghai", "zh", "办理时间：2026-03-01 08:00:00（Asia/Shanghai）。"),
        ("America/New_York", "en", "This was done on 2026-02-28 19:00:00 (America/New_York)."),
        ("Asia/Kathmandu", "en", "This was done on 2026-03-01 05:45:00 (Asia/Kathmandu)."),
    ],
)
def test_a_receipt_says_when_at_the_site_and_for_programs_in_utc(
    kind: Kind, zone: str, language: str, says: str
) -> None:
    page = write(replace(RECEIPT, kind=kind), SIGNER, language, local=named_zone(zone))
    assert says in page.splitlines() and "when: 2026-03-01T00:00:00.000Z" in page.splitlines()
    assert check(page).when == "2026-03-01T00:00:00.000Z"
    with pytest.raises(ReceiptInvalid, match="does not fit"):
        check(page.replace(":00:00", ":01:00", 1).replace(":45:00", ":46:00", 1))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_receipt_after_an_attempt_that_was_cut_off_counts_no_more_than_it_knows(language: str) -> None:
    page = write(replace(RECEIPT, at_least=True), SIGNER, language)
    assert f"≥ {FIGURES['events']}" in page and f"≥ {FIGURES['templates']}" not in page
    assert check(page).kind is Kind.FORGETTING


def test_receipts_of_before_are_kept_in_each_kind_and_language() -> None:
    assert len(list(KEPT.glob("*.txt"))) == 8


def test_a_receipt_of_one_kind_is_not_taken_for_the_other() -> None:
    page = write(replace(RECEIPT, kind=Kind.WITHDRAWAL), SIGNER, "en")
    with pytest.raises(ReceiptInvalid, match="does not fit"):
        check(page.replace(Kind.WITHDRAWAL, Kind.FORGETTING))
    with pytest.raises(ReceiptInvalid):
        check(page.replace(Kind.WITHDRAWAL, "EDGE-GATE RECEIPT OF A PAYMENT 1"))


@pytest.mark.parametrize("kind", Kind)
def test_a_receipt_survives_a_mail_but_no_change(kind: Kind) -> None:
    page = write(replace(RECEIPT, kind=kind), SIGNER, "en")
    assert check("\n\n" + page.replace("\n", "  \r\n") + "\n").resident_id == RECEIPT.resident_id
    lines = page.splitlines()
    for number, line in enumerate(lines):
        changed = [*lines[:number], line.replace(line[-5], "#"), *lines[number + 1 :]]
        with pytest.raises(ReceiptInvalid):
            check("\n".join(changed))
        with pytest.raises(ReceiptInvalid):
            check("\n".join(lines[:number] + lines[number + 1 :]))
    other = write(RECEIPT, Ed25519PrivateKey.generate(), "en")
    with pytest.raises(ReceiptInvalid):
        check("\n".join([*lines[:-1], other.splitlines()[-1]]))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("before", "after"), [("Give them this:\n\n", ""), ("", "\nKeep it well.\n"), ("x\n", "y")])
def test_what_stands_around_a_receipt_is_named_with_the_remedy(kind: Kind, before: str, after: str) -> None:
    page = write(replace(RECEIPT, kind=kind), SIGNER, "en")
    with pytest.raises(ReceiptInvalid, match=r"before or after the receipt\. Keep its lines alone") as refused:
        check(before + page + after)
    assert "Give them" not in str(refused.value), "it may have a name"


@pytest.fixture
def site(tmp_path: Path) -> config.Config:
    return config.load(make_site(tmp_path / "site", {}))


def opened(site: config.Config) -> Store:
    return Store.open(site.store.path, load_key(site.store, {}), SystemClock())


def verify(site: config.Config, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "edge_gate.cli",
        "forget",
        "--config",
        str(site.store.path.with_name("edge-gate.toml")),
    ]
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def test_the_search_finds_a_person_who_is_there_and_nothing_of_one_who_is_forgotten(
    site: config.Config, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    with opened(site) as store:
        ada, _ = enrol(store, "Ada-Lovelace", 1)
        enrol(store, "Bob", 2)
        events.append(store, "opened", resident_id=ada.id)
        store.empty_log()
        shutil.copy(store.path, backup)
        there = verify(site, "--search", "Ada-Lovelace", "--search", ada.id)
        assert there.returncode == 1
        assert "Ada-Lovelace: FOUND" in there.stdout and "A KEY IS THERE" in there.stdout
        of_a_copy = verify(site, "--search", "Ada-Lovelace", "--backup", backup).stdout
        (copied,) = [line for line in of_a_copy.splitlines() if line.startswith(f"{backup}: ")]
        (own,) = [line for line in of_a_copy.splitlines() if line.startswith(f"{site.store.path}: ")]
        assert copied.endswith("; no log lay beside it") and own.endswith("; with its log"), "what is open has one"
        removed = residents.forget(store, ada.id)
        receipt = Receipt("gate", ada.id, store.now(), removed.figures, False)
        page = tmp_path / "receipt.txt"
        page.write_text(write(receipt, store.keyring.signer(), "zh"), encoding="utf-8")
        gone = verify(site, "--search", "Ada-Lovelace", "--verify", page)
        told = json.loads(verify(site, "--search", "Ada-Lovelace", "--verify", page, "--json").stdout)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert f"Verified: what {page} says of {ada.id} holds" in gone.stdout and "a tombstone" in gone.stdout
    assert "this gate's key signed it" in gone.stdout
    assert "Not found: Ada-Lovelace. Whether that ever was anybody's name here cannot be told" in gone.stdout
    assert "table resident: 1 rows looked at" in gone.stdout and "Not looked at: copies of the store" in gone.stdout
    assert told["found"] is False and told["words"] == ["Ada-Lovelace", ada.id] and told["files"][0]["pages"] > 10
    assert told["keyring"] == {"keys": 1, "tombstones": 1, "of": {ada.id: {"key": False, "tombstone": True}}}
    assert {each["table"]: each["rows"] for each in told["tables"]} == {
        **{"resident": 1, "consent": 1, "template": 1, "event": 1, "audit_subject": 1, "voucher": 1}
    }
    with_backup = verify(site, "--verify", page, "--backup", backup)
    assert with_backup.returncode == 1
    assert f"{backup}: " in with_backup.stdout and "FOUND" in with_backup.stdout
    assert "no copy of the template opens here" in with_backup.stdout


def test_a_forgetting_that_left_the_key_is_found_by_the_search(
    site: config.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Keyring, "destroy", lambda *_, **__: True)
    with opened(site) as store:
        ada, _ = enrol(store, "Ada-Lovelace", 1)
        residents.forget(store, ada.id)
    found = verify(site, "--search", ada.id)
    assert found.returncode == 1
    assert "A KEY IS THERE" in found.stdout and "NOT CLEAN" in found.stdout


def test_a_forgetting_that_left_pages_in_the_log_is_found_by_the_search(site: config.Config) -> None:
    with opened(site) as store:
        ada, _ = enrol(store, "Ada-Lovelace", 1)
        with store.transaction():
            for table in ("voucher", "audit_subject", "template", "consent", "resident"):
                column = "id" if table == "resident" else "resident_id"
                store.run(f"DELETE FROM {table} WHERE {column} = ?", (ada.id,))
        store.keyring.destroy(ada.id, forgotten=True)
        found = search(store.path, load_key(site.store, {}), words_for("Ada-Lovelace"))
    assert not found.clean and found.hits["Ada-Lovelace"] >= 1


def test_a_search_with_another_key_says_so(site: config.Config) -> None:
    with pytest.raises(WrongKey):
        search(site.store.path, bytes(32), words_for("Ada"))


def test_a_receipt_that_was_changed_is_refused_by_the_search(site: config.Config, tmp_path: Path) -> None:
    page = tmp_path / "receipt.txt"
    page.write_text(write(RECEIPT, SIGNER, "en").replace("31", "32"), encoding="utf-8")
    refused = verify(site, "--verify", page)
    assert refused.returncode == 103 and "was changed" in refused.stderr
    assert str(page) in refused.stderr


def withdrawal(store: Store, resident_id: str, page: Path) -> Path:
    """End a consent as the gate does, and write the receipt."""
    removed = consent.withdraw(store, resident_id)
    receipt = Receipt("gate", resident_id, store.now(), removed.figures, removed.traces_left, Kind.WITHDRAWAL)
    page.write_text(write(receipt, store.keyring.signer(), "zh"), encoding="utf-8")
    return page


def test_the_receipt_of_a_withdrawal_holds_while_name_and_consent_are_there(
    site: config.Config, tmp_path: Path
) -> None:
    with opened(site) as store:
        ada, _ = enrol(store, "Ada-Lovelace", 1)
        page = withdrawal(store, ada.id, tmp_path / "receipt.txt")
        held = verify(site, "--verify", page)
        assert [row["name"] for row in store.rows("SELECT name FROM resident")] == ["Ada-Lovelace"]
    assert held.returncode == 0, held.stdout + held.stderr
    assert f"table template: 0 rows looked at; of {ada.id}, that a withdrawal ends: none" in held.stdout
    assert f"Verified: what {page} says of {ada.id} holds" in held.stdout
    copy = Path(shutil.copy(site.store.path, tmp_path / "backup.db"))
    shown = json.loads(verify(site, "--verify", page, "--backup", copy, "--json").stdout)
    assert shown["found"] is False and shown["files"] == [] and shown["words"] == []
    assert shown["receipts"][0]["of"] == "withdrawal"
    assert [each["table"] for each in shown["tables"]] == ["consent", "template"]
    assert shown["not_looked_at"][0].startswith(f"{copy}: "), "no page was searched, also of what was named"
    with_name = verify(site, "--verify", page, "--search", "Ada-Lovelace")
    assert with_name.returncode == 1 and "Ada-Lovelace: FOUND" in with_name.stdout, "what a withdrawal leaves is there"


def test_a_withdrawal_that_left_the_key_or_the_template_is_found(site: config.Config, tmp_path: Path) -> None:
    with opened(site) as store, pytest.MonkeyPatch.context() as patch:
        ada, _ = enrol(store, "Ada-Lovelace", 1)
        template = store.rows("SELECT * FROM template")[0]
        patch.setattr(Keyring, "destroy", lambda *_, **__: True)
        page = withdrawal(store, ada.id, tmp_path / "receipt.txt")
        found = verify(site, "--verify", page)
        assert found.returncode == 1 and "A KEY IS THERE" in found.stdout
    with opened(site) as store:
        store.keyring.destroy(ada.id, forgotten=False)
        assert verify(site, "--verify", page).returncode == 0
        store.insert("template", template)
        found = verify(site, "--verify", page)
        assert found.returncode == 1 and "ends: 1 ROWS ARE THERE" in found.stdout
    with opened(site) as store, store.transaction():
        store.run("DELETE FROM template")
        store.run("UPDATE consent SET withdrawn_at = NULL")  # as a backup that was put back has it
    assert verify(site, "--verify", page).returncode == 1


def not_verified(said: subprocess.CompletedProcess[str], code: int) -> None:
    assert said.returncode == code, said
    assert not said.stdout and "Verified" not in said.stderr and "Traceback" not in said.stderr
    assert said.stderr.startswith(("edge-gate: ", "Usage: "))


@pytest.mark.parametrize(
    "typed",
    ["recept.txt", "/nowhere/receipt.txt", "", " ", "Ada", "~/receipt.txt", ".", "/dev/null", "x" * 5000,
     "6f1c1e0a-9b1d-4f57-8a53-0c6c1fb5f7aa"],
)  # fmt: skip
def test_what_is_no_receipt_is_never_verified(site: config.Config, typed: str) -> None:
    not_verified(verify(site, "--verify", typed), 2)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"\0" * 100, b"EDGE-GATE RECEIPT OF A FORGETTING 1\n", b"x" * 70_000]
)
def test_a_file_that_is_no_receipt_is_never_verified(site: config.Config, tmp_path: Path, content: bytes) -> None:
    page = tmp_path / "receipt.txt"
    page.write_bytes(content)
    not_verified(verify(site, "--verify", page), ExitCode.RECEIPT_INVALID)
    page.write_text(write(RECEIPT, SIGNER, "en")[:-20], encoding="utf-8")
    not_verified(verify(site, "--verify", page, "--search", "Ada"), ExitCode.RECEIPT_INVALID)


@pytest.mark.parametrize("kind", Kind)
def test_a_receipt_of_another_gate_is_never_verified(site: config.Config, tmp_path: Path, kind: Kind) -> None:
    page = tmp_path / "receipt.txt"
    page.write_text(write(replace(RECEIPT, kind=kind), SIGNER, "en"), encoding="utf-8")
    said = verify(site, "--verify", page, "--search", "Ada", "--json")
    not_verified(said, ExitCode.RECEIPT_INVALID)
    assert "not of this gate" in said.stderr and public_key_text(SIGNER.public_key()) in said.stderr


@pytest.mark.parametrize("typed", ["", " ", "\t"])
def test_nothing_is_not_searched_for(site: config.Config, typed: str) -> None:
    not_verified(verify(site, "--search", typed), 2)
    not_verified(verify(site, "--search", site.store.path), 2)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("Nobody-Had-It", "Whether that ever was anybody's name here cannot be told"),
        ("recept.txt", "Whether that ever was anybody's name here cannot be told"),
        ("6f1c1e0a-9b1d-4f57-8a53-0c6c1fb5f7aa", "The keyring knows no such number"),
        ("6F1C1E0A9B1D4F578A530C6C1FB5F7AA", "The keyring knows no such number"),
    ],
)
def test_a_word_that_is_not_found_is_not_called_verified(site: config.Config, word: str, says: str) -> None:
    said = verify(site, "--search", word)
    assert said.returncode == 0 and "Verified" not in said.stdout
    assert f"Not found: {word}. {says}" in said.stdout
    assert f"{site.store.path}: " in said.stdout and f"  {word}: on none of them" in said.stdout


def test_a_keyring_of_before_the_forgetting_is_found_by_its_missing_tombstone(
    site: config.Config, tmp_path: Path
) -> None:
    page, keyring = tmp_path / "receipt.txt", keyring_path(site.store.path)
    before = keyring.read_bytes()
    with opened(site) as store:
        ada, _ = enrol(store, "Ada-Lovelace", 1)
        removed = residents.forget(store, ada.id)
        receipt = Receipt("gate", ada.id, store.now(), removed.figures, False)
        page.write_text(write(receipt, store.keyring.signer(), "en"), encoding="utf-8")
        assert verify(site, "--verify", page).returncode == 0
    keyring.write_bytes(before)
    said = verify(site, "--verify", page)
    assert said.returncode == 1 and f"NO TOMBSTONE of {ada.id}" in said.stdout and "Verified" not in said.stdout


def test_a_receipt_of_before_the_keyring_was_begun_anew_is_this_gates(site: config.Config, tmp_path: Path) -> None:
    page = tmp_path / "receipt.txt"
    with opened(site) as store:
        log = AuditLog(store, store.keyring.signer())
        log.append(STARTED, actor="gate", role="gate", detail={"device_key": log.public_key.hex()})
        ada, _ = enrol(store, "Ada-Lovelace", 1)
        removed = residents.forget(store, ada.id)
        receipt = Receipt("gate", ada.id, store.now(), removed.figures, False)
        page.write_text(write(receipt, store.keyring.signer(), "en"), encoding="utf-8")
    keyring_path(site.store.path).unlink()
    Keyring.create(keyring_path(site.store.path), load_key(site.store, {}))
    said = verify(site, "--verify", page)
    assert said.returncode == 0 and "an earlier key of this gate signed it" in said.stdout
