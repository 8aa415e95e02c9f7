# SPDX-License-Identifier: Apache-2.0
"""A file system in memory that forgets what a power cut would: run it as ``power_cut_fs.py MOUNTPOINT CUTS``.

It keeps two worlds. Programs see the first at once. The second is what a disk is bound to hold: a file's bytes since
its last fsync, a folder's names since the folder's last fsync. Before each change to the first world it writes into
``CUTS/NUMBER/`` what a disk might hold if the power went right then, in three turns:

- nothing but what was synced (the harshest disk that POSIX allows);
- everything (as if a crash took the program alone);
- of each file any mixture of old and new 512-byte sectors and of old and new length, and any first part of the
  changes of names: a disk that reorders and tears writes.

A file named ``acknowledged`` stands for the world outside, which no power cut undoes: each cut holds it was.
One folder, no subfolders; needs fuse3 and mfusepy.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import stat
import sys
from pathlib import Path
from typing import Any

import mfusepy

ACKNOWLEDGED = "acknowledged"
SECTOR = 512


INODES = itertools.count(2)


class Inode:
    """A file's bytes: those that programs see, and those that the disk is bound to hold."""

    def __init__(self, mode: int, *, on_disk: bool) -> None:
        self.mode = mode
        self.number = next(INODES)
        self.on_disk = on_disk
        self.seen = bytearray()
        self.synced = b""

    def write(self, data: bytes, offset: int) -> None:
        self.resize(max(len(self.seen), offset))
        self.seen[offset : offset + len(data)] = data

    def resize(self, length: int) -> None:
        del self.seen[length:]
        self.seen.extend(bytes(length - len(self.seen)))

    def mixture(self, chance: random.Random) -> bytes:
        length = chance.choice((len(self.seen), len(self.synced)))
        sectors = (
            chance.choice((self.seen, self.synced))[start : min(start + SECTOR, length)].ljust(
                min(SECTOR, length - start), b"\0"
            )
            for start in range(0, length, SECTOR)
        )
        return b"".join(sectors)


class PowerCutFileSystem(mfusepy.Operations):  # type: ignore[misc]
    """The two worlds, and the record of what each cut would leave."""

    use_ns = True

    def __init__(self, cuts: Path) -> None:
        self.cuts = cuts
        self.numbers = itertools.count()
        self.chance = random.Random(20260301)
        self.seen: dict[str, Inode] = {}
        self.synced: dict[str, Inode] = {}
        self.unsynced_names: list[dict[str, Inode | None]] = []
        self.open_files: dict[int, Inode] = {}
        self.handles = itertools.count(1)

    # --- what a cut leaves -------------------------------------------------------------------------------------------
    def cut(self) -> None:
        """Write down what the disk may hold if the power goes now."""
        number = next(self.numbers)
        folder = self.cuts / f"{number:05d}"
        folder.mkdir()
        survives = number % 3
        changes = (0, len(self.unsynced_names), self.chance.randint(0, len(self.unsynced_names)))[survives]
        names = dict(self.synced)
        for change in self.unsynced_names[:changes]:
            self._apply(names, change)
        for name, inode in names.items():
            held = (inode.synced, bytes(inode.seen), inode.mixture(self.chance))[survives]
            (folder / name).write_bytes(held)
            (folder / name).chmod(inode.mode & 0o777)
        if outside := self.seen.get(ACKNOWLEDGED):
            (folder / ACKNOWLEDGED).write_bytes(outside.seen)

    @staticmethod
    def _apply(names: dict[str, Inode], change: dict[str, Inode | None]) -> None:
        """Do one change of names, which may be of two at once: a rename is not torn (POSIX, rename)."""
        for name, inode in change.items():
            if inode is None:
                names.pop(name, None)
            else:
                names[name] = inode

    def _change_names(self, change: dict[str, Inode | None]) -> None:
        if ACKNOWLEDGED not in change:
            self.cut()
            self.unsynced_names.append(change)
        self._apply(self.seen, change)

    # --- what programs ask -------------------------------------------------------------------------------------------
    def _find(self, path: str) -> Inode:
        try:
            return self.seen[path[1:]]
        except KeyError:
            raise mfusepy.FuseOSError(errno.ENOENT) from None

    def _handle(self, inode: Inode) -> int:
        handle = next(self.handles)
        self.open_files[handle] = inode
        return handle

    def _file(self, fh: int | None, path: str | None) -> Inode:
        """Return the open file, which may have lost its name, or the one of this name."""
        return self.open_files[fh] if fh in self.open_files else self._find(path or "")

    def _changing(self, fh: int | None, path: str | None) -> Inode:
        inode = self._file(fh, path)
        if inode.on_disk:
            self.cut()
        return inode

    def getattr(self, path: str | None, fh: int | None = None) -> dict[str, Any]:
        owner = {"st_uid": os.getuid(), "st_gid": os.getgid(), "st_atime": 0, "st_mtime": 0, "st_ctime": 0}
        if path == "/":
            return owner | {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2, "st_size": 0}
        inode = self._file(fh, path)
        owner["st_ino"] = inode.number  # two names of one file have one number
        return owner | {"st_mode": stat.S_IFREG | inode.mode & 0o777, "st_nlink": 1, "st_size": len(inode.seen)}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *self.seen]

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        # SQLite's shared memory is no disk either: it is made anew from the log after each start.
        inode = Inode(mode, on_disk=not path.endswith(("-shm", ACKNOWLEDGED)))
        self._change_names({path[1:]: inode})
        return self._handle(inode)

    def open(self, path: str, flags: int) -> int:
        return self._handle(self._find(path))

    def release(self, path: str | None, fh: int) -> int:
        self.open_files.pop(fh, None)
        return 0

    def read(self, path: str | None, size: int, offset: int, fh: int) -> bytes:
        return bytes(self.open_files[fh].seen[offset : offset + size])

    def write(self, path: str | None, data: bytes, offset: int, fh: int) -> int:
        self._changing(fh, path).write(data, offset)
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._changing(fh, path).resize(length)
        return 0

    def fsync(self, path: str | None, datasync: int, fh: int) -> int:
        inode = self._changing(fh, path)
        inode.synced = bytes(inode.seen)
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self.cut()
        self.synced = {name: inode for name, inode in self.seen.items() if name != ACKNOWLEDGED}
        self.unsynced_names.clear()
        return 0

    def link(self, target: str, source: str) -> int:
        self._change_names({target[1:]: self._find(source)})
        return 0

    def rename(self, old: str, new: str) -> int:
        self._change_names({new[1:]: self._find(old), old[1:]: None})
        return 0

    def unlink(self, path: str) -> int:
        self._find(path)
        self._change_names({path[1:]: None})
        return 0

    def chmod(self, path: str, mode: int) -> int:
        self._find(path).mode = mode
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        plenty = 1 << 20
        return {"f_bsize": 4096, "f_frsize": 4096, "f_blocks": plenty, "f_bfree": plenty, "f_bavail": plenty}


if __name__ == "__main__":
    mfusepy.FUSE(
        PowerCutFileSystem(Path(sys.argv[2])),
        sys.argv[1],
        foreground=True,
        nothreads=True,
        hard_remove=True,
        use_ino=True,
        attr_timeout=0,
        entry_timeout=0,
    )
