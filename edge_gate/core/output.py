# SPDX-License-Identifier: Apache-2.0
"""What a program prints: characters that a terminal would obey are shown, and a write that fails has its own error."""

from __future__ import annotations

import io
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TextIO

from edge_gate.core.errors import OutputLost

# Control characters, surrogates, line and paragraph separators, and what is invisible or turns the direction of text.
_OBEYED: Final = frozenset({"Cc", "Cs", "Zl", "Zp", "Cf"})
# Joiners belong to the spelling of Persian and Indian names, and to emoji. They move nothing.
_JOINERS: Final = "\u200c\u200d"


def escape(text: str, keep: str = "") -> str:
    """Return the text with every character that a terminal would obey written as its escape, but those to ``keep``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if each in keep or not _is_obeyed(each) else _escaped(each) for each in text)


def _is_obeyed(character: str) -> bool:
    return unicodedata.category(character) in _OBEYED and character not in _JOINERS


def _escaped(character: str) -> str:
    return repr(character)[1:-1]


def encodable(text: str, stream: TextIO) -> str:
    """Return the text with every character that the stream's encoding lacks written as its escape."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


@contextmanager
def guarded_output() -> Iterator[None]:
    """Let standard output and error take every text, and raise OutputLost where they cannot be written.

    Only the process's own streams are replaced; others, such as those of a test, stay as they are.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _guarded(sys.stdout, sys.__stdout__), _guarded(sys.stderr, sys.__stderr__)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            _finish(stream)
        sys.stdout, sys.stderr = before


class _OwnFile(io.FileIO):
    """A descriptor that stays open, whose failed writes are told from those of sockets and other files."""

    def write(self, content: Any, /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            raise OutputLost(error.strerror) from error


def _guarded(stream: TextIO | None, own: TextIO | None) -> TextIO:
    if stream is None:  # closed by the caller (`>&-`)
        return Path(os.devnull).open("w", encoding="utf-8")
    if stream is not own:
        return stream
    raw = _OwnFile(stream.fileno(), "wb", closefd=False)
    in_lines = stream is sys.__stderr__ or stream.isatty()
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=stream.encoding, errors="backslashreplace", line_buffering=in_lines
    )


def _finish(stream: TextIO) -> None:
    """Write what is left; where that fails, leave nothing for the interpreter's end to complain about."""
    try:
        stream.flush()
    except OutputLost:
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            stream.flush()
