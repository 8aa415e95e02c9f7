# SPDX-License-Identifier: Apache-2.0
"""The one way out for what people read: every line and table of the command line goes through here.

Values are text and never markup. What a terminal would obey is written as its escape, as is what the encoding lacks.
Lines are fitted to a terminal's width. In a pipe or a file nothing is wrapped, shortened or left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final

import click

from edge_gate.core.errors import OutputLost
from edge_gate.core.output import encodable, escape

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from edge_gate.cli.layout import Column, Line

# Wider than any table: where nobody looks at a terminal, nothing is cut.
_NO_LIMIT: Final = 100_000


def say(*lines: object, err: bool = False) -> None:
    """Print each text as one line: a line break in a text is part of a value, and is written as its escape.

    Where stderr cannot be written the command goes on: nothing is left to tell it with.
    """
    stream = sys.stderr if err else sys.stdout
    with suppress(OutputLost) if err else nullcontext():
        for line in lines or ("",):
            text = encodable(escape(str(line)), stream)
            print(_wrapped(text, err=err) if stream.isatty() else text, file=stream)
        stream.flush()


def say_to_copy(*lines: object, err: bool = False) -> None:
    """Print each text as one line, as `say` does, but never wrap it: people copy it, and a copy has to be whole."""
    stream = sys.stderr if err else sys.stdout
    with suppress(OutputLost) if err else nullcontext():
        for line in lines:
            print(encodable(escape(str(line)), stream), file=stream)
        stream.flush()


def say_json(document: Any) -> None:
    """Print one JSON document. What the encoding lacks, or a terminal would obey, is written in JSON's own escapes.

    In a pipe too: at its end there may be a terminal, and to what reads JSON both are one.
    """
    text = json.dumps(document, ensure_ascii=False, indent=2)
    if escape(text, keep="\n") != text or encodable(text, sys.stdout) != text:
        text = json.dumps(document, indent=2)
    print(text)


def either(chinese: str, english: str) -> str:
    """Return both languages, or English alone where the terminal's encoding has no Chinese; for what rich lays out."""
    chinese, english = escape(chinese), escape(english)
    return f"{chinese} / {english}" if encodable(chinese, sys.stdout) == chinese else english


def confirm(question: str) -> None:
    """Ask until the answer is yes or no; raises Abort for no. On stderr: stdout may be a file for a receipt or JSON."""
    click.confirm(encodable(escape(question), sys.stderr), abort=True, err=True)


def say_document(text: str) -> None:
    """Print a page that is kept. In a file or a pipe it is UTF-8 and exactly as it was signed, in every locale."""
    if sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
        shown = encodable(escape(text, keep="\n"), sys.stdout)
        print(shown, end="", flush=True)
        if shown != text:
            say("This terminal cannot show the page as it is. Write it into a file: add ` > FILE`.", err=True)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode(errors="surrogateescape"))
    sys.stdout.flush()


def say_table(columns: Iterable[Column], rows: Iterable[Iterable[object]]) -> None:
    """Print a table. On a narrow terminal columns are left out, and named below, before any value is broken."""
    from edge_gate.cli.layout import fit

    cells = [[_printable(cell) for cell in row] for row in rows]
    lines, missing = fit(tuple(columns), cells, _width())
    _print(lines)
    if missing:
        say(f"Too narrow for: {', '.join(missing)}. A wider terminal or --json shows all.", err=True)


def say_fields(rows: Iterable[tuple[str, object]], warnings: Collection[str] = ()) -> None:
    """Print a name and a value a line, long values continued under themselves; names of ``warnings`` stand out."""
    named = [(name, _printable(content)) for name, content in rows]
    width = max((len(name) for name, _ in named), default=0)
    for name, content in named:
        say_hanging([(f"{name:<{width}}", "yellow" if name in warnings else "")], content)


def say_hanging(head: list[tuple[str, str]], content: object) -> None:
    """Print a head of texts with their styles, and the content beside it, continued under itself."""
    from edge_gate.cli.layout import hang

    _print(hang([(_printable(text), style) for text, style in head], _printable(content), _width()))


def say_rendered(renderable: RenderableType, *, markup: bool = False) -> None:
    """Print what rich lays out; ``markup`` is for tables whose every cell is ours."""
    open_console(markup=markup).print(renderable)


def open_console(*, err: bool = False, markup: bool = False) -> Console:
    """Return a console for what moves, such as a bar of progress."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else _NO_LIMIT
    return Console(file=stream, markup=markup, highlight=False, emoji=False, width=width)


def _wrapped(text: str, *, err: bool) -> str:
    from edge_gate.cli.layout import wrap

    return "\n".join(wrap(text, open_console(err=err).width))


def _printable(content: object) -> str:
    return encodable(escape(str(content)), sys.stdout)


def _width() -> int | None:
    """Return how many columns the terminal has; None where there is none."""
    return open_console().width if sys.stdout.isatty() else None


def _print(lines: Iterable[Line]) -> None:
    from rich.text import Text

    console = open_console()
    for line in lines:
        text = Text.assemble(*line)
        text.rstrip()
        console.print(text, soft_wrap=True)
