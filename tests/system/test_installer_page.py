# SPDX-License-Identifier: Apache-2.0
"""docs/installer.md, literally: somebody with sudo pastes its blocks, in order, into Debian 12 and into Debian 13.

From a checkout in the home folder to a gate that enrols and opens, an update to a newer checkout, and the removal. Each
release is booted once (clean_debian.py) and pasted into by installer_guest.py; the tests judge what that saw.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest

from tests.support import installer_page
from tests.system import clean_debian
from tests.system.clean_debian import Release

PASSPHRASE: Final = "six old lamps and nine geese"
# Each block that no container can run, by its first line, and why. Every other block is run.
NOT_IN_A_CONTAINER: Final = MappingProxyType(
    {
        "sudo udevadm control --reload && sudo udevadm trigger": "no udev runs there; the guest makes the names",
        "udevadm info --query=property --property=ID_PATH /dev/video0": "there is no camera to be listed",
        "ls -l /dev/edge-gate-camera /dev/edge-gate-relay": "there is no camera either",
        "maker=0403": "no udev; tests/unit/test_installer_page.py runs its other line",
        "sudo apt install --yes python3-picamera2": "there is no Raspberry Pi camera, and Debian has no such package",
        "address='the address that you were given'": "no network; tests/unit/test_installer_page.py clones",
        "sudo systemd-tty-ask-password-agent --query": "for later boots; tests/system/test_passphrase.py runs it",
    }
)
# Each block that a site takes only if it wants a passphrase.
WITH_A_PASSPHRASE: Final = (
    "sudo cp -r /opt/edge-gate/share/edge-gate/systemd/passphrase/. /etc/systemd/system/",
    "sudo edge-gate keys lock --config /run/edge-gate-first/edge-gate.toml",
)
START: Final = "sudo systemctl enable --now edge-gate edge-gate-eye"

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@dataclass(frozen=True, slots=True)
class Site:
    """A device and who sets it up: with or without a password for sudo, with which umask, with a passphrase or not."""

    release: Release
    password: str
    umask: str
    left_out: tuple[str, ...] = ()
    answers: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def plan(self) -> dict[str, Any]:
        """Return what installer_guest.py has to know."""
        return {
            "password": self.password,
            "umask": self.umask,
            "left out": [*NOT_IN_A_CONTAINER, *self.left_out],
            "answers": self.answers,
        }


SITES: Final = MappingProxyType(
    {
        "Debian 12": Site(Release("bookworm", "3.11"), "", "022", WITH_A_PASSPHRASE),
        "Debian 13": Site(
            Release("trixie", "3.13"), "a word to sudo", "077",
            answers={
                WITH_A_PASSPHRASE[1]: [("New passphrase: ", PASSPHRASE), ("The same again: ", PASSPHRASE)],
                START: [("Passphrase of the store's key", PASSPHRASE)],
            },
        ),
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Boot both at once and return what was seen in each."""
    pictures = tmp_path_factory.mktemp("pictures")
    clean_debian.take_pictures(pictures)
    folders = {name: tmp_path_factory.mktemp("shared") for name in SITES}
    for name, site in SITES.items():
        clean_debian.prepare(site.release)
        clean_debian.furnish(folders[name], site.plan(), pictures)
    with ThreadPoolExecutor() as both:
        consoles = both.map(lambda name: clean_debian.play(SITES[name].release, folders[name]), SITES)
        return {name: judged(folders[name], console) for name, console in zip(SITES, consoles, strict=True)}


def judged(shared: Path, console: str) -> Any:
    """Return what the guest wrote. Fails where a command of the page did, or something else went wrong there."""
    said = shared / "acts.json"
    assert said.exists(), console
    seen = json.loads(said.read_text())
    if "failed" in seen:
        pytest.fail(f"{seen['failed']}\n{seen['journal']}", pytrace=False)
    return seen


@pytest.fixture(params=sorted(SITES))
def acts(request: pytest.FixtureRequest, sites: dict[str, Any]) -> Any:
    """What was seen at one site."""
    return sites[request.param]


