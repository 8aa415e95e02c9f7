# SPDX-License-Identifier: Apache-2.0
"""A copy of this process that does one thing and ends, and is spoken with over a socket of its own.

It is made before this process seals itself, for afterwards nothing can be started. It does not outlive this process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from edge_gate.core.ending import end_well

_PR_SET_PDEATHSIG: Final = 1
_LONGEST: Final = 4096


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy, as the process that made it has it."""

    pid: int
    channel: socket.socket

    def say(self, words: bytes) -> None:
        """Send something; a copy that has ended does not hear it, which `wait` tells."""
        with suppress(BrokenPipeError):
            self.channel.sendall(words)

    def hear(self) -> bytes:
        """Return what the copy sends, once; nothing where it ends without a word."""
        return self.channel.recv(_LONGEST)

    def wait(self) -> int:
        """Hang up, wait for the end, and return the exit code, or minus the number of the signal that ended it."""
        self.channel.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def fork(work: Callable[[socket.socket], None]) -> Copy:
    """Start a copy that does this work and ends, with the exit code of the failure that it told, or 0."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            ours.close()
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            code = end_well("edge-gate", lambda: work(theirs))
        finally:
            os._exit(code)  # whatever happens, this copy of the process does not go on
    theirs.close()
    return Copy(pid, ours)
