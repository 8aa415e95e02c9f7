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
    """A fenced block below the heading ``section``. One that is ``optional`` has "Only if" in the words before it."""

    section: str
    language: str
    text: str
    optional: bool = False

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
        ended = 0
        for found in _FENCED.finditer(body):
            before = body[ended : found.start()].rstrip().rpartition("\n\n")[2]
            ended = found.end()
            yield Block(section, found["language"], textwrap.dedent(found["text"]).strip("\n"), "**Only if" in before)


def packages(page: str) -> list[str]:
    """Return the packages of Debian that the blocks for every site install or remove."""
    lines = [line for block in read(page) if block.typed and not block.optional for line in block.text.splitlines()]
    asked = [found[1] for line in lines if (found := re.match(r"sudo apt (?:install|remove) --yes (.+)", line))]
    return sorted({name for names in asked for name in names.split()})
