# SPDX-License-Identifier: Apache-2.0
"""UNIX sockets that the gate listens on, and the process that the kernel names at the other end of one."""

from __future__ import annotations

import os
import pwd
import socket
import stat
import struct
from pathlib import Path
from typing import Final

from edge_gate.core.errors import AlreadyRunning, EdgeGateError, SocketUnusable

# Callers who wait until the gate takes them.
BACKLOG: Final = 64
_CREDENTIALS: Final = struct.Struct("3i")


def read_credentials(connection: socket.socket) -> tuple[int, int]:
    """Return (pid, uid) of the process at the other end, as the kernel vouches for it. Its group vouches for nothing
    (edge_gate/gate/authorisation/roles.py)."""
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid


def list_peer_uids(user: str) -> frozenset[int]:
    """Return the uids that may be a peer: root's, this process's own, and that of ``user``.

    An empty name adds none, nor does one that the system does not know: what was agreed to may be older than its users.
    """
    try:
        named = {pwd.getpwnam(user).pw_uid} if user else set()
    except KeyError:
        named = set()
    return frozenset({0, os.getuid(), *named})


def listen(path: Path, kind: socket.SocketKind, mode: int) -> socket.socket:
    """Bind a UNIX socket in place of one of this user's that no process serves any more.

    Raises AlreadyRunning where a process serves it, and SocketUnusable for anything else that is in the way: only a
    socket is ever removed.
    """
    server = socket.socket(socket.AF_UNIX, kind)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path, kind)
        server.bind(str(path))
        path.chmod(mode)
        server.listen(BACKLOG)
    except BaseException as error:
        server.close()
        if isinstance(error, OSError) and not isinstance(error, EdgeGateError):
            # A path that is too long has neither a number nor words of the system's.
            raise SocketUnusable(path, error.strerror or str(error)) from error
        raise
    server.setblocking(False)
    return server


def _clear(path: Path, kind: socket.SocketKind) -> None:
    """Remove a socket that is left over. Raises AlreadyRunning, SocketUnusable or OSError."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise SocketUnusable(path, "something that is not a socket is there")
    if found.st_uid != os.getuid():
        raise SocketUnusable(path, f"a socket of the user with number {found.st_uid} is there")
    with socket.socket(socket.AF_UNIX, kind) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        raise AlreadyRunning(path, read_credentials(probe)[0])
