# SPDX-License-Identifier: Apache-2.0
"""TOML from a file that somebody else may have written: read within bounds, or refused with a reason.

tomllib itself takes more than it can handle: brackets nested deeper than its stack, numbers longer than Python
converts, and keys of thousands of parts, for which it needs the square of that in time.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

from edge_gate.core.plain_files import read_plain

LONGEST_BYTES: Final = 65_536
# In one line, so that a key has no more parts; no sentence is so long.
MOST_DOTS: Final = 200


def content_of(path: Path) -> bytes:
    """Return what a file holds. Raises OSError, or ValueError where it is too long or has no possible name."""
    return read_plain(path, LONGEST_BYTES)


def table(text: str) -> dict[str, Any]:
    """Return the document. Raises ValueError, with the line where that is known, for whatever reason."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MOST_DOTS:
            raise ValueError(f"more than {MOST_DOTS} dots (at line {number})")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