def pasted(acts: Any, name: str) -> Any:
    """Return the block with this first line, of those that were pasted."""
    return next(each for each in acts["blocks"] if each["name"] == name and "screen" in each)


def unit(acts: Any, name: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in acts["units"][name].splitlines())


def test_every_block_is_run_or_has_a_reason_and_no_reason_is_left_over(sites: dict[str, Any]) -> None:
    blocks = [each.name for each in installer_page.read(clean_debian.PAGE.read_text()) if each.typed]
    explained = (*NOT_IN_A_CONTAINER, *WITH_A_PASSPHRASE)
    assert [blocks.count(each) for each in explained] == [1] * len(explained)
    run = {each["name"] for acts in sites.values() for each in acts["blocks"] if "screen" in each}
    assert set(blocks) - run == set(NOT_IN_A_CONTAINER)
    assert set(WITH_A_PASSPHRASE) <= run


def test_the_gate_runs_and_doctor_finds_nothing_at_fault(acts: Any) -> None:
    (doctor,) = (line for line in pasted(acts, START)["screen"].splitlines() if " fault, " in line)
    assert " 0 fault, " in doctor
    for name in ("edge-gate", "edge-gate-eye"):
        assert unit(acts["running"], name)["ActiveState"] == "active"
    assert acts["running"]["status"]["faults"] == []
    assert acts["running"]["status"]["eye"]["camera"] == "working"


def test_every_wall_of_both_processes_stands(acts: Any) -> None:
    findings = acts["running"]["security"]["findings"]
    assert [each for each in findings if each["state"] == "fault"] == []
    for who in ("the gate", "the eye"):
        standing = {each["text"].partition(":")[0] for each in findings if (each["part"], each["state"]) == (who, "ok")}
        assert {"rights", "system calls", "network", "files", "core dumps", "unit"} <= standing


def test_a_resident_is_enrolled_and_opens_the_door(acts: Any) -> None:
    assert [each["name"] for each in acts["running"]["residents"]] == ["Li Wei"]
    assert {each["resident"] for each in acts["opened"]} == {"Li Wei"}
    assert acts["pulses"] >= 2, "one by hand, one at least by the resident"


def test_people_have_the_roles_that_the_page_gives_them(acts: Any) -> None:
    assert "edge-gate-maintainer" in acts["roles"]["pi"]
    assert "edge-gate-maintainer" in acts["roles"]["mary"]
    assert "edge-gate-auditor" in acts["roles"]["otto"]
    assert acts["checkpoint"].startswith("edge-gate-checkpoint-")


def test_the_configuration_is_roots_and_everybody_may_read_it(acts: Any) -> None:
    assert acts["configuration"] == ["root", 0o644]


def test_an_installation_by_root_leaves_the_checkout_as_it_was(acts: Any) -> None:
    assert acts["old checkout"] == acts["checkout"]["installed"]
    assert acts["checkout"]["new"] == acts["checkout"]["updated"]
    assert {*acts["checkout"]["installed"].values(), *acts["checkout"]["updated"].values()} == {"pi"}


def test_what_was_deleted_between_two_versions_is_gone_after_the_update(acts: Any) -> None:
    before, after = set(acts["running"]["modules"]), set(acts["updated"]["modules"])
    assert "deleted_long_ago" not in before, "an earlier build had left it in build/"
    assert before - after == {"soon_deleted"}
    assert after - before == {"just_added"}


def test_an_update_keeps_residents_and_brings_units_up_to_date(acts: Any) -> None:
    assert unit(acts["updated"], "edge-gate")["Description"].startswith("edge-gate, updated:")
    assert acts["updated"]["status"]["faults"] == []
    assert acts["updated"]["status"]["processes"]["gate"] != acts["running"]["status"]["processes"]["gate"]
    assert acts["updated"]["residents"] == acts["running"]["residents"]


def test_the_removal_leaves_nothing(acts: Any) -> None:
    assert acts["left"] == {"files": [], "run": [], "users": [], "groups": [], "units": "", "processes": []}
