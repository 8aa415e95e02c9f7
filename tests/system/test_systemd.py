# SPDX-License-Identifier: Apache-2.0
"""The real units in a real systemd: what they must do they do, and what they must not do the kernel refuses.

One boot of a container plays systemd_guest.py (systemd_root.py says how); the tests judge what it saw.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_gate.core.errors import NotAllowed
from tests.system import systemd_root

HERE = Path(__file__).parent
UNITS = ("edge-gate", "edge-gate-eye")
ALL = (*UNITS, "edge-gate-guard")
OFF = "a00100a1"
HARMLESS = {
    "char", "fd", "full", "hugepages", "log", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin",
    "stdout", "tty", "urandom", "zero",
}  # fmt: skip

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def acts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Boot once and return what was seen in each act."""
    shared = tmp_path_factory.mktemp("shared")
    console = systemd_root.prepare().play(shared)
    said = shared / "acts.json"
    assert said.exists(), console
    seen = json.loads(said.read_text())
    assert "failed" not in seen, f"{seen['failed']}\n{seen['journal']}"
    return seen


@pytest.fixture(scope="module")
def gate(acts: Any) -> Any:
    """What a program found that ran in the gate's sandbox."""
    return acts["probe"]["edge-gate"]


@pytest.fixture(scope="module")
def eye(acts: Any) -> Any:
    """What a program found that ran in the eye's sandbox."""
    return acts["probe"]["edge-gate-eye"]


def test_this_systemd_understands_every_line_of_the_units_and_of_the_udev_rules(acts: Any) -> None:
    assert acts["install"]["verify"] == {"status": 0, "out": "", "err": ""}
    assert acts["install"]["udev"]["status"] == 0, acts["install"]["udev"]


@pytest.mark.parametrize("unit", ALL)
def test_this_systemd_too_finds_the_exposure_low(acts: Any, unit: str) -> None:
    judged = acts["install"]["security"][f"{unit}.service"]
    assert judged["status"] == 0, judged["out"]


def test_the_gate_starts_with_the_key_from_an_encrypted_credential_and_says_that_it_is_ready(acts: Any) -> None:
    assert acts["start"]["gate"]["status"] == 0
    unit = acts["start"]["units"]["edge-gate"]
    assert (unit["ActiveState"], unit["SubState"], unit["NRestarts"]) == ("active", "running", "0")
    assert unit["StatusText"] == "Watching the door"
    assert acts["start"]["store"] == ["700 edge-gate", "600 edge-gate"]


def test_every_relay_is_switched_off_before_anything_else(acts: Any) -> None:
    assert set(acts["start"]["heard at start"]) == {OFF}
    assert acts["start"]["before eye"]["door"]["state"] == "secure"


def test_the_eye_sees_its_camera_and_reaches_the_gate_from_its_sandbox(acts: Any) -> None:
    assert acts["start"]["with eye"]["eye"]["connected"]
    assert acts["start"]["with eye"]["eye"]["camera"] == "working"


def test_the_models_runtime_can_see_what_processor_it_runs_on(acts: Any, eye: Any) -> None:
    """Else it takes slow paths that run anywhere."""
    assert eye["read"]["/proc/cpuinfo"] == "done"
    assert "failed to parse processor information" not in acts["journal"]


def test_doctor_finds_nothing_at_fault_and_every_wall_standing(acts: Any) -> None:
    assert acts["start"]["doctor"]["faults"] == 0, acts["start"]["doctor"]
    sandbox = [each for each in acts["start"]["doctor"]["findings"] if each["part"] == "sandbox"]
    assert [each["state"] for each in sandbox] == ["ok", "ok"]


def walls(security: Any, part: str) -> dict[str, Any]:
    """Return what `doctor --security` said of a process, by the first word of it."""
    found = [each for each in security["findings"] if each["part"] == part]
    return {each["text"].partition(":")[0]: each for each in found}


@pytest.mark.parametrize("who", ["gate", "eye"])
def test_doctor_sees_every_wall_of_the_units_stand(acts: Any, who: str) -> None:
    seen = walls(acts["start"]["security"], f"the {who}")
    for wall in ("rights", "system calls", "network", "files", "open files", "core dumps", "swap", "unit"):
        assert seen[wall]["state"] == "ok", seen[wall]


