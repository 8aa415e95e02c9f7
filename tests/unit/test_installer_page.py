# SPDX-License-Identifier: Apache-2.0
"""What people paste from the guides: no block has a place to be filled in first, and what goes into files is sound.

tests/system/test_installer_page.py pastes the blocks of docs/installer.md into a real system.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from edge_gate.settings import config
from tests.support import installer_page
from tests.support.installer_page import Block

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = ("installer.md", "maintainer.md", "resident.md")
BLOCKS = [(guide, block) for guide in GUIDES for block in installer_page.read((DOCS / guide).read_text("utf-8"))]
TYPED = [(guide, block) for guide, block in BLOCKS if block.typed]


def named(pair: tuple[str, Block]) -> str:
    return f"{pair[0]}: {pair[1].name}"


@pytest.mark.parametrize(("guide", "block"), TYPED, ids=map(named, TYPED))
def test_no_block_has_a_place_that_must_be_filled_in_before_it_is_pasted(guide: str, block: Block) -> None:
    """What differs from site to site is a shell variable in the first line, a question, or found by the command."""
    words = re.findall(r"(?<![\w$%])[A-Z][A-Z0-9]+(?:[-/_ ][A-Z0-9]+)*(?!\w)|<\w[\w -]*>|\.\.\.|…", block.text)
    assert set(words) <= {"END", "USER", "ID_PATH"}


@pytest.mark.parametrize("guide", GUIDES)
def test_every_block_is_typed_or_a_part_of_the_configuration(guide: str) -> None:
    other = {block.language for name, block in BLOCKS if name == guide and not block.typed}
    assert other <= {"toml", "text"}


# What not every site has, or wants.
OPTIONAL = {
    "git clone",
    "sudo sed --in-place",
    "udevadm info --query=property --property=ID_PATH /dev/video0",
    "sudo apt install --yes python3-picamera2",
    "sudo cp -r /opt/edge-gate/share/edge-gate/systemd/passphrase/. /etc/systemd/system/",
    "sudo systemd-tty-ask-password-agent --query",
    "sudo edge-gate keys lock",
    "sudo tee --append /etc/edge-gate/edge-gate.toml",
}


def test_a_block_that_is_not_for_every_site_says_so_in_the_words_before_it() -> None:
    page = [block for guide, block in TYPED if guide == "installer.md"]
    optional = [each for each in page if each.optional]
    assert len(optional) == len(OPTIONAL)
    for mark in OPTIONAL:
        assert [each.optional for each in page if mark in each.text] == [True], mark


def test_nothing_changes_a_file_before_the_block_that_makes_it() -> None:
    page = [block.text for guide, block in TYPED if guide == "installer.md"]
    for file in re.findall(r"sudo tee (/\S+)", "\n".join(page)):
        made = next(at for at, text in enumerate(page) if f"tee {file}" in text)
        assert [text for text in page[:made] if file in text] == []
    assert [block for guide, block in BLOCKS if guide == "installer.md" and block.language == "toml"] == []


@pytest.mark.parametrize("maker", ["0403", "10c4"])
def test_the_adapter_of_a_modbus_board_is_given_the_name_of_the_relay(tmp_path: Path, maker: str) -> None:
    shipped = DOCS.parent / "systemd" / "udev" / "70-edge-gate.rules"
    rules = tmp_path / "rules"
    rules.write_bytes(shipped.read_bytes())
    block = next(block.text for _, block in TYPED if block.name == "maker=0403")
    typed = [line for line in block.splitlines() if "udevadm" not in line]
    typed = [f"maker={maker}", *(line.replace("sudo ", "") for line in typed[1:])]
    assert "/etc/udev/rules.d/70-edge-gate.rules" in typed[1]
    command = "\n".join(typed).replace("/etc/udev/rules.d/70-edge-gate.rules", str(rules))
    subprocess.run(["bash", "-euc", command], check=True)
    before, after = shipped.read_text().splitlines(), rules.read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new for _, new in changed] == [old[1:] for old, _ in changed]
    assert len(changed) == 1 and f'ATTRS{{idVendor}}=="{maker}"' in changed[0][1]


def test_the_checkout_is_cloned_from_the_address_that_is_written_into_the_first_line(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *words], check=True, capture_output=True)

    git("init", str(tmp_path / "origin"))
    git("-C", str(tmp_path / "origin"), "commit", "--allow-empty", "--message", "x")
    block = next(block.text for _, block in TYPED if "git clone" in block.text)
    assert block.splitlines()[1] == "sudo apt install --yes git"
    command = "\n".join([f"address={tmp_path}/origin", *block.splitlines()[2:]])
    subprocess.run(
        ["bash", "-euc", command], check=True, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True
    )
    assert (tmp_path / "edge-gate" / ".git").is_dir()


def test_every_part_of_a_configuration_is_one_that_edge_gate_takes() -> None:
    parts = [block.text for _, block in BLOCKS if block.language == "toml"]
    parts += [
        found
        for _, block in TYPED
        for found in re.findall(r"edge-gate\.toml .*<<'END'\n(.*?)^END$", block.text, re.S | re.M)
    ]
    assert len(parts) >= 2
    for part in parts:
        config.parse(part, Path("/etc/edge-gate/edge-gate.toml"))


def test_fences_are_found_indented_or_not_and_of_every_kind() -> None:
    page = "# T\n\n## A\n\n```sh\none\ntwo\n```\n\n1. x\n\n   ```\n   three\n   ```\n\n## B\n\n```toml\na = 1\n```\n"
    assert list(installer_page.read(page)) == [
        Block("A", "sh", "one\ntwo"),
        Block("A", "", "three"),
        Block("B", "toml", "a = 1"),
    ]


def test_the_packages_of_a_page_are_those_that_it_lets_apt_install_or_remove() -> None:
    page = "## A\n\n```sh\nsudo apt update\nsudo apt install --yes b a\nsudo apt remove --yes c\n```\n"
    page += "\n**Only if** so:\n\n```sh\nsudo apt install --yes d\n```\n"
    assert installer_page.packages(page) == ["a", "b", "c"]
