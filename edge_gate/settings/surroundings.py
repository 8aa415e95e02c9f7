# SPDX-License-Identifier: Apache-2.0
"""Whether the settings fit the system that they are read on: its users, its groups, and what lies at their paths.

`look` sees what there is; the rules judge what was seen. Nothing is loaded for it, so every process can afford it.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_gate.settings.conflicts import Problem
from edge_gate.settings.roles import RoleSettings
from edge_gate.settings.sockets import SocketSettings

if TYPE_CHECKING:
    from edge_gate.settings.config import Config

# The eye's user where systemd runs it (systemd/sysusers.d/edge-gate.conf).
EYE_USER: Final = "edge-gate-eye"
_GROUPS: Final = ("sockets.operators", "roles.installer", "roles.maintainer", "roles.auditor")
_DEFAULTS: Final = {
    f"{section}.{each.name}": each.default
    for section, kind in (("sockets", SocketSettings), ("roles", RoleSettings))
    for each in fields(kind)
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What this system has of what the settings name.

    ``kinds``: for a setting that is a path "file", "folder", "socket" or "other"; none where nothing is there, or
    nothing that this user may see. ``closed``: those whose content this user may not read.
    """

    users: frozenset[str]
    groups: frozenset[str]
    kinds: Mapping[str, str]
    closed: frozenset[str]


def look(config: Config) -> Surroundings:
    """See what this system has of what the settings name."""
    paths = {"store.path": config.store.path, "store.key_file": config.store.key_file}
    paths |= {"sockets.eye": config.sockets.eye, "sockets.control": config.sockets.control}
    paths |= {"models.folder": config.models.folder}
    kinds = {key: kind for key, path in paths.items() if path != Path() and (kind := _kind(path))}
    return Surroundings(
        frozenset(each for each in (config.sockets.eye_user, EYE_USER) if each and _known(pwd.getpwnam, each)),
        frozenset(each for each in (_group(config, key) for key in _GROUPS) if _known(grp.getgrnam, each)),
        kinds,
        frozenset(key for key in kinds if not os.access(paths[key], os.R_OK)),
    )


def find_misfits(config: Config, here: Surroundings) -> Iterator[Problem]:
    """Yield every problem of the settings with this system."""
    yield from _users(config, here)
    for key, meant in (("store.path", "file"), ("store.key_file", "file"), ("models.folder", "folder")):
        kind = here.kinds.get(key, meant)
        if kind != meant:
            article = "a" if kind != "other" else "something"
            yield Problem((key,), f"{key} is {article} {kind}, and a {meant} is meant", "Correct the path")
    for key in ("sockets.eye", "sockets.control"):
        if here.kinds.get(key, "socket") != "socket":
            fix = "Correct the path, or move away what is there"
            yield Problem((key,), f"{key} cannot be made: something that is no socket is in its place", fix)
    if config.models.folder != Path():
        if "models.folder" not in here.kinds:
            what = f"models.folder is {config.models.folder}, which is not there for this user"
            yield Problem(("models.folder",), what, "Correct it, or take it out for the models of edge-gate")
        elif "models.folder" in here.closed:
            yield Problem(("models.folder",), "models.folder cannot be read by this user", "Check its permissions")


def _users(config: Config, here: Surroundings) -> Iterator[Problem]:
    wanted = config.sockets.eye_user
    if wanted and wanted not in here.users:
        what = f"sockets.eye_user is {wanted!r}, and this system has no such user"
        fix = f"Write {EYE_USER!r} where systemd runs the eye, and nothing at a desk"
        yield Problem(("sockets.eye_user",), what, fix)
    if not wanted and config.store.key_file == Path() and EYE_USER in here.users:
        what = "sockets.eye_user is empty, so that the gate turns the eye away that systemd runs"
        yield Problem(("sockets.eye_user",), what, f"Write {EYE_USER!r}", stops=False)
    for key in _GROUPS:
        name = _group(config, key)
        if name and name != _DEFAULTS[key] and name not in here.groups:
            what = f"{key} is {name!r}, and this system has no such group, so that nobody has the role by it"
            yield Problem((key,), what, f"Make it: sudo groupadd {name}", stops=False)


def _group(config: Config, key: str) -> str:
    section, _, name = key.partition(".")
    return str(getattr(getattr(config, section), name))


def _known(find: Callable[[str], object], name: str) -> bool:
    try:
        find(name)
    except (KeyError, ValueError):
        return False
    return True


def _kind(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # not there, not to be seen, or no name in this locale
        return ""
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "other")
