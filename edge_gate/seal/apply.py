# SPDX-License-Identifier: Apache-2.0
"""Builds the walls around the process that calls, for good.

To be called while it has one thread: Landlock binds the calling thread and those that it will start. seccomp is told to
bind all.
"""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import resource
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from edge_gate.core.errors import NotSealed
from edge_gate.seal.hardening import Hardening, Sealed, titles
from edge_gate.seal.policy import Denied, SandboxPolicy

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_DUMPABLE: Final = 4
_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
_MCL_ONFAULT: Final = 4  # lock what is used, when it is used: without it every reserved address would become memory
_TCP_ABI: Final = 4
_SCOPE_ABI: Final = 6
_STDERR: Final = 2
_log = logging.getLogger(__name__)


def seal(policy: SandboxPolicy) -> Sealed:
    """Build every wall that can be built, and return which stand."""
    library = _libseccomp()  # while it can still be looked up
    standing, failed = Hardening(0), dict[Hardening, str]()
    lacking = _landlock_lacks() | _locking_lacks()
    landlock = Hardening.FILES | Hardening.TCP | Hardening.SCOPE
    steps: tuple[tuple[Hardening, Callable[[], None]], ...] = (
        (Hardening.PRIVILEGES, _no_new_privileges),
        (Hardening.DUMP, _no_dump),
        (Hardening.SWAP, _no_swap),
        (landlock, lambda: _landlock(policy)),
        (Hardening.CALLS, lambda: _seccomp(policy, library)),
    )
    for walls, build in steps:
        wanted = [each for each in walls if each not in lacking]
        if not wanted:
            continue
        try:
            build()
        except (OSError, RuntimeError) as error:
            failed |= dict.fromkeys(wanted, str(error))
        else:
            for each in wanted:
                standing |= each
    return Sealed(standing, lacking, failed)


def enforce(policy: SandboxPolicy, required: bool) -> Sealed:
    """Seal, and tell the log how far that went. Raises NotSealed where a wall failed and ``required`` says that none
    may; a wall that is not to be had here is told but is no failure."""
    done = seal(policy)
    _log.info("the %s is sealed: %s", policy.name, ", ".join(titles(done.standing)) or "not at all")
    for wall, why in done.lacking.items():
        _log.warning("the wall %r is not to be had here: %s", wall.title, why)
    for wall, why in done.failed.items():
        _log.warning("the wall %r could not be built: %s", wall.title, why)
    _insist(policy, done, required)
    return done


def confine(policy: SandboxPolicy, required: bool) -> None:
    """Do the same without a word, for a copy of a process that tells for itself. Raises NotSealed."""
    _insist(policy, seal(policy), required)


def _insist(policy: SandboxPolicy, done: Sealed, required: bool) -> None:
    if required and done.failed:
        raise NotSealed(policy.name, "; ".join(f"{wall.title}: {why}" for wall, why in done.failed.items()))


def keep_in_memory() -> None:
    """Keep what this process knows out of core dumps and, where it may, out of swap, for a program that has a secret
    for a moment. What cannot be had is told to the log."""
    for lacks, build in (({}, _no_dump), (_locking_lacks(), _no_swap)):
        try:
            if lacks:
                raise OSError(next(iter(lacks.values())))
            build()
        except OSError as error:
            _log.warning("%s", error)


