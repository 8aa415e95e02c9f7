# SPDX-License-Identifier: Apache-2.0
"""The roles that a user has, by the groups of the system. What each role may do stands in edge_gate/spec.

The groups are looked up at each call, in the system's list rather than in what the kernel remembers of the caller's
login: who was taken out of a group has lost the role at once, not at their next login.
"""

from __future__ import annotations

import grp
import os
import pwd

from edge_gate.core.access import user_name
from edge_gate.settings.config import Config
from edge_gate.spec.model import Role


def grants(config: Config) -> tuple[tuple[str, Role], ...]:
    """Return each group with a role that it gives. One group may give several."""
    roles = config.roles
    return (
        (config.sockets.operators, Role.MAINTAINER),
        (roles.maintainer, Role.MAINTAINER),
        (roles.installer, Role.INSTALLER),
        (roles.auditor, Role.AUDITOR),
    )


def groups(config: Config) -> tuple[str, ...]:
    """Return the groups that give a role, each once."""
    return tuple(dict.fromkeys(group for group, _ in grants(config)))


def roles_of(uid: int, gid: int, config: Config) -> frozenset[Role]:
    """Return the roles of a user whom the kernel named; none where they have no business here."""
    if uid == 0:
        return frozenset({Role.ROOT})
    if uid == os.getuid():
        return frozenset({Role.GATE})
    name = user_name(uid)
    return frozenset(role for group, role in grants(config) if _member(name, gid, group))


def members(config: Config) -> dict[Role, frozenset[int]]:
    """Return the users, by number, who have each role from a group: as members of it, or as their own group."""
    found: dict[Role, frozenset[int]] = {}
    users = pwd.getpwall()
    for name, role in grants(config):
        try:
            group = grp.getgrnam(name)
        except KeyError:
            continue
        own = {user.pw_uid for user in users if user.pw_gid == group.gr_gid}
        named = {uid for each in group.gr_mem if (uid := _uid(each)) is not None}
        found[role] = found.get(role, frozenset()) | own | named
    return found


def acting(roles: frozenset[Role], allowed: frozenset[Role]) -> Role | None:
    """Return the role in which somebody may do what those ``allowed`` may, or None where they may not."""
    fitting = [role for role in Role if role in roles and (role in allowed or role in (Role.ROOT, Role.GATE))]
    return fitting[0] if fitting else None


def _uid(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _member(name: str, gid: int, group: str) -> bool:
    try:
        found = grp.getgrnam(group)
    except KeyError:
        return False
    return gid == found.gr_gid or name in found.gr_mem
