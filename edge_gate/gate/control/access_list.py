# SPDX-License-Identifier: Apache-2.0
"""Lets the groups that have a role reach the control socket, and nobody else: an access list on folder and socket.

The folder and the socket belong to one group, the operators'; the others are added as POSIX access list entries
(acl(5)), which the owner of a file may set without any right of root's. Who is not on the list is stopped by the
kernel; who is on it is judged again, by name, when they call (authorisation/roles.py).
"""

from __future__ import annotations

import grp
import logging
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

# linux/posix_acl_xattr.h: a version, then (tag, permissions, id) for each entry, sorted by tag and id.
_NAME: Final = "system.posix_acl_access"
_VERSION: Final = struct.pack("<I", 2)
_ENTRY: Final = struct.Struct("<HHI")
_OWNER, _OWNING_GROUP, _GROUP, _MASK, _OTHERS = 0x01, 0x04, 0x08, 0x10, 0x20
_NOBODY: Final = 0xFFFFFFFF
_ENTER, _READ_WRITE = 1, 6
_log = logging.getLogger(__name__)


def set_access_list(socket: Path, groups: Iterable[str]) -> None:
    """Let the members of these groups enter the socket's folder and connect to it. Groups that do not exist are left
    out; where there are no access lists, or the folder is another's, the log says so and only its group gets in."""
    numbers = sorted({number for group in groups if (number := _number(group)) is not None})
    if not numbers:
        return
    for path, permissions in ((socket.parent, _ENTER), (socket, _READ_WRITE)):
        try:
            os.setxattr(path, _NAME, _listed(_mode(path), numbers, permissions))
        except OSError as error:
            _log.warning("%s: no access list could be set (%s); only its own group can call", path, error.strerror)


def _listed(mode: int, groups: list[int], permissions: int) -> bytes:
    owner, group, others = mode >> 6 & 7, mode >> 3 & 7, mode & 7
    entries = [
        (_OWNER, owner, _NOBODY),
        (_OWNING_GROUP, group, _NOBODY),
        *((_GROUP, permissions, number) for number in groups),
        (_MASK, group | permissions, _NOBODY),
        (_OTHERS, others, _NOBODY),
    ]
    return _VERSION + b"".join(_ENTRY.pack(*entry) for entry in entries)


def _mode(path: Path) -> int:
    """Return a file's mode with the rights of its own group; where there is a list already the mode shows its mask."""
    mode = stat.S_IMODE(path.stat().st_mode)
    try:
        entries = _ENTRY.iter_unpack(os.getxattr(path, _NAME)[len(_VERSION) :])
    except OSError:  # there is none
        return mode
    group = next(int(permissions) for tag, permissions, _ in entries if tag == _OWNING_GROUP)
    return mode & ~0o070 | group << 3


def _number(group: str) -> int | None:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None
