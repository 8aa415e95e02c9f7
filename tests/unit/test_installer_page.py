# SPDX-License-Identifier: Apache-2.0
"""What people paste from the guides: no block has a place to be filled in first, and what goes into files is sound.

tests/system/test_installer_page.py pastes the blocks of docs/installer.md into a real system.
"""

from __future__ import annotations

import re
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
    assert other <= {"toml"}


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
    assert installer_page.packages(page) == ["a", "b", "c"]
