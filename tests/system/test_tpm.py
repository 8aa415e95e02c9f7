# SPDX-License-Identifier: Apache-2.0
"""A key that is sealed to a TPM opens in its own machine, and the same disk in another machine gives nothing.

Three boots of a virtual machine (tpm_vm.py) with the real gate: a site is set up; then its disk starts once more with
the same TPM, and a copy of it with another. The control is the key that was sealed to the host's key alone, which lies
on the disk: that one opens in the other machine too.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edge_gate.cli.keys.place import LIMITS
from tests.system import systemd_root, tpm_vm, vivid_vm

HERE = Path(__file__).parent

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def boots(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what was seen in each boot: "first", "same" machine again, and "other" machine."""
    folder = tmp_path_factory.mktemp("machines")
    kernel = vivid_vm.bootable(tpm_vm.MODULES, tpm_vm.INIT)
    machine = tpm_vm.Machine(*kernel, systemd_root.prepare().base)

    def boot(name: str, disk: Path, tpm: Path) -> Any:
        shared = folder / name
        (shared / "phase").write_text("set up" if name == "first" else "start")
        console = machine.boot(disk, tpm, shared)
        assert (shared / "acts.json").exists(), console
        seen = json.loads((shared / "acts.json").read_text())
        assert "failed" not in seen, f"{seen['failed']}\n{seen['journal']}"
        return seen

    (folder / "first").mkdir()
    systemd_root.furnish(folder / "first", "tpm_guest.py")
    own, others = folder / "own-tpm", folder / "other-tpm"
    disk, copied = folder / "disk", folder / "copied-disk"
    own.mkdir()
    others.mkdir()
    machine.disk(folder / "first", disk)
    seen = {"first": boot("first", disk, own)}
    shutil.copyfile(disk, copied)
    for name in ("same", "other"):
        shutil.copytree(folder / "first", folder / name, ignore=shutil.ignore_patterns("acts.json", "play.log"))
    with ThreadPoolExecutor(2) as both:
        same, other = both.submit(boot, "same", disk, own), both.submit(boot, "other", copied, others)
        return seen | {"same": same.result(), "other": other.result()}


def runs(seen: Any) -> bool:
    """Tell whether the real gate started, watches the door, and could say from the key what is in the store."""
    gate = seen["gate"]
    return (
        seen["started"]["status"] == 0
        and (gate["ActiveState"], gate["StatusText"]) == ("active", "Watching the door")
        and seen["door"]["state"] == "secure"
        and seen["opened by hand"] == 0
        and "receipts, log signed by" in seen["keys"]["out"]
    )


@pytest.mark.parametrize("sealed", ["by-tpm", "by-both"])
def test_the_gate_starts_in_its_own_machine_after_a_reboot_too(boots: Any, sealed: str) -> None:
    assert runs(boots["first"]["by-both"]), boots["first"]
    assert runs(boots["same"][sealed]), boots["same"][sealed]


@pytest.mark.parametrize("sealed", ["by-tpm", "by-both"])
def test_the_same_disk_in_another_machine_gives_neither_key_nor_gate(boots: Any, sealed: str) -> None:
    seen = boots["other"][sealed]
    assert seen["started"]["status"] != 0
    assert (seen["gate"]["ActiveState"], seen["gate"]["MainPID"]) == ("failed", "0")
    assert seen["opened by hand"] != 0
    assert "systemd-creds does not open" in seen["keys"]["out"]
    assert "receipts, log signed by" not in seen["keys"]["out"]


def test_the_other_machine_has_a_tpm_that_works_with_what_it_sealed_itself(boots: Any) -> None:
    assert boots["same"]["own tpm"] == boots["other"]["own tpm"] == "gives back"


def test_the_control_without_a_tpm_starts_in_the_other_machine_as_well(boots: Any) -> None:
    assert runs(boots["same"]["by-host"])
    assert runs(boots["other"]["by-host"]), "else the other machine refuses for another reason"


@pytest.mark.parametrize(("sealed", "tier"), [("by-tpm", "tpm2"), ("by-both", "host+tpm2"), ("by-host", "host")])
def test_the_status_names_the_tier_and_its_limits_in_either_machine(boots: Any, sealed: str, tier: str) -> None:
    for machine in ("same", "other"):
        said = boots[machine][sealed]["keys"]["out"]
        assert f"sealed with: {tier}\n" in said
        assert LIMITS[tier.removeprefix("host+")] in said


def test_a_passphrase_adds_to_a_tpm(boots: Any) -> None:
    opened = boots["same"]["with passphrase"]
    assert (opened["sealed"], opened["locked"], opened["opens the store"]) == ("opens", True, True)
    assert opened["limits"] == LIMITS["tpm2+passphrase"]
    assert boots["other"]["with passphrase"] == {"sealed": "stays shut"}, "the passphrase alone is not enough"


def test_a_device_that_is_no_camera_is_refused_to_the_eye_although_everybody_may_open_it(boots: Any) -> None:
    """Such as /dev/vcio. Outside the unit the kernel gets as far as to look for its driver."""
    assert boots["first"]["eye's sandbox"]["outside"] == "ENXIO"
    opened = json.loads(boots["first"]["eye's sandbox"]["said"][0])
    assert opened == {"/dev/null": "done", "/dev/vcio": "EPERM", "/dev/vda": "EPERM"}


def test_the_eye_is_ended_where_it_takes_more_memory_than_its_unit_allows(boots: Any) -> None:
    seen = boots["first"]["eye's sandbox"]
    assert (len(seen["said"]), seen["result"]) == (1, "oom-kill")
