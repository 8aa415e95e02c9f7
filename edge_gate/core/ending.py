# SPDX-License-Identifier: Apache-2.0
"""How a program ends: each failure is one sentence and an exit code, and none is a traceback."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import PurePath
from typing import Final

from edge_gate.core.errors import EdgeGateError, InternalFault, LibraryUnusable, OutputLost, SystemRefused
from edge_gate.core.errors.foreign import describe_exception
from edge_gate.core.interrupts import INTERRUPTED
from edge_gate.core.output import encodable, escape, guarded_output

TRACEBACK: Final = "EDGE_GATE_TRACEBACK"
# As shells say of a program that SIGPIPE ended.
READER_GONE: Final = 141
_PACKAGE: Final = "edge_gate"
_ROOT: Final = PurePath(__file__).parents[1]


def end_well(program: str, run: Callable[[], int | None], environ: Mapping[str, str] = os.environ) -> int:
    """Run a program to its end and return the exit code. What went wrong is told on stderr in one sentence."""
    with guarded_output():
        try:
            code = _run(run)
            sys.stdout.flush()
        except KeyboardInterrupt:
            return INTERRUPTED
        except Exception as error:
            if environ.get(TRACEBACK):
                tell("".join(traceback.format_exception(error)).rstrip(), keep="\n")
            return _tell_failure(program, error)
        return code


def _run(run: Callable[[], int | None]) -> int:
    try:
        return run() or 0
    except SystemExit as end:
        if isinstance(end.code, str):
            tell(end.code)
            return 1
        return int(end.code or 0)


def _tell_failure(program: str, error: Exception) -> int:
    if isinstance(error, OutputLost) and isinstance(error.__cause__, BrokenPipeError):
        return READER_GONE  # as with `| head`: nobody is there to be told
    failure = understand(error)
    tell(f"{program}: {failure}")
    return int(failure.exit_code)


def understand(error: Exception) -> EdgeGateError:
    """Return the error where it is one of ours, else one of ours in its place."""
    if isinstance(error, EdgeGateError):
        return error
    if isinstance(error, OSError) and error.strerror:
        names = [os.fsdecode(each) for each in (error.filename, error.filename2) if isinstance(each, (str, bytes))]
        if not names and isinstance(error, FileNotFoundError) and not _has_folder():
            return SystemRefused("the current folder was deleted. Change to another folder, and repeat the command")
        return SystemRefused(": ".join([*names, error.strerror]))
    if _is_of_an_import(error):
        return LibraryUnusable(describe_exception(error))
    return InternalFault(f"{type(error).__name__} in {_place(error)}")


def _has_folder() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - which asks the kernel, and nothing else
    except FileNotFoundError:
        return False
    return True


def _is_of_an_import(error: Exception) -> bool:
    """Tell whether somebody else's library could not be loaded. One that was built for others raises what it likes."""
    frames = traceback.extract_tb(error.__traceback__)
    foreign = bool(frames) and not PurePath(frames[-1].filename).is_relative_to(_ROOT)
    return isinstance(error, ImportError) or (foreign and any(frame.name == "<module>" for frame in frames))


def _place(error: Exception) -> str:
    """Return the innermost place of our own. The error's text stays out, for it may name people."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _PACKAGE in PurePath(frame.filename).parts] or frames
    if not own:
        return "no known place"
    parts = PurePath(own[-1].filename).parts
    start = len(parts) - 1 - parts[::-1].index(_PACKAGE) if _PACKAGE in parts else len(parts) - 1
    return f"{'/'.join(parts[start:])}, line {own[-1].lineno}"


def tell(text: str, keep: str = "") -> None:
    """Write a line to stderr, if anybody reads it there; characters in ``keep`` stay as they are."""
    with suppress(OutputLost):
        print(encodable(escape(text, keep), sys.stderr), file=sys.stderr, flush=True)
