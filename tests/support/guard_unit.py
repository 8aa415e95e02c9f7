# SPDX-License-Identifier: Apache-2.0
"""A pulse guard as a unit of its own, and what systemd does for it: the socket, what it keeps, the next start."""

from __future__ import annotations

import array
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.peers import until

FIRST = 3


@dataclass
class GuardUnit:
    """Plays systemd for one guard: sd_listen_fds(3), sd_notify(3) and the file descriptor store."""

    folder: Path
    kept: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(self.path)
        self._listener.listen(8)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._notify.bind(str(self.folder / "notify"))
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> str:
        """Where the gate calls on it."""
        return str(self.folder / "guard.sock")

    def start(self) -> None:
        """Start the guard with all that is kept for it, and wait until it listens."""
        handed = [self._listener.fileno(), *self.kept]
        high = [os.dup2(each, 100 + number, inheritable=False) for number, each in enumerate(handed)]

        def place() -> None:
            for number, each in enumerate(high):
                os.dup2(each, FIRST + number)

        environ = {**os.environ, "LISTEN_FDS": str(len(handed)), "NOTIFY_SOCKET": str(self.folder / "notify")}
        command = [sys.executable, "-I", "-m", "edge_gate.relays.guard_process"]
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *command],
            env=environ,
            preexec_fn=place,
            pass_fds=tuple(range(FIRST, FIRST + len(handed))),
            start_new_session=True,
        )
        for each in high:
            os.close(each)
        self.told.clear()
        until(lambda: self.hear() and "READY=1" in self.told)

    def hear(self) -> bool:
        """Take what the guard has said by now."""
        while True:
            try:
                said, rights, _, _ = self._notify.recvmsg(4096, socket.CMSG_SPACE(64))
            except BlockingIOError:
                return True
            self.told.append(said.decode())
            if said.startswith(b"FDSTORE=1"):
                for *_, data in rights:
                    self.kept += array.array("i", data[: len(data) // 4 * 4]).tolist()
            elif said.startswith(b"FDSTOREREMOVE=1"):
                self._forget()

    def kill(self) -> None:
        """End it as nobody can prevent."""
        self.process.kill()
        self.process.wait()
        self.hear()

    def close(self) -> None:
        """End all of it."""
        self.process.kill()
        self.process.wait()
        self._forget()
        self._listener.close()
        self._notify.close()

    def _forget(self) -> None:
        for each in self.kept:
            os.close(each)
        self.kept.clear()
