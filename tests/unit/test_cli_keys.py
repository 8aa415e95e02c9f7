# SPDX-License-Identifier: Apache-2.0
"""`edge-gate keys` as an owner types it: whole processes on a real store."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from edge_gate.cli.keys.place import LIMITS, find, sealed_with
from edge_gate.core.clock import SystemClock
from edge_gate.settings import config
from edge_gate.store.audit import log as audit_log
from edge_gate.store.database import Store
from edge_gate.store.keys.keyring import keyring_path
from edge_gate.store.keys.source import load_key
from edge_gate.store.lock import sole_use
from edge_gate.tools.trial import make_site
from tests.support.screens import show
from tests.support.stores import enrol, names_in_the_gallery


@pytest.fixture
def site(tmp_path: Path) -> config.Config:
    return config.load(make_site(tmp_path / "site", {}))


def opened(site: config.Config) -> Store:
    return Store.open(site.store.path, load_key(site.store, {}), SystemClock())


def keys(site: config.Config, *arguments: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    file = site.store.path.with_name("edge-gate.toml")
    command = [sys.executable, "-m", "edge_gate.cli", "keys", *map(str, arguments), "--config", str(file)]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=120, check=False)


def test_the_key_is_changed_while_the_gate_is_stopped_and_not_while_it_runs(site: config.Config) -> None:
    with opened(site) as store:
        enrol(store, "Ada", 1)
    before = load_key(site.store, {})
    with sole_use(site.store.path):
        refused = keys(site, "rotate")
    assert refused.returncode == 73 and load_key(site.store, {}) == before
    changed = keys(site, "rotate")
    assert changed.returncode == 0, changed.stderr
    assert load_key(site.store, {}) != before
    assert site.store.key_file.stat().st_mode & 0o777 == 0o600
    with opened(site) as store:
        assert names_in_the_gallery(store) == {"Ada"}
    said = keys(site, "status").stdout
    assert "key file" in said and LIMITS["key file"] in said and re.search(r"residents' keys +1\n", said)


def test_any_two_of_three_shares_give_the_key_back_and_one_does_not(site: config.Config, tmp_path: Path) -> None:
    printed = keys(site, "escrow", "--shares", "3", "--needed", "2")
    assert printed.returncode == 0, printed.stderr
    shares = [" ".join(part.split("\n", 1)[1].split()) for part in printed.stdout.strip().split("\n\n")]
    assert len(shares) == 3 and all(len(share.split()) == 2 * 33 for share in shares)
    assert load_key(site.store, {}).hex() not in printed.stdout
    with opened(site) as store:
        assert [(row.verb, row.said["shares"]) for row in audit_log.rows(store)] == [("keys-escrow", 3)]
    for number, pair in enumerate(combinations(shares, 2)):
        file = tmp_path / f"{number}.key"
        done = keys(site, "recover", file, typed="\n".join(["no such share", *pair]) + "\n")
        assert done.returncode == 0, done.stderr
        assert f"It opens {site.store.path}" in done.stdout
        assert bytes.fromhex(file.read_text()) == load_key(site.store, {})
        assert file.stat().st_mode & 0o777 == 0o600
    one = keys(site, "recover", tmp_path / "one.key", typed=f"{shares[0]}\n")
    same = keys(site, "recover", tmp_path / "same.key", typed=f"{shares[0]}\n{shares[0]}\n")
    assert one.returncode != 0 and same.returncode == 105, same.stderr
    assert not (tmp_path / "one.key").exists() and not (tmp_path / "same.key").exists()
    assert keys(site, "recover", tmp_path / "0.key").returncode == 12


@pytest.mark.parametrize("width", [20, 80])
def test_no_terminal_parts_a_shares_words_from_their_numbers(site: config.Config, width: int) -> None:
    file = site.store.path.with_name("edge-gate.toml")
    asked = ["keys", "escrow", "--shares", "2", "--needed", "2", "--config", str(file)]
    shown = show(asked, width=width).out.splitlines()
    words = [line for line in shown if re.match(r" +\d", line)]
    assert all(re.fullmatch(r" (\s+\d+ [a-z]+)+", line) for line in words), words
    assert sum(len(line.split()) for line in words) == 2 * 2 * 33
    assert all(len(line) <= 80 for line in words)


def test_shares_of_an_old_key_say_that_they_do_not_open_the_store(site: config.Config, tmp_path: Path) -> None:
    printed = keys(site, "escrow", "--shares", "2", "--needed", "2").stdout
    shares = [" ".join(part.split("\n", 1)[1].split()) for part in printed.strip().split("\n\n")]
    assert keys(site, "rotate").returncode == 0
    assert "does NOT open" in keys(site, "recover", tmp_path / "old.key", typed="\n".join(shares) + "\n").stdout


def test_a_lost_keyring_can_be_begun_anew_at_the_price_of_every_template(site: config.Config) -> None:
    with opened(site) as store:
        enrol(store, "Ada", 1)
    assert keys(site, "new-keyring", "--yes").returncode == 12
    keyring_path(site.store.path).unlink()
    assert "is not there" in keys(site, "status").stdout
    done = keys(site, "new-keyring", "--yes")
    assert done.returncode == 0 and "1 templates" in done.stdout, done.stderr
    with opened(site) as store:
        assert names_in_the_gallery(store) == set()
        assert [row["name"] for row in store.rows("SELECT name FROM resident")] == ["Ada"]


@pytest.mark.parametrize(
    ("head", "tier"),
    [
        ("5a1c6a86df9d4096b1d5a65e0862f19a", "host"),
        ("93a894094874449090caf2fc93cab553", "host+tpm2"),
        ("058469daf6f54324800549da0f8ea2fb", "null"),
        ("00" * 16, "unknown"),
    ],
)
def test_a_credential_says_what_it_was_sealed_with(tmp_path: Path, head: str, tier: str) -> None:
    credential = tmp_path / "store-key.cred"
    credential.write_bytes(base64.encodebytes(bytes.fromhex(head) + bytes(80)))
    assert sealed_with(credential) == tier
    assert find(config.StoreSettings(), credential).limits in LIMITS.values()


def test_a_credential_that_is_none_is_unknown(tmp_path: Path) -> None:
    assert sealed_with(tmp_path / "absent") == "unknown"
    (tmp_path / "text").write_text("not base64 at all!")
    assert sealed_with(tmp_path / "text") == "unknown"
