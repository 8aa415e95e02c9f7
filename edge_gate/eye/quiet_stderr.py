# SPDX-License-Identifier: Apache-2.0
"""Keeps what native libraries announce while they load a model off a person's terminal.

LiteRT and OpenCV write greetings straight to file descriptor 2 and offer no switch for it. What goes wrong they raise.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Point file descriptor 2 at nothing for as long as the block lasts. For start-up, before there are threads."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
