# SPDX-License-Identifier: Apache-2.0
"""Bounds what native libraries write to stderr, so that a camera's broken pictures do not fill the journal.

libjpeg writes a line for each JPEG with trailing bytes, FFmpeg one for each broken packet; both straight to file
descriptor 2. That becomes a pipe here, from which a thread hands on a few lines. What edge-gate itself says goes past
it. The last words of a library that aborts the process may be lost.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from edge_gate.core.clock import Clock
from edge_gate.core.token_bucket import TokenBucket

MOST_LINES: Final = 8
LINES_PER_S: Final = 1 / 300
LONGEST_LINE: Final = 300
_BLOCK: Final = 4096
_JOIN_S: Final = 1.0


class LineLimit:
    """Hands on so many lines at once, then one in five minutes, and says how many were left out before it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bucket = TokenBucket(MOST_LINES, LINES_PER_S, clock.monotonic_ns())
        self._left_out = 0

    def pass_on(self, line: bytes) -> str:
        """Return what to write for a line of a library, which may be nothing."""
        text = line.decode(errors="backslashreplace").strip()
        if not text:
            return ""
        if not self._bucket.spend(self._clock.monotonic_ns()):
            self._left_out += 1
            return ""
        shown = "".join(each if each.isprintable() else "?" for each in text[:LONGEST_LINE])
        before, self._left_out = self._left_out, 0
        return f"library: {shown}" + (f" ({before} lines before it were left out)" if before else "") + "\n"


@contextmanager
def limit_stderr(clock: Clock) -> Iterator[None]:
    """Limit libraries for as long as the block lasts. After the seal: its walls bind only threads that come later."""
    sys.stderr.flush()
    kept = os.dup(2)
    read_end, write_end = os.pipe()
    os.dup2(write_end, 2)
    os.close(write_end)
    thread = threading.Thread(target=_pump, args=(read_end, kept, LineLimit(clock)), name="stderr", daemon=True)
    thread.start()
    own = os.fdopen(os.dup(kept), "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    before = sys.stderr
    if _is_descriptor_2(before):
        _speak_through(own, before)
    try:
        yield
    finally:
        if sys.stderr is own:
            _speak_through(before, own)
        os.dup2(kept, 2)  # the pipe's last end, so that the thread comes to its end
        thread.join(_JOIN_S)
        own.close()
        os.close(kept)


def _speak_through(stream: TextIO, instead_of: TextIO) -> None:
    """Let what Python and its log say go to ``stream``."""
    sys.stderr = stream
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is instead_of:
            handler.setStream(stream)


def _is_descriptor_2(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 2
    except (OSError, ValueError):
        return False


def _pump(read_end: int, kept: int, limit: LineLimit) -> None:
    rest = b""
    while block := os.read(read_end, _BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > _BLOCK:
            lines, rest = [*lines, rest], b""
        said = "".join(limit.pass_on(line) for line in lines)
        if said:
            os.write(kept, said.encode())
    os.close(read_end)
