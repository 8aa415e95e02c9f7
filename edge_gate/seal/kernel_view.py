# SPDX-License-Identifier: Apache-2.0
"""What the kernel says from outside of the walls around a running process.

What a process says of its own walls is its word (hardening.py). What stands here is read from /proc (proc(5)) and the
control groups, and a process that was taken over cannot change it. Most of it takes root: the memory of a sealed
process is closed to everybody else, and with it what /proc says of its open files. The kernel does not tell of
Landlock, nor of a unit's list of devices.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# File systems in which nothing is stored: what is written there goes to the kernel or a device, or is refused by it.
_KERNEL: Final = frozenset(
    ("proc", "sysfs", "cgroup2", "cgroup", "devpts", "mqueue", "hugetlbfs", "bpf", "securityfs", "debugfs", "tracefs")
)


@dataclass(frozen=True, slots=True)
class Observed:
    """One wall. ``stands`` is None where it cannot be told from here, and ``text`` says why."""

    wall: str
    stands: bool | None
    text: str


def observe(pid: int, may_write: tuple[Path, ...]) -> Iterator[Observed]:
    """Yield every wall around a process that may store files below ``may_write`` and nowhere else."""
    yield _tried("rights", lambda: _rights(pid))
    yield _tried("system calls", lambda: _calls(pid))
    yield _tried("network", lambda: _network(pid))
    yield _tried("files", lambda: _mounts(pid, may_write))
    yield _tried("open files", lambda: _open_files(pid, may_write))
    yield _tried("core dumps", lambda: _dumps(pid))
    yield _tried("swap", lambda: _swap(pid))
    yield _tried("memory", lambda: _memory(pid))


def unit(pid: int) -> str:
    """Return the systemd unit that a process belongs to, or "" for none."""
    name = _cgroup(pid).name
    return name if name.endswith(".service") else ""


def _tried(wall: str, look: Callable[[], tuple[bool | None, str]]) -> Observed:
    try:
        return Observed(wall, *look())
    except PermissionError:
        return Observed(wall, None, "only root can tell")
    except (OSError, KeyError, ValueError) as error:
        return Observed(wall, None, f"the kernel did not say: {error}")


def _fields(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _rights(pid: int) -> tuple[bool, str]:
    fields = _fields(pid)
    kept = [name for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb") if int(fields[name], 16)]
    wrong = ["it runs as root"] if "0" in fields["Uid"].split() else []
    wrong += [f"it could get capabilities ({', '.join(kept)})"] if kept else []
    wrong += ["programs could gain privileges"] if fields["NoNewPrivs"] != "1" else []
    return not wrong, "; ".join(wrong) or "not root, no capabilities, no new privileges"


def _calls(pid: int) -> tuple[bool, str]:
    fields = _fields(pid)
    filtered = fields["Seccomp"] == "2"
    return filtered, f"filters: {fields.get('Seccomp_filters', 'some')}" if filtered else "no filter"


def _network(pid: int) -> tuple[bool, str]:
    lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    others = sorted({line.partition(":")[0].strip() for line in lines} - {"lo"})
    return not others, f"it sees {', '.join(others)}" if others else "none but the loopback of its own"


def _dumps(pid: int) -> tuple[bool, str]:
    """A process that may not be dumped shows its folder in /proc as root's (PR_SET_DUMPABLE(2const))."""
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    soft = next(line for line in limits if line.startswith("Max core file size")).split()[4]
    own = Path(f"/proc/{pid}/status").stat().st_uid != 0
    wrong = [f"the limit is {soft}"] if soft != "0" else []
    wrong += ["its memory is open to its own user"] if own else []
    return not wrong, "; ".join(wrong) or "limit 0, and its memory is closed to all but root"