def test_doctor_finds_nothing_open_on_a_device_that_was_set_up_as_the_installers_guide_says(acts: Any) -> None:
    assert [each for each in acts["start"]["security"]["findings"] if each["state"] == "fault"] == []


@pytest.mark.parametrize("wall", ["files", "unit"])
def test_doctor_sees_that_a_drop_in_took_a_wall_away(acts: Any, wall: str) -> None:
    assert acts["weakened"]["connected"] and acts["weakened"]["back"]
    seen = walls(acts["weakened"]["security"], "the eye")
    assert seen[wall]["state"] == "fault", seen[wall]
    assert "weaker.conf" in seen["unit"]["text"]
    assert walls(acts["weakened"]["security"], "the gate")[wall]["state"] == "ok"


def test_doctor_finds_a_unit_that_fails_again_and_again_and_one_that_was_not_read(acts: Any) -> None:
    def told(which: str) -> dict[str, str]:
        units = [each for each in acts["failing"][which]["findings"] if each["part"] == "units"]
        return {each["text"].split()[0]: f"{each['state']}: {each['text']}" for each in units}

    good = [each for each in acts["start"]["doctor"]["findings"] if each["part"] == "units"]
    assert [(each["state"], each["text"]) for each in good] == [
        ("ok", "edge-gate.service runs"), ("ok", "edge-gate-eye.service runs"), ("ok", "edge-gate-guard.service runs"),
    ]  # fmt: skip
    unread = [each["text"] for each in acts["failing"]["unread"]["findings"] if each["state"] == "fault"]
    assert unread == ["edge-gate.service was changed since systemd read it"]
    assert "fault: edge-gate.service ends and is started again" in told("doctor")["edge-gate.service"]
    assert acts["failing"]["back"]


def test_the_second_wall_stands_where_a_drop_in_took_the_first_away(acts: Any) -> None:
    """The drop-in allows core dumps; the process does not."""
    assert walls(acts["weakened"]["security"], "the eye")["core dumps"]["state"] == "ok"


def test_doctor_names_the_people_who_may_do_something(acts: Any) -> None:
    people = {each["text"] for each in acts["start"]["security"]["findings"] if each["part"] == "people"}
    assert {"maintainer: keeper, second", "installer: nobody", "auditor: reader"} <= people


def test_an_operator_is_served_and_the_log_has_their_name(acts: Any) -> None:
    assert acts["callers"]["asked"]["keeper"]["status"] == 0
    assert acts["callers"]["pulse"]["status"] == 0
    (test,) = (each for each in acts["callers"]["events"] if each["kind"] == "relay test")
    assert test["detail"] == {"operator": "keeper"}


@pytest.mark.parametrize("who", ["reader", "second"])
def test_who_has_a_role_by_another_group_is_served_too(acts: Any, who: str) -> None:
    assert acts["callers"]["asked"][who]["status"] == 0


def test_an_auditor_sees_the_log_whole_and_moves_no_door(acts: Any) -> None:
    assert acts["insiders"]["verified"]["status"] == 0, acts["insiders"]["verified"]
    assert acts["insiders"]["reader pulse"] == NotAllowed.exit_code
    assert any(row["verb"] == "relay-test" and row["actor"].startswith("keeper") for row in acts["insiders"]["log"])


def test_a_user_who_was_put_into_a_group_for_a_moment_is_in_the_log(acts: Any) -> None:
    changes = [row["detail"] for row in acts["insiders"]["log"] if row["verb"] == "roles changed"]
    assert {"installer": [acts["insiders"]["uid of second"]]} in [each["added"] for each in changes]
    assert all("second" not in json.dumps(each) for each in changes)


def test_each_start_has_its_models_in_the_log(acts: Any) -> None:
    starts = [row["detail"] for row in acts["insiders"]["log"] if row["verb"] == "started"]
    assert starts and all(len(each["models"]) == 5 for each in starts)
    assert not any("Error" in each for each in starts[0]["models"].values())


