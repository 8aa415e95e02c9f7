# SPDX-License-Identifier: Apache-2.0
"""The roles that a user has, by the groups of the system. What each role may do stands in edge_gate/spec.

A caller is a user's number, which the kernel gives, and nothing else. The group that its process runs under says
nothing: whoever was in a group for a minute can keep a set-group-ID program of that group for ever. So the number is
looked up among the accounts, and those in the list of the group, anew at each request: who was taken out of a group has
lost the role at once, however many logins, programs and connections they still have.

Accounts that share a number are one user here, as they are to the kernel: it has the roles of them all. A number
without an account has none.
"""

from __future__ import annotations

import grp
import os
import pwd
from typing import Protocol

from edge_gate.settings.config import Config
from edge_gate.spec.model import Role


class Lists(Protocol):
    """The system's lists of users and groups."""

    def accounts(self) -> list[pwd.struct_passwd]:
        """Return every account that can be listed."""

    def account(self, uid: int) -> pwd.struct_passwd | None:
        """Return the account of a number, also one that is not listed."""

    def named(self, name: str) -> pwd.struct_passwd | None:
        """Return the account of a name."""

    def group(self, name: str) -> grp.struct_group | None:
        """Return a group."""


class SystemLists:
    """Asks the system each time (nsswitch.conf(5)), and keeps nothing."""

    def accounts(self) -> list[pwd.struct_passwd]:
        """Return every account that can be listed."""
        return pwd.getpwall()

    def account(self, uid: int) -> pwd.struct_passwd | None:
        """Return the account of a number, also one that is not listed."""
        try:
            return pwd.getpwuid(uid)
        except KeyError:
            return None

    def named(self, name: str) -> pwd.struct_passwd | None:
        """Return the account of a name."""
        try:
            return pwd.getpwnam(name)
        except KeyError:
            return None

    def group(self, name: str) -> grp.struct_group | None:
        """Return a group."""
        try:
            return grp.getgrnam(name)
        except KeyError:
            return None


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


def roles_of(uid: int, config: Config, lists: Lists) -> frozenset[Role]:
    """Return the roles of a user whom the kernel named; none where they have no business here."""
    if uid == 0:
        return frozenset({Role.ROOT})
    if uid == os.getuid():
        return frozenset({Role.GATE})
    alone = lists.account(uid)
    theirs = [each for each in lists.accounts() if each.pw_uid == uid] + ([alone] if alone else [])
    names, own = {each.pw_name for each in theirs}, {each.pw_gid for each in theirs}
    return frozenset(
        role
        for name, role in grants(config)
        if (group := lists.group(name)) and (group.gr_gid in own or not names.isdisjoint(group.gr_mem))
    )


def members(config: Config, lists: Lists) -> dict[Role, frozenset[int]]:
    """Return the users, by number, who have each role from a group: as members of it, or as their own group."""
    found: dict[Role, frozenset[int]] = {}
    users = lists.accounts()
    for name, role in grants(config):
        if (group := lists.group(name)) is None:
            continue
        own = {user.pw_uid for user in users if user.pw_gid == group.gr_gid}
        named = {account.pw_uid for each in group.gr_mem if (account := lists.named(each))}
        found[role] = found.get(role, frozenset()) | own | named
    return found


def acting(roles: frozenset[Role], allowed: frozenset[Role]) -> Role | None:
    """Return the role in which somebody may do what those ``allowed`` may, or None where they may not."""
    fitting = [role for role in Role if role in roles and (role in allowed or role in (Role.ROOT, Role.GATE))]
    return fitting[0] if fitting else None
