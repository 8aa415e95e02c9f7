# SPDX-License-Identifier: Apache-2.0
"""`sudo edge-gate doctor`: who looks through the camera is the eye's user, sealed, and never root.

Needs root, for another user and a mount namespace.
"""

from __future__ import annotations

import json
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.doctor_guest import EYE_USER

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told() -> Any:
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "tests.system.doctor_guest"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def spied(finding: Any) -> Any:
    return json.loads(finding["text"].partition("spied: ")[2])


def test_a_driver_that_was_taken_over_is_the_eyes_user_and_reaches_nothing(told: Any) -> None:
    seen = spied(told["spy"])
    user = pwd.getpwnam(EYE_USER)
    assert seen["user"] == [user.pw_uid] * 3
    assert 0 not in seen["groups"] and user.pw_gid in seen["groups"]
    assert set(seen["refused"].values()) <= {"EACCES", "EPERM"} and len(seen["refused"]) == 6


def test_the_kernel_says_so_from_outside(told: Any) -> None:
    fields = told["outside"]
    assert set(fields["Uid"].split()) == {str(pwd.getpwnam(EYE_USER).pw_uid)}
    assert set(fields["Gid"].split()) == {str(pwd.getpwnam(EYE_USER).pw_gid)}
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == int(fields["CapAmb"], 16) == 0
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


def test_pictures_are_seen_and_a_crash_is_a_finding(told: Any) -> None:
    assert (told["picture"]["state"], told["picture"]["text"]) == ("ok", "64 x 48 pixels, mean brightness 20%")
    assert told["crash"]["state"] == "fault" and "SIGSEGV" in told["crash"]["text"]


def test_what_the_configurations_path_leads_to_later_is_handed_to_nobody(told: Any) -> None:
    assert (told["exchanged"]["state"], told["exchanged"]["text"]) == ("ok", "64 x 48 pixels, mean brightness 20%")


def test_what_the_eyes_user_may_not_read_is_at_fault_for_root_too(told: Any) -> None:
    assert told["closed"]["state"] == "fault" and "Permission denied" in told["closed"]["text"]


@pytest.mark.parametrize("which", ["unnamed spy", "root named"])
def test_without_another_user_named_it_is_nobody_and_never_root(told: Any, which: str) -> None:
    assert spied(told[which])["user"] == [pwd.getpwnam("nobody").pw_uid] * 3


def test_what_nobody_may_not_read_is_not_called_a_fault(told: Any) -> None:
    assert told["unnamed"]["state"] == "unknown" and "as the user nobody" in told["unnamed"]["text"]
    assert "as the user who runs the eye" in told["unnamed"]["mend"]
