# SPDX-License-Identifier: Apache-2.0
"""What each process may still do once it is sealed, as data.

Files are allowed by name (Landlock), system calls are denied by name (seccomp). For files an allow-list is exact and
short. For system calls systemd's allow-list is the outer wall; in here, where the same program has to run on two
architectures and with whatever its libraries' next version calls, a list of what must never be is the one that does not
break a door. Every denial is EPERM, an error that the program can report, except where glibc has to be told that a call
does not exist so that it takes an older one whose arguments a filter can see.
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import edge_gate
from edge_gate.provenance import cards
from edge_gate.settings.camera import parse_recording
from edge_gate.settings.config import Config

Operator = Literal["is", "is not", "has", "lacks"]


@dataclass(frozen=True, slots=True)
class Denied:
    """A system call that is refused; with ``tests`` (argument, operator, number) only where all of them hold."""

    call: str
    tests: tuple[tuple[int, Operator, int], ...] = ()
    number: int = errno.EPERM


@dataclass(frozen=True, slots=True)
class SandboxPolicy:
    """One process. ``readable`` and ``writable`` are files and folders with all that is in them; in ``writable`` plain
    files may be made and removed too. ``devices``: may be read, written and controlled, but not made. ``sockets``:
    folders in which sockets may be made and removed, and nothing else."""

    name: str
    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    devices: tuple[Path, ...]
    denied: tuple[Denied, ...]
    sockets: tuple[Path, ...] = ()


def _each(*calls: str) -> tuple[Denied, ...]:
    return tuple(Denied(call) for call in calls)


_CLONE_THREAD: Final = 0x10000
_SHM_EXEC: Final = 0o100000
_PR_SET_DUMPABLE: Final = 4
_PR_SET_PTRACER: Final = 0x59616D61
_W_AND_X: Final = mmap.PROT_WRITE | mmap.PROT_EXEC

NO_NETWORK: Final = (
    Denied("socket", ((0, "is not", socket.AF_UNIX),)),
    Denied("socketpair", ((0, "is not", socket.AF_UNIX),)),
    *_each("io_uring_setup", "io_uring_enter", "io_uring_register"),  # would do I/O past any filter
)
NO_PROGRAM: Final = (
    *_each("execve", "execveat", "fork", "vfork"),
    Denied("clone", ((0, "lacks", _CLONE_THREAD),)),
    Denied("clone3", number=errno.ENOSYS),
)
NO_OTHER_PROCESS: Final = _each(
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd", "pidfd_send_signal"
)
# Each may be aimed at any process of the same user. The units deny them too.
NO_OTHERS_PACE: Final = _each(
    "setpriority", "ioprio_set", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler",
    "migrate_pages", "move_pages",
)  # fmt: skip
NO_WAY_BACK: Final = (
    Denied("prctl", ((0, "is", _PR_SET_DUMPABLE),)),
    Denied("prctl", ((0, "is", _PR_SET_PTRACER),)),
    Denied("prlimit64", ((2, "is not", 0),)),
    *_each("setrlimit", "munlock", "munlockall"),
)
NO_NEW_CODE: Final = (
    Denied("mmap", ((2, "has", _W_AND_X),)),
    Denied("mprotect", ((2, "has", mmap.PROT_EXEC),)),
    Denied("pkey_mprotect", ((2, "has", mmap.PROT_EXEC),)),
    Denied("shmat", ((2, "has", _SHM_EXEC),)),
    *_each("personality"),
)
NO_SYSTEM: Final = _each(
    "bpf", "perf_event_open", "userfaultfd", "add_key", "request_key", "keyctl", "mount", "umount2", "move_mount",
    "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "pivot_root", "chroot", "unshare", "setns",
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "swapon", "swapoff", "reboot",
    "name_to_handle_at", "open_by_handle_at", "mknod", "mknodat", "quotactl", "acct", "syslog", "sethostname",
    "setdomainname", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime",
)  # fmt: skip
# The eye makes no file, changes none, and calls rather than being called. O_TMPFILE has no bit that O_CREAT has. What
# shmget and its like make is bound by no limit of a process, and outlives it.
NO_NEW_FILE: Final = (
    Denied("open", ((1, "has", os.O_CREAT),)),
    Denied("openat", ((2, "has", os.O_CREAT),)),
    Denied("open", ((1, "has", os.O_TMPFILE),)),
    Denied("openat", ((2, "has", os.O_TMPFILE),)),
    Denied("openat2", number=errno.ENOSYS),
    *_each(
        "creat", "mkdir", "mkdirat", "rmdir", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "rename",
        "renameat", "renameat2", "truncate", "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat",
        "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr", "utime", "utimes",
        "utimensat", "futimesat", "bind", "listen", "accept", "accept4", "kill", "mq_open", "msgget", "semget",
        "shmget",
    ),
)  # fmt: skip
COMMON: Final = (
    *(*NO_NETWORK, *NO_PROGRAM, *NO_OTHER_PROCESS, *NO_OTHERS_PACE),
    *(*NO_WAY_BACK, *NO_NEW_CODE, *NO_SYSTEM),
)

DEV: Final = Path("/dev")
HARMLESS_DEVICES: Final = tuple(Path("/dev", name) for name in ("null", "zero", "random", "urandom"))
# What a processor's and a camera's libraries look up: what machine this is, and which cameras there are.
MACHINE: Final = tuple(
    map(Path, ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys", "/run/udev", "/etc/libcamera"))
)
LOOKED_UP: Final = tuple(map(Path, ("/etc/ld.so.cache", "/etc/localtime", "/etc/timezone")))
# Cameras of these drivers are no devices.
WITHOUT_DEVICE: Final = ("replay", "demo-street")


def programs() -> tuple[Path, ...]:
    """Return where programs and libraries are: for what is imported late."""
    installed = {Path(sys.prefix), Path(sys.base_prefix), Path(edge_gate.__file__).parent}
    return (Path("/usr"), Path("/lib"), Path("/lib64"), *sorted(installed))


def eye(settings: Config) -> SandboxPolicy:
    """Return the eye's policy: it reads programs, models and cameras, and writes to nothing but a camera's device.

    A camera that is plugged in later is another file, so where there is one all of /dev may be opened; which device is
    a camera is for the user's rights and the unit's DevicePolicy= to say. A file that lies in /dev/shm already could
    then be changed too. The unit closes that folder; at a desk nothing does.
    """
    cameras = [each for each in (settings.camera, settings.infrared) if each.driver]
    recordings = [parse_recording(each.source).path for each in cameras if each.driver in WITHOUT_DEVICE]
    models = cards.folder(settings.models.folder)
    return SandboxPolicy(
        name="eye",
        readable=(*programs(), *MACHINE, *LOOKED_UP, models, *recordings),
        writable=(),
        devices=HARMLESS_DEVICES if len(recordings) == len(cameras) else (DEV,),
        denied=(*COMMON, *NO_NEW_FILE),
    )


def gate(settings: Config) -> SandboxPolicy:
    """Return the gate's policy: it reads programs, /etc (who calls is looked up there), models' cards, its store, and
    writes the store's folder and the relay's port, which may be unplugged and come back as another file of /dev. It
    listens where its two sockets are to be."""
    return SandboxPolicy(
        name="gate",
        readable=(*programs(), Path("/etc"), Path("/proc/self"), cards.folder(settings.models.folder)),
        writable=(settings.store.path.absolute().parent,),
        devices=(DEV,),
        denied=COMMON,
        sockets=tuple(each.absolute().parent for each in (settings.sockets.control, settings.sockets.eye)),
    )
