# SPDX-License-Identifier: Apache-2.0
"""The blocks of docs/installer.md, in order. Nothing but the standard library: containers read the page with it too."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_FENCED: Final = re.compile(
    r"^(?P<indent> *)```(?P<language>\S*)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. ``section`` is the heading above it."""

    section: str
    language: str
    text: str

    @property
    def typed(self) -> bool:
        """Whether it is meant to be typed at a shell, and not a part of a file."""
        return self.language in ("", "sh", "bash", "shell", "console")

    @property
    def name(self) -> str:
        """The first line: how the tests speak of a block."""
        return self.text.partition("\n")[0]


def read(page: str) -> Iterator[Block]:
    """Yield each fenced block of a page."""
    for part in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        section, _, body = part.partition("\n")
        for found in _FENCED.finditer(body):
            yield Block(section, found["language"], textwrap.dedent(found["text"]).strip("\n"))


def packages(page: str) -> list[str]:
    """Return the packages of Debian that the blocks install or remove."""
    lines = [line for block in read(page) if block.typed for line in block.text.splitlines()]
    asked = [found[1] for line in lines if (found := re.match(r"sudo apt (?:install|remove) --yes (.+)", line))]
    return sorted({name for names in asked for name in names.split()})
