# SPDX-License-Identifier: Apache-2.0
"""What a command prints, in this process: on a terminal or into a pipe, of any encoding and width."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from unittest.mock import patch

from edge_gate import cli

# UTF-8 stands for C.UTF-8 as well: Python tells them apart by nothing else.
ENCODINGS: Final = ("utf-8", "ascii", "latin-1", "gbk", "gb18030")
WIDTHS: Final = (None, 40, 80, 200)


class Stream(io.TextIOWrapper):
    """A stream that takes nothing which its encoding lacks; with a ``width`` it is a terminal."""

    def __init__(self, encoding: str, width: int | None) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)
        self._terminal = width is not None

    def isatty(self) -> bool:
        return self._terminal

    def bytes(self) -> bytes:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Screen:
    """What was printed and how it ended."""

    code: int
    out: str
    err: str
    raw: bytes


def show(arguments: Sequence[str], encoding: str = "utf-8", width: int | None = None) -> Screen:
    """Run a command to its end in this process."""
    out, err = Stream(encoding, width), Stream(encoding, width)
    surroundings = {"COLUMNS": str(width or 80), "TERM": "xterm", "NO_COLOR": "1"}
    with patch.object(sys, "stdout", out), patch.object(sys, "stderr", err), patch.dict("os.environ", surroundings):
        try:
            cli.main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
    return Screen(code, out.bytes().decode(encoding, "replace"), err.bytes().decode(encoding, "replace"), out.bytes())
