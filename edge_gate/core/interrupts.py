# SPDX-License-Identifier: Apache-2.0
"""What an interrupt (Ctrl-C) does to a program before it has begun and after it has ended: it is gone, without a word.

An exception would come out in the middle of an import, where Python tells it with a traceback or cannot pass it on.
This is the first module of ours that a program loads, so it loads next to nothing itself.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

# As shells say of a program that SIGINT ended.
INTERRUPTED = 130


def run_program(load: Callable[[], Callable[[], int]]) -> NoReturn:
    """Load a program, run it, and end with its exit code. ``load`` imports it."""
    with ending_at_once():
        run = load()
    code = INTERRUPTED
    try:
        code = run()
    except KeyboardInterrupt:  # before it could see to that itself
        pass
    finally:
        _end_at_once()
    sys.exit(code)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let an interrupt end the process inside the block, where nothing is begun that would have to be tidied up."""
    before = _end_at_once()
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _end_at_once() -> Callable[[int, FrameType | None], object] | None:
    """Let interrupts end the process, and return what they did before; one that is ignored, by nohup, stays so."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        return None
    signal.signal(signal.SIGINT, _leave)
    return before


def _leave(_signal: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)
