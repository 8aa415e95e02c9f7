# SPDX-License-Identifier: Apache-2.0
"""A program that floods one of the gate's sockets until it is ended; tests/system/test_floods.py starts several.

    python flooder.py HOW SOCKET UID GID

Needs nothing but the standard library: it becomes another user before it begins. It ends by itself after a minute.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress

LASTS_S = 60
ASKED = (
    {"verb": "store-check"},
    {"verb": "events", "limit": 500},
    {"verb": "residents"},
    {"verb": "status"},
)


def dial(path: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Connect; where nobody accepts fast enough, try again."""
    while True:
        connection = socket.socket(socket.AF_UNIX, kind)
        try:
            connection.connect(path)
        except OSError as error:
            connection.close()
            if error.errno not in (errno.EAGAIN, errno.ECONNREFUSED, errno.EINTR):
                raise
            time.sleep(0.001)
        else:
            return connection


def requests(path: str) -> None:
    """Ask for what is expensive as fast as it is answered, hundreds of requests at a time."""
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in ASKED) * 100
    with dial(path) as connection:
        connection.setblocking(False)
        waiting = b""
        while True:
            waiting = waiting or lines
            with suppress(BlockingIOError):
                waiting = waiting[connection.send(waiting) :]
            with suppress(BlockingIOError):
                if not connection.recv(1 << 20):
                    return
            time.sleep(0)


def changes(path: str) -> None:
    """Ask for what leaves rows, as fast as it is answered."""
    _repeat(path, "pause", "resume")


def signing(path: str) -> None:
    """Have the log signed, with a row for each time, as fast as it is answered."""
    _repeat(path, "audit-checkpoint")


def _repeat(path: str, *verbs: str) -> None:
    with dial(path) as connection, connection.makefile("rb") as answers:
        for verb in itertools.cycle(verbs):
            connection.sendall(json.dumps({"verb": verb}).encode() + b"\n")
            if not answers.readline():
                return


def deaf(path: str) -> None:
    """Ask for long answers and never read one."""
    with dial(path) as connection:
        while True:
            connection.sendall(b'{"verb": "events", "limit": 500}\n' * 100)


def slow(path: str) -> None:
    """Take every place there is, and then say a byte a second."""
    held: list[socket.socket] = []
    while True:
        held = [*held, dial(path)][-32:]
        for each in held:
            with suppress(OSError):
                each.send(b"{")
        time.sleep(0.05)


def oversize(path: str) -> None:
    """Say a line that never ends."""
    with dial(path) as connection:
        while True:
            connection.sendall(b"x" * 65_536)


def knocking(path: str) -> None:
    """Come, ask, and be turned away, as often as possible."""
    while True:
        with dial(path) as connection:
            connection.sendall(b'{"verb": "status"}\n')
            connection.recv(4096)


def auditor(path: str) -> None:
    """Be no flood, but somebody who wants to know how the gate is; print how many seconds each answer took."""
    while True:
        began = time.monotonic()
        with dial(path) as connection, connection.makefile("rb") as answers:
            connection.sendall(b'{"verb": "status"}\n')
            answer = json.loads(answers.readline())
        print(f"{time.monotonic() - began:.3f}" if "ok" in answer else answer["error"]["message"], flush=True)
        time.sleep(0.1)


def eyes(path: str) -> None:
    """Be a second eye, again and again."""
    while True:
        dial(path, socket.SOCK_SEQPACKET).close()


def garbage(path: str) -> None:
    """Be the eye, and talk rubbish; when hung up on, come again."""
    while True:
        with dial(path, socket.SOCK_SEQPACKET) as connection:
            for size in (344, 64, 16, 1, 4096, 345):
                connection.send(b"EG\x01\x06\x01" + random.randbytes(size)[5:])


def too_many(path: str) -> None:
    """Be the eye, and say well formed things all the time; when hung up on, come again."""
    layout = struct.Struct("<2sBBB x H 5Q 4f BB 2H 2x")
    with dial(path, socket.SOCK_SEQPACKET) as connection:
        *_, order, eye = struct.unpack("<2sBBB B H Q", connection.recv(64).ljust(16, b"\0"))
        for number in itertools.count(1):
            now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            figures = (15.0, 8.0, 12.0, 0.4, 1 + number % 5, 0, 15, 0)
            connection.send(layout.pack(b"EG", 1, 6, 2, order, eye, number, now, 9, 0, *figures))


HOW: dict[str, Callable[[str], None]] = {
    each.__name__: each
    for each in (requests, changes, signing, deaf, slow, oversize, knocking, auditor, eyes, garbage, too_many)
}


def main() -> None:
    """Flood until the time is over or somebody ends it; begin anew whenever the gate hung up."""
    name, path, uid, gid = sys.argv[1:]
    if int(uid):
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    signal.alarm(LASTS_S)
    print("began", flush=True)
    while True:
        with suppress(ConnectionError):
            HOW[name](path)


if __name__ == "__main__":
    main()
