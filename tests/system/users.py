# SPDX-License-Identifier: Apache-2.0
"""The users, states and commands of test_users.py."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from edge_gate.spec.model import Role

Seen = tuple[str, str, str, int | str, str, str]
"""State, user, words of the command, exit code, what was printed, what was told on stderr."""

GATE: Final = "edge-gate"
LATE: Final = "lara"
"""In the group by the system's list, but not in that of the login, which began before."""
GROUPS: Final = MappingProxyType(
    {
        "edge-gate-installer": (64_990, ("ines",)),
        "edge-gate-maintainer": (64_991, ("mara", LATE)),
        "edge-gate-auditor": (64_992, ("anna",)),
    }
)
USERS: Final = MappingProxyType(
    {
        "root": (0, ()),
        GATE: (64_900, ()),
        "edge-gate-eye": (64_901, ()),
        "ines": (64_902, ("edge-gate-installer",)),
        "mara": (64_903, ("edge-gate-maintainer",)),
        "anna": (64_904, ("edge-gate-auditor",)),
        LATE: (64_905, ("edge-gate-maintainer",)),
        "nobody": (65_534, ()),
    }
)
ROLES: Final = MappingProxyType({"ines": Role.INSTALLER, "mara": Role.MAINTAINER, "anna": Role.AUDITOR})
STATES: Final = ("no configuration", "no store", "stopped", "running", "paused", "waiting")
# Each command with what it needs to do something, as short as possible; those that ask the gate with their verb.
ASKING: Final = MappingProxyType(
    {
        "status": "status",
        "enrol": "enrol",
        "residents": "residents",
        "consent withdraw": "withdraw",
        "forget": "forget",
        "templates status": "templates-status",
        "templates renew": "templates-renew",
        "events": "events",
        "audit show": "audit",
        "audit checkpoint": "audit-checkpoint",
        "audit verify": "audit",
        "audit accept": "audit-accept",
        "guidance": "guidance",
        "approvals": "approvals",
        "approve": "approve",
        "clock accept": "clock-accept",
        "pause": "pause",
        "pad record": "pad-record",
        "pad report": "pad-report",
        "resume": "resume",
        "relay test": "relay-test",
    }
)
ON_FILES: Final = (
    "run", "relay off", "keys rotate", "keys escrow", "keys new-keyring", "keys lock", "keys passphrase", "keys unlock",
    "keys open", "forget --search Ann",
)  # fmt: skip
COMMANDS: Final = MappingProxyType(
    {
        **dict.fromkeys([*ASKING, *ON_FILES], ()),
        "enrol": ("Ann", "--consent", "Ann"),
        "consent withdraw": ("Ann", "--yes"),
        "forget": ("Ann", "--yes"),
        "templates renew": ("--yes",),
        "approve": ("0123",),
        "clock accept": ("2027-03-31",),
        "keys escrow": ("--shares", "3", "--needed", "2"),
        "keys new-keyring": ("--yes",),
        "keys status": (),
        "keys recover": ("new.key",),
        "init": ("--folder", "site-of-its-own"),
        "eye": (),
        "doctor": (),
        "doctor --security": (),
        "config check": (),
        "relay list": (),
        "relay simulate": (),
        "models list": (),
        "models show": ("test-eyes",),
        "models verify": (),
        "evaluate": ("pictures",),
        "pad evaluate": ("pictures",),
        "pad bench": ("--config", "no-such.toml"),
        "pad record": ("live", "p1", "--seconds", "1"),
        "bench": ("--quick", "--config", "no-such.toml"),
        "demo": ("--camera", "/dev/no-such-camera"),
    }
)
# What waits for somebody, or serves, for ever, as it should.
ENDLESS: Final = frozenset(
    {
        ("keys open", "root", "waiting"),
        *(("relay simulate", user, state) for user in USERS for state in STATES),
        *(("guidance", user, state) for user in ("root", GATE, *ROLES) for state in ("running", "paused")),
    }
)
