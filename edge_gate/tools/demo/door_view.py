# SPDX-License-Identifier: Apache-2.0
"""Draws the door in the terminal while the demo runs (`--watch`)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

SHUT: Final = (
    "┌─────────────┐",
    "│ ┌────┬────┐ │",
    "│ │    │    │ │",
    "│ │   ●│●   │ │",
    "│ │    │    │ │",
    "└─┴────┴────┴─┘",
)
OPEN: Final = (
    "┌─────────────┐",
    "│ ┐         ┌ │",
    "│ │╲       ╱│ │",
    "│ │ │     │ │ │",
    "│ │╱       ╲│ │",
    "└─┘         └─┘",
)
LINES_KEPT: Final = 8
REFRESH_S: Final = 0.1


def drawing(released: bool, doing: str, lines: deque[str]) -> Group:
    """Return the picture of a door with what is happening beside it and what has happened below."""
    door = Text("\n".join(OPEN if released else SHUT), "green" if released else "red")
    return Group(Panel(door, title="OPEN" if released else "shut", subtitle=doing, width=44), Text("\n".join(lines)))


@contextmanager
def watching(released: Callable[[], bool], doing: Callable[[], str]) -> Iterator[Callable[[str], None]]:
    """Draw until the block ends, asking ``released`` and ``doing`` ten times a second; yields where to tell lines."""
    lines: deque[str] = deque(maxlen=LINES_KEPT)
    ending = threading.Event()
    with Live(console=Console(), auto_refresh=False) as live:

        def draw() -> None:
            while not ending.wait(REFRESH_S):
                live.update(drawing(released(), doing(), lines), refresh=True)

        thread = threading.Thread(target=draw, name="door view", daemon=True)
        thread.start()
        try:
            yield lines.append
        finally:
            ending.set()
            thread.join()
