# SPDX-License-Identifier: Apache-2.0
"""Asks the running gate, and says why it cannot be asked: to whom it is closed, or what it waits for."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from edge_gate.core.access import own_name
from edge_gate.core.errors import AccessDenied, GateNotRunning, GateWaiting, NotAllowed
from edge_gate.core.plain_files import read_plain
from edge_gate.settings.config import Config
from edge_gate.store.lock import find_holder
from edge_gate.wire import client
from edge_gate.wire.status import GateStatus

# What systemd-ask-password puts down for its agents, which everybody may read (systemd.io/PASSWORD_AGENTS).
ASKED: Final = Path("/run/systemd/ask-password")
QUESTION: Final = "edge-gate:store-key"
# The control group of edge-gate-unlock.service: between two questions it has processes all the same.
UNLOCKING: Final = Path("/sys/fs/cgroup/system.slice/edge-gate-unlock.service/cgroup.events")
_LONGEST_NOTE: Final = 64 * 1024


def ask(settings: Config, verb: str, **request: Any) -> Any:
    """Ask the running gate one thing and return its answer. Raises as `converse` does."""
    with _explained(settings):
        return client.ask(settings, verb, **request)


def status(settings: Config) -> GateStatus:
    """Ask the running gate how it is. Raises as `converse` does."""
    with _explained(settings):
        return client.status(settings)


def converse(settings: Config, verb: str, **request: Any) -> Iterator[Any]:
    """Ask the running gate and yield each progress line, then the answer.

    Raises GateNotRunning, GateWaiting, NotAllowed, WireError, or GateRefused with the gate's own message and exit code.
    """
    with _explained(settings):
        yield from client.converse(settings, verb, **request)


@contextmanager
def _explained(settings: Config) -> Iterator[None]:
    try:
        yield
    except AccessDenied as error:
        roles = settings.roles
        named = dict.fromkeys((settings.sockets.operators, roles.maintainer, roles.installer, roles.auditor))
        hint = find_way_in(tuple(named), {os.getegid(), *os.getgroups()}, _gives)
        raise NotAllowed(own_name(), hint) from error
    except GateNotRunning as error:
        raise (_waits_for_passphrase() or _is_starting(settings.store.path) or error) from error


def find_way_in(named: Iterable[str], held: Iterable[int], gives: Callable[[str], int | None]) -> str:
    """Return what a user does whom the kernel keeps from the control socket.

    ``held``: the groups of this process. ``gives(group)``: its number if the system's list has the user in it.
    """
    listed = {group: number for group in named if (number := gives(group)) is not None}
    held = set(held)
    if fresh := [group for group, number in listed.items() if number not in held]:
        return f"This login began before the group {fresh[0]} was given to it: log out and in again."
    if listed:
        return (
            f"The group {next(iter(listed))} gives a role, but the gate's socket is closed to it. The gate lets groups"
            " in when it starts: sudo systemctl restart edge-gate."
        )
    groups = ", ".join(named)
    return f"Have yourself added to the group of your role ({groups}), then log out and in again; or use sudo."


def _gives(group: str) -> int | None:
    with suppress(KeyError):
        user, found = pwd.getpwuid(os.geteuid()), grp.getgrnam(group)
        if user.pw_gid == found.gr_gid or user.pw_name in found.gr_mem:
            return found.gr_gid
    return None


def _waits_for_passphrase() -> GateWaiting | None:
    if not (_is_asked() or _reads(UNLOCKING, "populated 1")):
        return None
    return GateWaiting(
        "it waits for the passphrase of the store's key", "Type it: sudo systemd-tty-ask-password-agent --query."
    )


def _is_asked() -> bool:
    with suppress(OSError):
        return any(_reads(each, f"Id={QUESTION}") for each in ASKED.iterdir())
    return False


def _reads(path: Path, line: str) -> bool:
    with suppress(OSError, ValueError):
        return line in read_plain(path, _LONGEST_NOTE).decode().splitlines()
    return False


def _is_starting(store_path: Path) -> GateWaiting | None:
    holder = find_holder(store_path)
    if holder is None:
        return None
    return GateWaiting(
        f"process {holder} has the store. If that is the gate, it is starting, or waits for the passphrase at its"
        " terminal",
        "Try again in a moment.",
    )