def test_looser_settings_wait_for_somebody_other_than_root_who_wrote_them(acts: Any) -> None:
    seen = acts["insiders"]
    assert seen["before"] == {"waiting": ["decision.min_sightings"], "held": ""}
    assert (seen["reader"], seen["root"], seen["second"]) == (NotAllowed.exit_code, NotAllowed.exit_code, 0)
    assert seen["after"] == {"waiting": [], "held": ""}
    (approved,) = (row for row in seen["log"] if row["verb"] == "approve")
    assert approved["actor"].startswith("second") and approved["role"] == "maintainer"


@pytest.mark.parametrize("who", ["gate", "eye"])
def test_each_process_has_sealed_itself_as_far_as_this_kernel_can(acts: Any, who: str) -> None:
    walls = acts["start"]["with eye"]["sealed"][who]
    assert walls["missing"] == []
    assert {"no new privileges", "no core dump", "system calls"} <= set(walls["standing"])
    assert len(walls["standing"]) + len(walls["not_here"]) == 7
    (seal,) = (each for each in acts["start"]["doctor"]["findings"] if each["part"] == "seal" and who in each["text"])
    assert seal["state"] == ("unknown" if walls["not_here"] else "ok")


@pytest.mark.parametrize("who", ["gate", "eye"])
def test_memory_is_locked_wherever_the_machine_lets_the_unit_lift_the_limit(acts: Any, who: str) -> None:
    """VmLck counts what mlockall(2) covers, used or not. A container without CAP_SYS_RESOURCE keeps the limit."""
    memory, walls = acts["start"]["memory"][who], acts["start"]["with eye"]["sealed"][who]
    assert ("no swap" in walls["standing"]) != ("no swap" in walls["not_here"])
    assert (memory["VmLck"] > memory["VmRSS"] > 0) == ("no swap" in walls["standing"])
    assert memory["VmSwap"] == 0


@pytest.mark.parametrize("who", ["stranger", "edge-gate-eye"])
def test_neither_a_stranger_nor_the_eye_reaches_the_control_socket(acts: Any, who: str) -> None:
    assert acts["callers"]["asked"][who]["status"] == NotAllowed.exit_code


def test_each_socket_belongs_to_the_gate_and_to_those_who_may_call_on_it(acts: Any) -> None:
    assert acts["start"]["modes"] == [
        "/run/edge-gate/control/control.sock 660 edge-gate edge-gate",
        "/run/edge-gate/eye/eye.sock 660 edge-gate edge-gate-eye",
        "/run/edge-gate/guard/guard.sock 600 edge-gate edge-gate",
    ]


@pytest.mark.parametrize("unit", ALL)
def test_no_network_can_be_reached(acts: Any, unit: str) -> None:
    opened = {name for name, outcome in acts["probe"][unit]["socket"].items() if outcome == "done"}
    assert opened == {"AF_UNIX"}


@pytest.mark.parametrize("unit", ALL)
def test_there_are_no_rights_to_give_away(acts: Any, unit: str) -> None:
    status = acts["probe"][unit]["status"]
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert "0" not in status["Uid"].split()


@pytest.mark.parametrize("unit", ALL)
def test_no_memory_is_both_written_and_executed_and_nobody_is_debugged(acts: Any, unit: str) -> None:
    assert acts["probe"][unit]["write and execute"] in ("EACCES", "EPERM")
    assert acts["probe"][unit]["ptrace"] == "EPERM"


def stored(places: list[str]) -> list[str]:
    """Return the places that keep what is written to them: neither devices nor sockets."""
    return [each for each in places if not each.startswith("/dev/") and not each.endswith((".sock", "/notify"))]


def test_the_eye_can_write_nowhere(eye: Any) -> None:
    assert stored(eye["writable"]) == []


def test_the_pulse_guard_can_write_nowhere_and_sees_no_device_no_store_and_no_key(acts: Any) -> None:
    guard = acts["probe"]["edge-gate-guard"]
    assert stored(guard["writable"]) == []
    assert set(guard["devices"]) <= HARMLESS
    assert {guard["read"][each] for each in ("/var/lib/edge-gate/edge-gate.db", "/etc/edge-gate/store-key.cred")} == {
        "EACCES"
    }


