# SPDX-License-Identifier: Apache-2.0
"""Every command as root, as each role, as nobody and as a login older than its group, in each state of a device.

The folder that they stand in is one that only root may enter. Needs root, for a mount namespace with users of its own,
and systemd's tools, which seal a real credential and ask for a real passphrase.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Final

import pytest

from edge_gate import cli
from edge_gate.core.exit_codes import ExitCode
from edge_gate.spec.registry import VERBS
from tests.support.commands import callable_commands
from tests.system.users import ASKING, COMMANDS, ENDLESS, GATE, LATE, ON_FILES, ROLES, STATES, USERS, Seen

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

STRANGERS: Final = ("edge-gate-eye", "nobody")
ANSWERING: Final = ("running", "paused")


@pytest.fixture(scope="module")
def seen() -> Iterator[list[Seen]]:
    if os.getuid() != 0:
        pytest.skip("needs root")
    with tempfile.TemporaryDirectory(prefix="eg-") as folder:
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "tests.system.users_guest"]
        done = subprocess.run([*command, folder], capture_output=True, text=True, timeout=550, check=False)
        assert done.returncode == 0, done.stderr
        yield [(state, user, words, code, out, err) for state, user, words, code, out, err in json.loads(done.stdout)]


def test_every_command_is_tried_by_every_user_in_every_state(seen: list[Seen]) -> None:
    assert {words.partition(" --")[0] for words in COMMANDS} == set(callable_commands(cli.group))
    tried = {(words, user, state) for state, user, words, *_ in seen}
    assert tried == {(words, user, state) for words in COMMANDS for user in USERS for state in STATES} - ENDLESS


def test_no_command_ends_in_a_traceback_or_without_a_sentence(seen: list[Seen]) -> None:
    for each in seen:
        *_, code, out, err = each
        assert isinstance(code, int) and 0 <= code < 126 and code != ExitCode.INTERNAL_FAULT, each
        assert "Traceback" not in out + err, each
        if code not in (0, ExitCode.EDGE_GATE_ERROR):
            assert re.search(r"^edge-gate(-eye|-gate)?: .*\.?$", err.splitlines()[-1]), each


def test_who_may_not_see_a_store_is_never_told_that_there_is_none(seen: list[Seen]) -> None:
    for each in seen:
        state, user, _, code, out, err = each
        if state not in STATES[:2] and user not in ("root", GATE):
            assert "no store" not in out + err and code not in (ExitCode.STORE_MISSING, ExitCode.KEY_MISSING), each


def test_a_gate_that_cannot_be_asked_says_why(seen: list[Seen]) -> None:
    said = {"no configuration": "edge-gate init", "no store": "sudo systemctl start edge-gate"}
    said |= {"stopped": "sudo systemctl start edge-gate", "waiting": "waits for the passphrase"}
    for each in seen:
        state, _, words, code, _, err = each
        if words in ASKING and state in said:
            missing = state == "no configuration"
            assert code == (ExitCode.CONFIG_MISSING if missing else ExitCode.GATE_NOT_RUNNING), each
            assert said[state] in err, each


def test_a_gate_that_runs_answers_each_role_and_names_the_way_in_to_everybody_else(seen: list[Seen]) -> None:
    for each in seen:
        state, user, words, code, _, err = each
        if words not in ASKING or state not in ANSWERING:
            continue
        if user in ROLES and ROLES[user] not in VERBS[ASKING[words]].roles:
            assert code == ExitCode.NOT_ALLOWED and "is for who is" in err, each
        elif user == LATE:
            assert code == ExitCode.NOT_ALLOWED and "log out and in again" in err and "sudo" not in err, each
        elif user in STRANGERS:
            assert code == ExitCode.NOT_ALLOWED and "added to the group of your role" in err, each
        else:
            assert code not in (ExitCode.NOT_ALLOWED, ExitCode.GATE_NOT_RUNNING, ExitCode.CONFIG_MISSING), each


def test_a_gate_that_is_paused_says_so(seen: list[Seen]) -> None:
    for each in seen:
        state, user, words, code, out, err = each
        may = user in ("root", GATE, "mara")
        if words == "enrol" and state in ANSWERING and may:
            assert code == ExitCode.EYE_ABSENT and ("is paused" in err) == (state == "paused"), each
        if words == "status" and state == "paused" and code == 1:
            assert "paused" in out, each


def test_what_works_on_the_files_needs_root_and_says_so(seen: list[Seen]) -> None:
    for each in seen:
        state, user, words, code, _, err = each
        if words in ON_FILES and state not in STATES[:2] and user not in ("root", GATE):
            assert code == ExitCode.NOT_ALLOWED and "with sudo" in err and user in err, each
        if words == "run" and code == ExitCode.NOT_ALLOWED:
            assert "sudo systemctl start edge-gate" in err, each


def test_doctor_without_rights_shows_what_it_can_and_what_sudo_would_show(seen: list[Seen]) -> None:
    for each in seen:
        state, user, words, code, out, _ = each
        if not words.startswith("doctor") or state == "no configuration":
            continue
        assert code in (0, 1), each
        faults = [line.split()[1] for line in out.splitlines() if line.startswith("fault")]
        if state not in STATES[:2]:  # there is no eye, no camera and no model of it here
            assert set(faults) <= {"camera", "eye", "liveness", "models", "the"}, each
        if user not in ("root", GATE):
            assert "→ sudo edge-gate doctor" in out and "ok      " in out, each


def test_settings_are_judged_alike_for_everybody(seen: list[Seen]) -> None:
    """But for the store, which not everybody may see. There are no models here but the eyes."""
    heard: dict[str, set[tuple[str, ...]]] = {}
    for state, _, words, code, out, _ in seen:
        if words == "config check" and state != "no configuration":
            assert code == 1 and "to mend" in out.splitlines()[-1], out
            heard.setdefault(state, set()).add(tuple(each for each in out.splitlines()[:-1] if ": store." not in each))
    assert all(len(each) == 1 for each in heard.values()), heard
    assert all("models.mesh" in "".join(lines) for each in heard.values() for lines in each)
