# SPDX-License-Identifier: Apache-2.0
"""How a file is opened that somebody names: only where it is one, and not longer than what belongs there can be.

Whoever opens a pipe waits, and a device has no end. Before a file is opened it is looked at, because opening alone sets
some devices going; and after, because what has the name may have changed in between. Every reader of edge-gate comes
through here; tests/unit/test_plain_files.py lists the few that cannot.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Final

ANY_LENGTH: Final = 2**63
"""For what is read a piece at a time and grows with the site: the store."""


def open_plain(path: Path, most: int) -> BufferedReader:
    """Open a file of at most so many bytes to be read. Raises OSError, also for what is no file or is longer."""
    descriptor = open_descriptor(path, most)
    try:
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def open_descriptor(path: Path, most: int, *, follow: bool = True) -> int:
    """Return the descriptor of such a file. Without ``follow`` a link is no file. Raises OSError."""
    _check(path, path.stat(follow_symlinks=follow), most)
    links = 0 if follow else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | links)
    try:
        _check(path, os.fstat(descriptor), most)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_plain(path: Path, most: int) -> bytes:
    """Return what a file holds. Raises OSError, or ValueError where it has more bytes or no possible name."""
    with open_plain(path, ANY_LENGTH) as file:
        content = file.read(most + 1)
    if content is None:  # such as /proc/kmsg, which looks like a file
        raise OSError(errno.EINVAL, "it is no file", str(path))
    if len(content) > most:
        raise ValueError(f"it is longer than {most} bytes")
    return content


def _check(path: Path, found: os.stat_result, most: int) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no file", str(path))
    if found.st_size > most:
        raise OSError(errno.EFBIG, f"it has {found.st_size:,} bytes, and {most:,} are the most", str(path))
