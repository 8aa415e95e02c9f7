# SPDX-License-Identifier: Apache-2.0
"""Who is in which role's group, written down when it changes: whoever can change groups can make an installer.

A user's number stands in the log, and no name (edge_gate/store/audit/log.py). Looked at when the gate starts, each
minute, and when somebody calls in a role that is not known of them, so that nobody uses one unseen. Not seen: root, and
the gate's own user, who may use sudo; the row of what they do has the role.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from edge_gate.gate.authorisation import roles
from edge_gate.gate.authorisation.roles import Lists
from edge_gate.settings.config import Config
from edge_gate.spec.model import Role
from edge_gate.store.audit import log as audit_log
from edge_gate.store.database import Store

CHANGED: Final = "roles changed"
LOOK_NS: Final = 60 * 10**9
# A row has room for so many numbers of a role; more are written down as how many they are.
MOST_SHOWN: Final = 30

Shown = list[int] | int
Members = Mapping[str, frozenset[int]]


class Membership:
    """The members of each role's groups, compared with what the log has. ``note(verb, detail=...)`` writes a row,
    ``config()`` tells the settings that hold."""

    def __init__(self, config: Callable[[], Config], store: Store, note: Callable[..., None], lists: Lists) -> None:
        self._config = config
        self._note = note
        self._lists = lists
        row = audit_log.latest(store, CHANGED)
        self._written: dict[str, Shown] = row.said.get("now", {}) if row else {}
        self._members: Members | None = None
        self._looked_ns = 0

    def tick(self, now_ns: int) -> None:
        """Look again where the last look was a minute ago."""
        if now_ns - self._looked_ns >= LOOK_NS:
            self._looked_ns = now_ns
            self.look()

    def meet(self, uid: int, held: frozenset[Role]) -> None:
        """Look again where a caller has a role that is not known of them."""
        known = self._members or {}
        if any(uid not in _of(known, role.value) for role in held - {Role.ROOT, Role.GATE}):
            self.look()

    def look(self) -> None:
        """Write down who has come to a role and who has gone, where anybody has."""
        now = {role.value: each for role, each in roles.members(self._config(), self._lists).items() if each}
        before, written = self._members, {role: _shown(each) for role, each in now.items()}
        changed = now != before if before is not None else written != self._written
        if before is None:
            before = {role: frozenset(each) for role, each in self._written.items() if isinstance(each, list)}
        if changed:
            # Of a role of which only the number was written down it cannot be told who came and who went.
            told = [role for role in now.keys() | before.keys() if role in before or role not in self._written]
            came = {role: _shown(each) for role in told if (each := _of(now, role) - _of(before, role))}
            went = {role: _shown(each) for role in told if (each := _of(before, role) - _of(now, role))}
            self._note(CHANGED, detail={"added": came, "removed": went, "now": written})
        self._members, self._written = now, written


def _of(members: Members, role: str) -> frozenset[int]:
    return members.get(role, frozenset())


def _shown(members: frozenset[int]) -> Shown:
    return sorted(members) if len(members) <= MOST_SHOWN else len(members)
