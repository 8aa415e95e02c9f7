# SPDX-License-Identifier: Apache-2.0
"""Somebody at a terminal: a command in a pseudo-terminal of its own, and answers to what it asks."""

from __future__ import annotations

import os
import pty
import select
import termios
import time
from collections.abc import Iterable

PATIENCE_S = 60.0
ECHO_PATIENCE_S = 1.0


def at_a_terminal(command: list[str], answers: Iterable[tuple[str, str]]) -> tuple[int, str]:
    """Run a command; after each ``(question, answer)``'s question has appeared, type the answer.

    Return exit status and all that was on the screen. Raises TimeoutError with the screen so far.
    """
    pid, screen = pty.fork()
    if pid == 0:
        try:
            os.execvp(command[0], command)
        finally:
            os._exit(127)
    seen, read_to, deadline = "", 0, time.monotonic() + PATIENCE_S
    waiting = list(answers)
    try:
        while True:
            if waiting and (at := seen.find(waiting[0][0], read_to)) >= 0:
                read_to = at + len(waiting[0][0])
                wait_until_hidden(screen)
                os.write(screen, waiting.pop(0)[1].encode() + b"\n")
                continue
            if not select.select([screen], [], [], max(0.0, deadline - time.monotonic()))[0]:
                os.kill(pid, 9)
                raise TimeoutError(seen)
            try:
                new = os.read(screen, 65536)
            except OSError:  # how Linux says that the other end was closed
                new = b""
            if not new:
                break
            seen += new.decode(errors="replace")
    finally:
        os.close(screen)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if waiting:
        raise AssertionError(f"never asked {waiting[0][0]!r}:\n{seen}")
    return status, seen.replace("\r\n", "\n")


def wait_until_hidden(screen: int) -> None:
    """Wait until what is typed no longer appears, as it is with passphrases: some programs ask first and hide then.

    Where nothing is going to be hidden, a moment is lost.
    """
    deadline = time.monotonic() + ECHO_PATIENCE_S
    while termios.tcgetattr(screen)[3] & termios.ECHO and time.monotonic() < deadline:
        time.sleep(0.01)
