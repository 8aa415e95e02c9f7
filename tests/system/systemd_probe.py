# SPDX-License-Identifier: Apache-2.0
"""Runs inside a unit's sandbox, in the place of its program, tries what it must not be able to do, and prints JSON."""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import shutil
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

FAMILIES = ("AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_UNIX")
FILES = (
    "/var/lib/edge-gate/edge-gate.db",
    "/etc/edge-gate/store-key.cred",
    "/etc/edge-gate/edge-gate.toml",
    "/proc/cpuinfo",
)
FOLDERS = ("/dev/shm", "/tmp", "/var/lib/edge-gate")


def outcome(attempt: Callable[[], object]) -> str:
    """Return "done", or the name of the error."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "done"


def writable() -> list[str]:
    """Return every folder in sight in which something could be made, and every file that could be changed.

    access(2) answers for this process as it is: user, mounts, all.
    """
    found = []
    for folder, folders, files in os.walk("/"):
        folders[:] = [] if folder in ("/proc", "/sys", "/dev") else folders
        for place in (Path(folder), *(Path(folder, name) for name in files)):
            if not place.is_symlink() and os.access(place, os.W_OK):
                found.append(str(place))
    return sorted(found)


def write_and_execute() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)


def run_what_it_wrote(folder: str) -> None:
    program = Path(folder, "probe-program")
    try:
        shutil.copy("/usr/bin/true", program)
        program.chmod(0o700)
        os.waitpid(os.posix_spawn(program, [str(program)], {}), 0)
    finally:
        program.unlink(missing_ok=True)


def ptrace() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def call(path: str) -> None:
    kind = socket.SOCK_SEQPACKET if "eye" in path else socket.SOCK_STREAM
    with socket.socket(socket.AF_UNIX, kind) as connection:
        connection.connect(path)


def main() -> None:
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    found = {
        "writable": writable(),
        "read": {file: outcome(Path(file).read_bytes) for file in FILES},
        "call": {name: outcome(partial(call, f"/run/edge-gate/{name}/{name}.sock")) for name in ("eye", "control")},
        "socket": {name: outcome(partial(socket.socket, getattr(socket, name))) for name in FAMILIES},
        "write and execute": outcome(write_and_execute),
        "run": {folder: outcome(partial(run_what_it_wrote, folder)) for folder in FOLDERS},
        "ptrace": outcome(ptrace),
        "devices": sorted(each.name for each in Path("/dev").iterdir()),
        "status": {name: status[name] for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "Uid")},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
