# SPDX-License-Identifier: Apache-2.0
"""UNIX sockets that the gate listens on, and the process that the kernel names at the other end of one."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from pathlib import Path
from typing import Final

from edge_gate.core.errors import AlreadyRunning

# Callers who wait until the gate takes them.
BACKLOG: Final = 64
_CREDENTIALS: Final = struct.Struct("3i")


def read_credentials(connection: socket.socket) -> tuple[int, int, int]:
    """Return (pid, uid, gid) of the process at the other end, as the kernel vouches for it."""
    pid, uid, gid = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid, gid


def list_peer_uids(user: str) -> frozenset[int]:
    """Return the uids that may be a peer: root's, this process's own, and that of ``user``. An empty name adds none."""
    return frozenset({0, os.getuid(), *({pwd.getpwnam(user).pw_uid} if user else ())})


def listen(path: Path, kind: socket.SocketKind, mode: int) -> socket.socket:
    """Bind a UNIX socket in place of one that no process serves any more. Raises AlreadyRunning where one does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    probe = socket.socket(socket.AF_UNIX, kind)
    try:
        probe.connect(str(path))
        raise AlreadyRunning(path)
    except (FileNotFoundError, ConnectionRefusedError):
        path.unlink(missing_ok=True)
    finally:
        probe.close()
    server = socket.socket(socket.AF_UNIX, kind)
    server.bind(str(path))
    path.chmod(mode)
    server.listen(BACKLOG)
    server.setblocking(False)
    return server
