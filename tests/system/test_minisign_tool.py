# SPDX-License-Identifier: Apache-2.0
"""The tool `minisign` as a peer: what it signs loads, what ships is good to it too. Needs: minisign."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from minisign import KeyPair

from edge_gate.core.errors import SignatureMismatch
from edge_gate.provenance import cards
from edge_gate.provenance.minisign import PublicKey
from edge_gate.settings.config import RELEASE_KEY, ModelSettings
from tests.support.peers import write_model
from tests.support.signing import own_key, sign

pytestmark = pytest.mark.system

NAME = "test-eyes"
CARDS = sorted(cards.folder(Path()).glob("*.toml"))


def minisign(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["minisign", *arguments], capture_output=True, text=True, check=False, timeout=60)


def good(card: Path, key: str) -> bool:
    return minisign("-Vm", card, "-P", key).returncode == 0


@pytest.fixture
def key(tmp_path: Path) -> str:
    """Make a pair of keys as the ceremony does and return the public one."""
    made = minisign("-G", "-W", "-p", tmp_path / "site.pub", "-s", tmp_path / "site.key")
    assert made.returncode == 0, made.stderr
    return (tmp_path / "site.pub").read_text().splitlines()[1]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.stem)
def test_the_tool_is_content_with_what_ships(card: Path) -> None:
    assert good(card, RELEASE_KEY)
    assert not good(card, own_key())


@pytest.mark.parametrize("way", [(), ("-l",)], ids=["prehashed", "legacy"])
def test_what_the_tool_signed_loads(tmp_path: Path, key: str, way: tuple[str, ...]) -> None:
    write_model(tmp_path)
    card = tmp_path / f"{NAME}.toml"
    made = minisign("-S", *way, "-s", tmp_path / "site.key", "-m", card, "-t", "second card, 眼")
    assert made.returncode == 0, made.stderr
    site = ModelSettings(folder=tmp_path, trusted_keys=(key,))
    read = cards.read(site, NAME)
    assert read.signature is not None and read.signature.trusted_comment == "second card, 眼"
    assert read.signature.algorithm == (b"Ed" if way else b"ED")
    assert f"minisign public key {PublicKey.parse(key).key_id}\n" in (tmp_path / "site.pub").read_text()
    with card.open("a") as file:
        file.write("\n")
    assert not good(card, key)
    with pytest.raises(SignatureMismatch):
        cards.read(site, NAME)


@pytest.mark.parametrize("prehash", [True, False])
def test_tool_and_module_agree_on_what_a_third_program_signed(tmp_path: Path, prehash: bool) -> None:
    write_model(tmp_path)
    card = tmp_path / f"{NAME}.toml"
    beside = sign(card, prehash=prehash)
    site = ModelSettings(folder=tmp_path, trusted_keys=(own_key(),))
    assert good(card, own_key()) and cards.read(site, NAME).signature
    beside.write_bytes(beside.read_bytes().replace(b"for a test", b"for a door"))
    assert not good(card, own_key())
    with pytest.raises(SignatureMismatch):
        cards.read(site, NAME)
    sign(card, KeyPair.generate())
    assert not good(card, own_key())