def test_the_gate_can_write_only_its_own_folders_and_a_private_tmp(gate: Any) -> None:
    own = ("/run/edge-gate/control", "/run/edge-gate/eye", "/var/lib/edge-gate", "/tmp", "/var/tmp", "/run/systemd")
    assert [place for place in stored(gate["writable"]) if not place.startswith(own)] == []


def test_what_a_process_wrote_it_cannot_run_and_shared_memory_is_closed(eye: Any, gate: Any) -> None:
    assert gate["run"]["/tmp"] == gate["run"]["/var/lib/edge-gate"] == "EACCES"
    assert eye["run"]["/tmp"] == "EROFS"
    assert {gate["run"]["/dev/shm"], eye["run"]["/dev/shm"], eye["run"]["/var/lib/edge-gate"]} == {"EACCES"}


def test_the_eye_can_read_neither_store_nor_key_and_the_gate_not_the_key_at_rest(eye: Any, gate: Any) -> None:
    assert eye["read"]["/var/lib/edge-gate/edge-gate.db"] == "EACCES"
    assert eye["read"]["/etc/edge-gate/store-key.cred"] == "EACCES"
    assert gate["read"]["/etc/edge-gate/store-key.cred"] == "EACCES"


def test_the_eye_may_call_on_the_eye_socket_only(eye: Any) -> None:
    assert eye["call"] == {"eye": "done", "control": "ENOENT"}


def test_a_second_eye_is_turned_away(acts: Any) -> None:
    assert "tried to be a second eye and was turned away" in acts["journal"]


def test_the_gate_sees_no_device_but_its_relay(gate: Any) -> None:
    assert set(gate["devices"]) - HARMLESS == {"edge-gate-relay"}


def test_a_gate_killed_in_the_middle_of_a_pulse_leaves_the_relay_off_and_comes_back(acts: Any) -> None:
    killed = acts["gate killed"]
    (first, on_at_ms), (last, off_at_ms) = killed["changes"]
    assert (first, last) == (True, False)
    assert on_at_ms < 0 < off_at_ms, "the relay was on when the gate was killed, and went off after"
    assert off_at_ms - on_at_ms < 8000, "before the pulse would have ended"
    assert killed["back"] and killed["gate"]["NRestarts"] == "1"
    assert killed["door"]["state"] == "secure"


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_both_gate_and_guard_struck_in_the_middle_of_a_pulse_leave_the_relay_off_though_no_gate_comes_back(
    acts: Any, how: str
) -> None:
    """systemd starts the guard again, with the board that was on; the gate's restart is switched off for this."""
    struck = acts[f"both {how}"]
    assert struck["on"] and struck["off"], struck
    assert struck["guard"]["MainPID"] != struck["guard before"]["MainPID"]
    if how == "stopped":
        assert struck["gate then"]["MainPID"] == struck["gate before"]["MainPID"], "the gate stood still all the time"
    else:
        assert struck["gate then"]["ActiveState"] == "failed"
    assert struck["back"]


def test_the_eye_outlives_the_gate_and_finds_it_again(acts: Any) -> None:
    assert acts["gate killed"]["eye again"]
    assert acts["gate killed"]["eye"]["NRestarts"] == "0"


def test_the_gate_outlives_the_eye_which_comes_back(acts: Any) -> None:
    assert acts["eye killed"]["again"]
    assert acts["eye killed"]["eye"]["NRestarts"] == "1"
    assert acts["eye killed"]["gate"]["MainPID"] == acts["gate killed"]["gate"]["MainPID"]


@pytest.mark.parametrize("who", ["gate", "eye"])
def test_the_watchdog_replaces_a_process_that_hangs(acts: Any, who: str) -> None:
    hung = acts[f"{who} hung"]
    assert hung["watchdog"]
    assert hung["after"]["ActiveState"] == "active"
    assert int(hung["after"]["NRestarts"]) == int(hung["before"]["NRestarts"]) + 1


def test_both_end_when_asked_and_leave_the_relay_off(acts: Any) -> None:
    for unit in ALL:
        assert (acts["stop"]["units"][unit]["ActiveState"], acts["stop"]["units"][unit]["Result"]) == (
            "inactive",
            "success",
        )
    assert set(acts["stop"]["heard"]) == {OFF}