def _swap(pid: int) -> tuple[bool, str]:
    fields = _fields(pid)
    swapped, locked = (int(fields[name].split()[0]) for name in ("VmSwap", "VmLck"))
    if swapped:
        return False, f"{swapped} kB are swapped out"
    if locked:
        return True, "its memory is locked"
    if _limit(pid, "memory.swap.max") == "0":
        return True, "its unit may not use any"
    lines = Path("/proc/swaps").read_text().splitlines()[1:]
    on_disk = [name for name in (line.split()[0] for line in lines) if not name.startswith("/dev/zram")]
    return not on_disk, f"its memory may go to {', '.join(on_disk)}" if on_disk else "this machine has none on a disk"


def _memory(pid: int) -> tuple[bool | None, str]:
    limit = _limit(pid, "memory.max")
    if limit is None:
        return None, "this kernel does not limit it; cgroup_enable=memory on its command line lets it"
    return limit != "max", "no limit" if limit == "max" else f"at most {int(limit) >> 20} MiB"


def _limit(pid: int, name: str) -> str | None:
    file = Path("/sys/fs/cgroup", *_cgroup(pid).parts[1:], name)
    return file.read_text().strip() if file.exists() else None


def _cgroup(pid: int) -> Path:
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return Path(next((line.split(":", 2)[2] for line in lines if line.startswith("0::")), "/"))


def _mounts(pid: int, may_write: tuple[Path, ...]) -> tuple[bool, str]:
    """Judge the mounts that it sees. A line: id, parent's id, device, root, point, options ... - kind, source, options.

    A mount whose child has the same point is covered and cannot be reached.
    """
    wrong = []
    lines = [line.partition(" - ") for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    covered = {(before.split()[1], before.split()[4]) for before, _, _ in lines}
    for before, _, after in lines:
        number, _, device, _, point, options = before.split()[:6]
        kind, _, whole = after.split(" ", 2)
        writable = "rw" in options.split(",") and "rw" in whole.split(",")
        if kind in _KERNEL or not writable or (number, point) in covered:
            continue
        path = point.encode().decode("unicode_escape")
        if not _below(Path(path), may_write) and _may_write(pid, path, device, kind):
            wrong.append(path)
    kept = f"written only below {', '.join(map(str, may_write))}" if may_write else "none can be written"
    return not wrong, f"mounted for writing: {', '.join(dict.fromkeys(wrong))}" if wrong else kept


def _may_write(pid: int, path: str, device: str, kind: str) -> bool:
    """Tell whether something can be stored in a mount. One below another that covers it cannot be reached; one in
    memory holds what systemd put there, so its top folder's mode decides; of one on a disk nobody knows what is in it.
    """
    found = Path(f"/proc/{pid}/root{path}").stat()
    if device != f"{os.major(found.st_dev)}:{os.minor(found.st_dev)}":
        return False
    if kind not in ("tmpfs", "devtmpfs"):
        return True
    fields = _fields(pid)
    user, groups = fields["Uid"].split()[1], {fields["Gid"].split()[1], *fields["Groups"].split()}
    rights = 0o002 | (0o200 if user == str(found.st_uid) else 0) | (0o020 if str(found.st_gid) in groups else 0)
    return user == "0" or bool(found.st_mode & rights)


def _open_files(pid: int, may_write: tuple[Path, ...]) -> tuple[bool, str]:
    """Judge what it holds open at this moment: files that it could write to, by the flags of their descriptors."""
    wrong = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found, target = each.stat(), each.readlink()
            lines = Path(f"/proc/{pid}/fdinfo/{each.name}").read_text().splitlines()
        except FileNotFoundError:  # closed in the meantime
            continue
        flags = int(next(line for line in lines if line.startswith("flags:")).split()[1], 8)
        if stat.S_ISREG(found.st_mode) and flags & os.O_ACCMODE != os.O_RDONLY and not _below(target, may_write):
            wrong.append(str(target))
    return not wrong, f"it could write to {', '.join(sorted(wrong))}" if wrong else "none that it should not write to"


def _below(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
