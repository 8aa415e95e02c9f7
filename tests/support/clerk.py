# SPDX-License-Identifier: Apache-2.0
"""Calls on the desk of a running gate as any user: what the kernel and the system's lists would say is given here.

Roles come from groups that every Debian has. tests/system/test_insiders.py does the same with real processes of real
users, whom the kernel names and the system lists.
"""

from __future__ import annotations

import grp
import json
import pwd
import socket
from typing import Any

from edge_gate.core.access import user_name
from edge_gate.core.errors import EdgeGateError
from edge_gate.gate.authorisation.roles import SystemLists
from edge_gate.gate.control.caller import Caller, failure
from edge_gate.gate.control.requests import Request
from edge_gate.gate.gate import Gate

ROLES = {"installer": "bin", "maintainer": "daemon", "auditor": "sys"}
ANNE, BERT, CARL = 54_321, 54_322, 54_323  # users without a name


class Roster(SystemLists):
    """The system's lists, in which any number may have an account besides, with the group of a role for its own."""

    def __init__(self) -> None:
        self.own: dict[int, int] = {}

    def account(self, uid: int) -> pwd.struct_passwd | None:
        """Return the account of a clerk, or the system's."""
        if uid not in self.own:
            return super().account(uid)
        return pwd.struct_passwd((f"clerk-{uid}", "x", uid, self.own[uid], "", "/", "/bin/false"))


class Clerk:
    """One user in one role, or in none, at the desk of a gate that `running_gate` runs."""

    def __init__(self, gate: Gate, uid: int, role: str = "") -> None:
        self._gate = gate
        ours, theirs = socket.socketpair()
        ours.settimeout(20)
        theirs.setblocking(False)
        self._gid = grp.getgrnam(ROLES[role]).gr_gid if role else 54_321
        self._caller = Caller(theirs, uid, user_name(uid))
        self._lines = ours.makefile("rb")
        self._ours = ours

    def start(self, verb: str, **request: Any) -> None:
        """Ask, and do not wait for the answer."""

        def hand_over() -> None:
            try:
                self._roster.own[self._caller.uid] = self._gid
                self._gate.authorisation.judge(self._caller.uid)
                self._gate.verbs.handle(Request(self._caller, verb, {"verb": verb, **request}))
            except EdgeGateError as error:
                self._caller.answer(failure(error))

        self._gate.call(hand_over)

    def answer(self) -> dict[str, Any]:
        """Return the next line that is no progress."""
        while "progress" in (line := json.loads(self._lines.readline())):
            pass
        found: dict[str, Any] = line
        return found

    def ask(self, verb: str, **request: Any) -> dict[str, Any]:
        """Ask and return the answer: {"ok": ...} or {"error": ...}."""
        self.start(verb, **request)
        return self.answer()

    def refused(self, verb: str, **request: Any) -> str:
        """Ask, and return the name of the error, or nothing."""
        kind: str = self.ask(verb, **request).get("error", {}).get("kind", "")
        return kind

    def may(self, verb: str) -> bool:
        """Ask with an empty request, and tell whether that was for others to ask."""
        self.start(verb)
        return bool(json.loads(self._lines.readline()).get("error", {}).get("kind") != "NotAllowed")

    def leave(self) -> None:
        """Have this user no longer in the group of their role."""
        self._gid = self._roster.own[self._caller.uid] = 54_321

    @property
    def _roster(self) -> Roster:
        lists = self._gate.authorisation.lists
        assert isinstance(lists, Roster)
        return lists

    def close(self) -> None:
        """Hang up."""
        for each in (self._lines, self._ours, self._caller.connection):
            each.close()

    def __del__(self) -> None:
        self.close()