def _no_new_privileges() -> None:
    _called("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _no_dump() -> None:
    _called("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)
    if resource.getrlimit(resource.RLIMIT_CORE) != (0, 0):  # where the unit has set it, setting it is refused
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _no_swap() -> None:
    _called("mlockall", _MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)


def _locking_lacks() -> dict[Hardening, str]:
    """Return why memory may not be locked, if so. A limit would be used up one day, and allocations fail at night."""
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY or _may_lock():
        return {}
    return {Hardening.SWAP: "memory may be locked up to a limit only; LimitMEMLOCK=infinity"}


def _may_lock() -> bool:
    """Tell whether this process has CAP_IPC_LOCK, which no limit binds (capabilities(7): number 14)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return bool(effective >> 14 & 1)


def _called(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*(ctypes.c_ulong(each) for each in arguments)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _landlock_lacks() -> dict[Hardening, str]:
    """Return which walls of Landlock this kernel does not have, and why."""
    import py_landlock

    try:
        abi = int(py_landlock.get_abi_version())
    except py_landlock.LandlockNotAvailableError:
        return dict.fromkeys((Hardening.FILES, Hardening.TCP, Hardening.SCOPE), "it was built without Landlock")
    except py_landlock.LandlockDisabledError:
        return dict.fromkeys(
            (Hardening.FILES, Hardening.TCP, Hardening.SCOPE), "Landlock is off; boot it with lsm=landlock,..."
        )
    except py_landlock.LandlockError:
        return {}  # the kernel has it, and something around this process refuses it: building it will say so
    since = {Hardening.TCP: _TCP_ABI, Hardening.SCOPE: _SCOPE_ABI}
    return {wall: f"it has Landlock {abi}, this needs {need}" for wall, need in since.items() if abi < need}


def _landlock(policy: SandboxPolicy) -> None:
    import py_landlock
    from py_landlock import AccessFs, Landlock, Scope

    if (threads := len(list(Path("/proc/self/task").iterdir()))) != 1:
        raise RuntimeError(f"{threads} threads run already, and Landlock would bind one")
    if way := _way_out(policy):
        raise RuntimeError(f"{way} is open already, and Landlock binds only what is opened later")
    read = AccessFs.READ_FILE | AccessFs.READ_DIR
    write = AccessFs.WRITE_FILE | AccessFs.TRUNCATE | AccessFs.MAKE_REG | AccessFs.REMOVE_FILE
    control = AccessFs.WRITE_FILE | AccessFs.IOCTL_DEV
    of_a_file = read & ~AccessFs.READ_DIR | AccessFs.WRITE_FILE | AccessFs.TRUNCATE | AccessFs.IOCTL_DEV
    try:
        rules = Landlock(strict=False)
        for paths, access in (
            (policy.readable, read), (policy.writable, read | write), (policy.devices, read | control),
            (policy.sockets, AccessFs.MAKE_SOCK | AccessFs.REMOVE_FILE),
        ):  # fmt: skip
            for path in {each.resolve() for each in paths if each.exists()}:
                rules.add_path_rule(path, access=access if path.is_dir() else access & of_a_file)
        if os.environ.get("NOTIFY_SOCKET", "").startswith("@"):
            rules.allow_scope(Scope.ABSTRACT_UNIX_SOCKET)
        rules.apply()
    except py_landlock.LandlockError as error:
        raise RuntimeError(f"Landlock: {error}") from error


def _way_out(policy: SandboxPolicy) -> str:
    """Return something that is open for writing and that no wall would let this process open any more; "" for none.

    What it was started with, its output, is its starter's choice.
    """
    writable = [each.resolve() for each in policy.writable]
    for each in Path("/proc/self/fd").iterdir():
        number = int(each.name)
        try:
            kind, opened = os.fstat(number).st_mode, each.readlink()
            writes = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        except OSError:  # that with which the folder was read
            continue
        if number <= _STDERR or not writes:
            continue
        if stat.S_ISREG(kind) and not any(opened.is_relative_to(folder) for folder in writable):
            return f"the file {opened}"
        if stat.S_ISSOCK(kind) and _family(number) != socket.AF_UNIX:
            return "a network socket"
    return ""


def _family(number: int) -> int:
    with socket.socket(fileno=os.dup(number)) as same:
        return same.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN)


def _libseccomp() -> Any:
    """Return the library's Python face, or None where the library is not installed."""
    try:
        import pyseccomp
    except RuntimeError:
        return None
    return pyseccomp


def _seccomp(policy: SandboxPolicy, library: Any) -> None:
    if library is None:
        raise RuntimeError("the library libseccomp is not there: apt install libseccomp2")
    rules = library.SyscallFilter(library.ALLOW)
    rules.set_attr(library.Attr.CTL_TSYNC, 1)
    for each in policy.denied:
        rules.add_rule(library.ERRNO(each.number), each.call, *_tests(library, each))
    rules.load()


def _tests(library: Any, denied: Denied) -> list[Any]:
    made = []
    for argument, operator, number in denied.tests:
        match operator:
            case "is":
                # An int: the kernel ignores the upper half of the register, so the filter must too.
                made.append(library.Arg(argument, library.MASKED_EQ, 0xFFFFFFFF, number))
            case "is not":
                made.append(library.Arg(argument, library.NE, number))
            case "has":
                made.append(library.Arg(argument, library.MASKED_EQ, number, number))
            case "lacks":
                made.append(library.Arg(argument, library.MASKED_EQ, number, 0))
    return made
