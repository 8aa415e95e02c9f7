# SPDX-License-Identifier: Apache-2.0
"""How tables and long lines are fitted to a width: columns go, long values move to a line of their own, none breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len

GAP: Final = 2
INDENT: Final = 4
_LONG_AT_LEAST: Final = 12

Line = list[tuple[str, str]]  # texts with their styles


@dataclass(frozen=True, slots=True)
class Column:
    """``rank``: 0 is always shown, and of the others the highest goes first. ``long``: values may be as long as people
    like, such as names; one that is longer than there is room for has a line of its own."""

    title: str
    rank: int = 0
    long: bool = False


def fit(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> tuple[list[Line], list[str]]:
    """Return a table's lines for a width, or for none, and the titles of the columns for which there is no room."""
    needed = [max(map(cell_len, [column.title, *cells])) for column, *cells in zip(columns, *rows, strict=True)]
    shown = list(range(len(columns)))
    if width is not None:
        least = [min(need, _LONG_AT_LEAST) if columns[at].long else need for at, need in enumerate(needed)]
        for at in sorted(shown, key=lambda at: -columns[at].rank):
            if columns[at].rank and _total(least, shown) > width:
                shown.remove(at)
        needed = _share(columns, rows, needed, shown, width)
    lines = [_join([(columns[at].title, needed[at], "bold") for at in shown])]
    for row in rows:
        lines += _row(row, needed, shown)
    return lines, [column.title for at, column in enumerate(columns) if at not in shown]


def _total(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[at] for at in shown) + GAP * (len(shown) - 1)


def _share(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], needed: Sequence[int], shown: Sequence[int], width: int
) -> list[int]:
    """Return the widths, with what is left of the terminal shared out among the long columns from left to right.

    A column takes no more than the longest of its values that has room.
    """
    shared = list(needed)
    long = [at for at in shown if columns[at].long]
    left = width - _total([0 if columns[at].long else need for at, need in enumerate(needed)], shown)
    for place, at in enumerate(long):
        room = left // (len(long) - place)
        lengths = [length for row in rows if (length := cell_len(row[at])) <= room]
        shared[at] = max(cell_len(columns[at].title), *lengths, 0)
        left -= shared[at]
    return shared


def _row(row: Sequence[str], widths: Sequence[int], shown: Sequence[int]) -> Iterator[Line]:
    """Yield the lines of one row: a long first value stands above the others, any other long value below them."""
    first, *_ = shown
    too_long = [at for at in shown if cell_len(row[at]) > widths[at]]
    if first in too_long:
        yield [(row[first], "")]
    yield _join([("" if at in too_long else row[at], widths[at], "") for at in shown])
    for at in too_long:
        if at != first:
            yield [(" " * INDENT, ""), (row[at], "")]


def _join(cells: Sequence[tuple[str, int, str]]) -> Line:
    line: Line = []
    for at, (text, width, style) in enumerate(cells):
        padding = "" if at == len(cells) - 1 else " " * (width - cell_len(text) + GAP)
        line += [(text, style), (padding, "")]
    return line


def hang(head: Line, content: str, width: int | None) -> Iterator[Line]:
    """Yield a head with its content beside it, continued under itself; a head that takes too much stands above it."""
    indent = sum(cell_len(text) for text, _ in head) + GAP
    if width is None:
        yield [*head, (" " * GAP + content, "")]
        return
    if indent > width // 3 or any(cell_len(word) > width - indent for word in content.split(" ")):
        if any(text.strip() for text, _ in head):
            yield [*head]
        indent = INDENT
        yield from ([(" " * indent + each, "")] for each in wrap(content, width - indent))
        return
    start, *others = wrap(content, width - indent)
    yield [*head, (" " * GAP + start, "")]
    yield from ([(" " * indent + each, "")] for each in others)


def wrap(text: str, width: int) -> list[str]:
    """Return the text in lines of whole words; a word that is longer than a line stays whole."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cell_len(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
