# SPDX-License-Identifier: Apache-2.0
"""Real processes of other users call on a real gate: the kernel names them, and its access lists let them in or not.

Needs root, to become somebody else and to have other users and groups for a while, and the users bin and games and the
groups bin, daemon and sys, which every Debian has.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_gate.gate.gate import Gate
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.store.people import residents
from tests.support.clerk import ROLES, Roster
from tests.support.peers import running_gate, until

pytestmark = pytest.mark.system

# Everything is imported before root is given up: the interpreter may lie where only root can read.
CHILD = """
import json, os, socket, sys
path, uid, gid, others, *requests = json.loads(sys.argv[1])
os.setgroups(others); os.setgid(gid); os.setuid(uid)
for request in requests:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            try:
                connection.sendall(json.dumps(request).encode() + b"\\n")
            except BrokenPipeError:
                pass
            print(connection.makefile().readline().strip())
    except OSError as error:
        print(json.dumps({"kernel": error.strerror}))
"""
Site = tuple[Gate, config.Config]
ANNE, BERT, CARL, EVE = 64_001, 64_002, 64_003, 64_004


def called(site: Site, uid: int, role: str, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """Ask as a process of this user, whose own group is the role's, and return the answers."""
    gate, settings = site
    gid = grp.getgrnam(ROLES[role]).gr_gid if role else uid
    lists = gate.authorisation.lists
    assert isinstance(lists, Roster)
    if uid:
        lists.own[uid] = gid
    said = json.dumps([str(settings.sockets.control), uid, gid, [], *requests])
    done = subprocess.run([sys.executable, "-c", CHILD, said], capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def kind(answer: dict[str, Any]) -> str:
    found: str = answer.get("error", {}).get("kind", "ok" if "ok" in answer else answer.get("kernel", ""))
    return found


@pytest.fixture
def site() -> Iterator[Site]:
    """A gate whose folder only its own user and the roles' groups may enter, as under systemd."""
    if os.getuid() != 0:
        pytest.skip("needs root")
    roles = {**ROLES, "people_per_hour": 1}
    with (
        tempfile.TemporaryDirectory() as folder,
        BoardSimulator("lcus1") as board,
        running_gate(Path(folder), board.path, roles=roles) as (gate, settings),
    ):
        Path(folder).chmod(0o711)
        (Path(folder) / "site").chmod(0o711)
        settings.sockets.control.parent.chmod(0o750)
        gate.call(lambda: [residents.add(gate.store, name) for name in ("A", "B", "C")])
        until(lambda: len(called((gate, settings), 0, "", {"verb": "residents"})[0]["ok"]) == 3)
        yield gate, settings


def test_the_kernel_keeps_out_who_has_no_role_and_lets_in_who_has_one(site: Site) -> None:
    _, settings = site
    status = {"verb": "status"}
    assert kind(called(site, EVE, "", status)[0]) == "Permission denied"
    assert [kind(called(site, ANNE, role, status)[0]) for role in ROLES] == ["ok"] * 3
    settings.sockets.control.parent.chmod(0o755)  # the control: without the first wall the second one judges
    settings.sockets.control.chmod(0o666)
    assert kind(called(site, EVE, "", status)[0]) == "NotAllowed"


def test_an_auditor_reads_and_changes_nothing(site: Site) -> None:
    for verb, outcome in {"audit": "ok", "events": "ok", "status": "ok", "pause": "NotAllowed"}.items():
        assert kind(called(site, CARL, "auditor", {"verb": verb})[0]) == outcome
    assert kind(called(site, CARL, "auditor", {"verb": "forget", "name": "A"})[0]) == "NotAllowed"


def test_what_takes_two_waits_until_another_user_whom_the_kernel_names_agrees(site: Site) -> None:
    renew = {"verb": "templates-renew"}
    assert kind(called(site, ANNE, "maintainer", renew)[0]) == "ApprovalNeeded"
    (waiting,) = called(site, BERT, "maintainer", {"verb": "approvals"})[0]["ok"]
    approve = {"verb": "approve", "id": waiting["id"], "uid": BERT, "operator": "bert"}  # what a caller says of itself
    assert kind(called(site, ANNE, "maintainer", approve)[0]) == "NotAllowed"
    assert kind(called(site, BERT, "maintainer", approve)[0]) == "ok"
    assert kind(called(site, BERT, "maintainer", renew)[0]) == "ApprovalNeeded", "it was not for who agreed"
    assert [kind(each) for each in called(site, ANNE, "maintainer", renew, renew)] == ["ok", "ApprovalNeeded"]
    rows = called(site, CARL, "auditor", {"verb": "audit"})[0]["ok"]["rows"]
    acts = [(row["verb"], row["actor"]) for row in rows if row["verb"] in ("templates-renew", "approve", "refused")]
    assert acts == [
        ("refused", f"uid {ANNE}"),
        ("approve", f"uid {BERT}"),
        ("templates-renew", f"uid {ANNE}"),
    ]


def test_one_maintainer_alone_can_erase_whoever_asks_for_it_and_that_they_are_many_is_told(site: Site) -> None:
    forget = [{"verb": "forget", "name": name} for name in "ABC"]
    assert [kind(each) for each in called(site, ANNE, "maintainer", *forget)] == ["ok"] * 3
    told = called(site, CARL, "auditor", {"verb": "events", "kind": "many erased", "limit": 10})[0]["ok"]
    assert sorted(each["detail"]["within the hour"] for each in told) == [2, 3]
    assert called(site, CARL, "auditor", {"verb": "status"})[0]["ok"]["many_erased"] == 2


def test_a_user_who_is_refused_again_and_again_is_not_listened_to(site: Site) -> None:
    pause = {"verb": "pause"}
    answers = called(site, CARL, "auditor", *[pause] * 7)
    assert [kind(each) for each in answers] == ["NotAllowed"] * 5 + ["LockedOut"] * 2
    assert kind(called(site, BERT, "auditor", {"verb": "status"})[0]) == "ok"


# A gate in a mount namespace of its own, in which the system's list of groups is another one. Its clock
# for looking is a tenth of a second instead of a minute.
WITH_OTHER_GROUPS = """
import json, subprocess, sys, time
from pathlib import Path
from edge_gate.cli.audit import read
from edge_gate.gate.authorisation import membership
from edge_gate.relays.simulator import BoardSimulator
from tests.support.peers import running_gate

membership.LOOK_NS = 10**8
folder, groups = Path(sys.argv[1]), Path("/etc/group")
before = groups.read_text()

def become(maintainers, auditors):  # at once, as gpasswd does it
    copy = folder / f"group-{time.monotonic_ns()}"
    copy.write_text(before + f"eg-maintainers:x:64997:{maintainers}\\neg-auditors:x:64998:{auditors}\\n")
    subprocess.run(["mount", "--bind", copy, groups], check=True)

def run():
    roles = {"maintainer": "eg-maintainers", "auditor": "eg-auditors"}
    return running_gate(folder, board.path, roles=roles)

with BoardSimulator("lcus1") as board:
    become("bin", "")
    with run() as (_, settings):
        become("bin,games", "")
        time.sleep(1)  # nobody calls
        become("games", "bin")
        time.sleep(1)
    become("", "bin")
    with run() as (_, settings):
        rows = [row.said for row in read(settings)[0] if row.verb == "roles changed"]
print(json.dumps(rows))
"""


def test_a_change_of_the_systems_groups_is_in_the_log_with_who_came_and_who_went(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root")
    command = ["unshare", "--mount", sys.executable, "-c", WITH_OTHER_GROUPS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    games, own = pwd.getpwnam("games").pw_uid, pwd.getpwnam("bin").pw_uid
    assert json.loads(done.stdout) == [
        {"added": {"maintainer": [own]}, "removed": {}, "now": {"maintainer": [own]}},
        {"added": {"maintainer": [games]}, "removed": {}, "now": {"maintainer": sorted([own, games])}},
        {
            "added": {"auditor": [own]},
            "removed": {"maintainer": [own]},
            "now": {"maintainer": [games], "auditor": [own]},
        },
        {"added": {}, "removed": {"maintainer": [games]}, "now": {"auditor": [own]}},
    ]
    assert "eg-maintainers" not in Path("/etc/group").read_text(), "the real list was left as it was"


# A gate in a mount namespace of its own, in which the system has more users and groups. The users are in /etc/passwd,
# their roles in /etc/group, each program is a process of theirs, and one is a file with the set-group-ID bit.
WITH_OTHER_USERS = """
import json, subprocess, sys, time
from pathlib import Path
from edge_gate.relays.simulator import BoardSimulator
from tests.support.gates import settle
from tests.support.peers import running_gate

CALL = '''
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    try:
        connection.connect(sys.argv[1])
    except PermissionError:
        print('{"kernel": "Permission denied"}', flush=True)
        sys.exit()
    answers = connection.makefile()
    for line in sys.stdin:
        try:
            connection.sendall(line.encode())
        except BrokenPipeError:  # who may not call at all is told so, and not listened to
            pass
        print(answers.readline().strip(), flush=True)
'''
USERS = {"mara": 64911, "bert": 64912, "eve": 64913, "mara-too": 64911, "prim": 64914}
MAINTAINERS, OTHERS = 64991, 64992
folder = Path(sys.argv[1])
before = {name: Path("/etc", name).read_text() for name in ("passwd", "group")}
said = []

def write(name, lines):  # at once, as gpasswd does it
    copy = folder / f"{name}-{time.monotonic_ns()}"
    copy.write_text(before[name] + lines)
    subprocess.run(["mount", "--bind", copy, f"/etc/{name}"], check=True)

def members(*names):
    write("group", f"eg-maintainers:x:{MAINTAINERS}:{','.join(names)}\\neg-others:x:{OTHERS}:\\n")

def become(uid, gid=OTHERS, groups="--clear-groups"):
    return ["setpriv", "--reuid", str(uid), "--regid", str(gid), groups]

def call(user, *through, gid=OTHERS, groups="--clear-groups"):
    command = [*become(USERS.get(user, user), gid, groups), *through, "/usr/bin/python3", "-S", "-E", "-c", CALL]
    return subprocess.Popen([*command, str(control)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

def tell(what, process, verb="residents"):
    if process.poll() is None:
        process.stdin.write(json.dumps({"verb": verb}) + "\\n")
        process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    said.append((what, answer.get("kernel") or answer.get("error", {}).get("kind", "ok")))

own = {"prim": MAINTAINERS}
write("passwd", "".join(f"{name}:x:{uid}:{own.get(name, OTHERS)}::/:/bin/sh\\n" for name, uid in USERS.items()))
members("mara")
folder.chmod(0o711)
public = folder / "public"
public.mkdir()
public.chmod(0o777)
door = public / "door"
with BoardSimulator("lcus1") as board, running_gate(folder, board.path, roles={"maintainer": "eg-maintainers"}) as (
    gate, settings,
):
    control = settings.sockets.control
    (folder / "site").chmod(0o711)
    control.parent.chmod(0o750)
    settle(gate, "A")
    make = f"cp /usr/bin/env {door} && chgrp eg-maintainers {door} && chmod 2755 {door}"
    subprocess.run([*become(USERS["mara"], groups="--init-groups"), "sh", "-c", make], check=True)
    kept = call("mara", groups="--init-groups")
    tell("a member", kept)
    tell("somebody with the group for their own", call("prim", gid=MAINTAINERS))
    tell("a stranger", call("eve"))
    tell("a stranger through the file", call("eve", door))
    tell("a stranger through the file asks for what takes two", call("eve", door), "templates-renew")
    tell("a number without an account, in the group", call(64999, gid=MAINTAINERS))
    members("bert")
    tell("the member, removed, on the same connection", kept)
    tell("the member, removed, with the login of before", call("mara", gid=MAINTAINERS))
    tell("the member, removed, through the file", call("mara", door))
    tell("a member that came", call("bert", groups="--init-groups"))
    members("mara-too")
    tell("another account with the number of a member", call("mara", groups="--init-groups", gid=MAINTAINERS))
print(json.dumps(said))
"""


def test_a_role_is_who_stands_in_the_systems_lists_and_not_what_a_program_runs_under() -> None:
    if os.getuid() != 0:
        pytest.skip("needs root")
    with tempfile.TemporaryDirectory() as folder:
        command = ["unshare", "--mount", sys.executable, "-c", WITH_OTHER_USERS, folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        ["a member", "ok"],
        ["somebody with the group for their own", "ok"],
        ["a stranger", "Permission denied"],
        ["a stranger through the file", "NotAllowed"],
        ["a stranger through the file asks for what takes two", "NotAllowed"],
        ["a number without an account, in the group", "NotAllowed"],
        ["the member, removed, on the same connection", "NotAllowed"],
        ["the member, removed, with the login of before", "NotAllowed"],
        ["the member, removed, through the file", "NotAllowed"],
        ["a member that came", "ok"],
        ["another account with the number of a member", "ok"],
    ]
