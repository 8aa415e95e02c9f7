# SPDX-License-Identifier: Apache-2.0
"""A bar that shows how far a long piece of work is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge_gate.cli.terminal import open_console


@contextmanager
def counting(what: str) -> Iterator[Callable[[int | None], Callable[[], None]]]:
    """Yield what shows a progress bar on stderr, if that is a terminal: give it a total (None: nobody
    knows), then call what it returns."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = open_console(err=True)
    columns = (TextColumn(what), BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:

        def start(total: int | None) -> Callable[[], None]:
            task = bar.add_task(what, total=total)
            return lambda: bar.advance(task)

        yield start
