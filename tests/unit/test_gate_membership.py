# SPDX-License-Identifier: Apache-2.0
"""Who had which role, as the audit log has it: at each start, when somebody calls, and each minute."""

from __future__ import annotations

import grp
import json
import os
import pwd
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_gate.cli.audit import read
from edge_gate.core.clock import SystemClock
from edge_gate.gate.authorisation import roles
from edge_gate.gate.authorisation.membership import CHANGED, LOOK_NS, MOST_SHOWN, Membership
from edge_gate.gate.authorisation.roles import SystemLists
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.spec.model import Role
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from tests.support.peers import running_gate

KEY = bytes(range(32))


class System:
    """Stands in for the system's lists of users and groups; tests/system/test_insiders.py changes the real ones."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.members: dict[str, list[str]] = {}
        self.users = {f"u{uid}": uid for uid in range(1000, 1200)}
        monkeypatch.setattr(grp, "getgrnam", self._group)
        monkeypatch.setattr(pwd, "getpwnam", lambda name: self._user(name))
        monkeypatch.setattr(pwd, "getpwall", lambda: [self._user(name) for name in self.users])

    def _group(self, name: str) -> grp.struct_group:
        if name not in self.members:
            raise KeyError(name)
        return grp.struct_group((name, "x", 500 + list(self.members).index(name), self.members[name]))

    def _user(self, name: str) -> pwd.struct_passwd:
        # The user 1000 has the first group for their own.
        own = 500 if self.users[name] == 1000 else 100
        return pwd.struct_passwd((name, "x", self.users[name], own, "", "/", "/bin/false"))


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    return System(monkeypatch)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "edge-gate.db", KEY, SystemClock()) as opened:
        yield opened


def watch(store: Store, settings: config.Config | None = None) -> Membership:
    log = AuditLog(store, store.keyring.signer())

    def note(verb: str, *, detail: dict[str, Any]) -> None:
        log.append(verb, actor="gate", role="gate", detail=detail)

    return Membership(lambda: settings or config.Config(), store, note, SystemLists())


def rows(store: Store) -> list[dict[str, Any]]:
    return [row.said for row in audit_log.rows(store) if row.verb == CHANGED]


def test_who_comes_to_a_role_and_who_leaves_it_is_written_down_once(store: Store, system: System) -> None:
    membership = watch(store)
    membership.look()
    assert rows(store) == [], "nobody has a role, and none of the groups exists"
    system.members = {"edge-gate-maintainer": ["u1001"], "edge-gate-auditor": ["u1002", "no such user"]}
    for _ in range(3):
        membership.look()
    now = {"maintainer": [1000, 1001], "auditor": [1002]}
    assert rows(store) == [{"added": now, "removed": {}, "now": now}]
    system.members["edge-gate-installer"] = system.members.pop("edge-gate-auditor")
    membership.look()
    assert rows(store)[1:] == [
        {
            "added": {"installer": [1002]},
            "removed": {"auditor": [1002]},
            "now": {"maintainer": [1000, 1001], "installer": [1002]},
        }
    ]


def test_a_change_made_while_the_gate_did_not_run_is_written_down_at_its_start(store: Store, system: System) -> None:
    system.members = {"edge-gate-maintainer": ["u1001"]}
    watch(store).look()
    watch(store).look()
    assert len(rows(store)) == 1
    system.members = {"edge-gate-maintainer": ["u1003"]}
    watch(store).look()
    assert rows(store)[-1]["added"] == {"maintainer": [1003]} and rows(store)[-1]["removed"] == {"maintainer": [1001]}


def test_another_group_in_the_configuration_is_a_change_of_who_has_the_role(store: Store, system: System) -> None:
    system.members = {"none": [], "edge-gate-maintainer": ["u1001"], "staff": ["u1001", "u1002"]}
    watch(store).look()
    wider = replace(config.Config(), roles=replace(config.RoleSettings(), maintainer="staff"))
    watch(store, wider).look()
    assert rows(store)[-1]["added"] == {"maintainer": [1002]}


def test_it_is_looked_at_each_minute_and_not_more_often(store: Store, system: System) -> None:
    membership = watch(store)
    membership.tick(LOOK_NS)
    system.members = {"none": [], "edge-gate-maintainer": ["u1001"]}
    membership.tick(2 * LOOK_NS - 1)
    assert rows(store) == []
    membership.tick(2 * LOOK_NS)
    assert len(rows(store)) == 1


def test_who_calls_in_a_role_that_is_not_known_of_them_is_seen_at_once(store: Store, system: System) -> None:
    system.members = {"none": [], "edge-gate-maintainer": ["u1001"]}
    membership = watch(store)
    membership.look()
    system.members["edge-gate-maintainer"] = ["u1001", "u1002"]
    for uid, role in ((1001, Role.MAINTAINER), (0, Role.ROOT), (5, Role.GATE)):
        membership.meet(uid, frozenset({role}))
        assert len(rows(store)) == 1, "nobody looks for their sake"
    membership.meet(1002, frozenset({Role.MAINTAINER}))
    assert rows(store)[1]["added"] == {"maintainer": [1002]}


def test_of_a_large_group_the_number_is_written_down_and_a_row_has_room_for_it(store: Store, system: System) -> None:
    everybody = [f"u{uid}" for uid in range(1001, 1150)]
    system.members = {"none": [], **{f"edge-gate-{role}": everybody for role in ("maintainer", "installer", "auditor")}}
    membership = watch(store)
    membership.look()
    assert rows(store)[0]["now"] == dict.fromkeys(("maintainer", "installer", "auditor"), 149)
    system.members["edge-gate-auditor"] = everybody[:-1]
    membership.look()
    assert rows(store)[1]["removed"] == {"auditor": [1149]}, "while it runs, who it was is known"
    system.members["edge-gate-auditor"] = everybody[:MOST_SHOWN]
    watch(store).look()
    assert rows(store)[2] == {
        "added": {},
        "removed": {},
        "now": rows(store)[1]["now"] | {"auditor": [*range(1001, 1031)]},
    }
    system.members = {
        "none": [],
        **{f"edge-gate-{role}": everybody[:30] for role in ("maintainer", "installer", "auditor")},
    }
    watch(store).look()
    system.members = {
        "none": [],
        **{f"edge-gate-{role}": everybody[30:60] for role in ("maintainer", "installer", "auditor")},
    }
    watch(store).look()
    assert len(json.dumps(rows(store)[-1])) < 4096


def test_no_name_of_a_user_is_in_the_log(tmp_path: Path) -> None:
    mine = pwd.getpwuid(os.getuid())
    own_group = grp.getgrgid(mine.pw_gid).gr_name
    with (
        BoardSimulator("lcus1") as board,
        running_gate(tmp_path, board.path, roles={"auditor": own_group}) as (_, settings),
    ):
        (row,) = [row for row in read(settings)[0] if row.verb == CHANGED]
        found = row.said["now"]["auditor"]
        assert os.getuid() in found and found == sorted(roles.members(settings, SystemLists())[Role.AUDITOR])
        assert mine.pw_name not in json.dumps(row.shown())
