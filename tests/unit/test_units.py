# SPDX-License-Identifier: Apache-2.0
"""The units, users, folders and device names agree with the code and with each other.

What systemd itself makes of them is checked by .ci/run (verify, exposure) and tests/system/test_systemd.py (live).
"""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from edge_gate.cli.keys.lock import UNLOCK_UNIT
from edge_gate.cli.keys.unlock import OPENED, SEALED_CREDENTIAL
from edge_gate.core.errors import RelayMissing
from edge_gate.relays import guard_process
from edge_gate.relays.guard_start import SOCKET_VARIABLE
from edge_gate.settings.config import DEFAULT_PATH, Config
from edge_gate.store.keys.source import CREDENTIAL

CHECKOUT = Path(__file__).parents[2]
SYSTEMD = CHECKOUT / "systemd"
UNITS = ("edge-gate", "edge-gate-eye")


def settings(unit: str) -> list[tuple[str, str]]:
    """Return each line of a unit as key and value, in order."""
    lines = (SYSTEMD / f"{unit}.service").read_text().splitlines()
    return [
        (key, value) for line in lines if not line.startswith("#") for key, sep, value in [line.partition("=")] if sep
    ]


def values(unit: str, key: str) -> list[str]:
    return [value for name, value in settings(unit) if name == key]


def table(file: str) -> list[list[str]]:
    """Return the fields of each line of a sysusers or tmpfiles file."""
    lines = (SYSTEMD / file).read_text().splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize(("unit", "module"), [("edge-gate", "edge_gate.gate"), ("edge-gate-eye", "edge_gate.eye")])
def test_a_unit_starts_its_process_isolated_and_not_the_command_line(unit: str, module: str) -> None:
    assert values(unit, "ExecStart") == [f"/opt/edge-gate/bin/python -I -m {module} --config {DEFAULT_PATH}"]


def test_whatever_any_unit_starts_of_ours_is_isolated() -> None:
    """No module from a user's own folder, and nothing of PYTHON* in the environment."""
    for unit in SYSTEMD.rglob("*.service"):
        lines = [line for line in unit.read_text().splitlines() if "/opt/edge-gate/bin" in line]
        assert lines and all("/opt/edge-gate/bin/python -I -m edge_gate" in line for line in lines), unit


def test_every_script_that_pip_makes_begins_again_isolated() -> None:
    package = configparser.ConfigParser()
    package.read(CHECKOUT / "setup.cfg")
    scripts = package["options.entry_points"]["console_scripts"].split()
    assert [each.rpartition(":")[2] for each in scripts if ":" in each] == ["isolated"] * 3


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_watched_and_started_again_for_ever(unit: str) -> None:
    assert values(unit, "Type") == ["notify"]
    assert values(unit, "Restart") == ["always"]
    assert values(unit, "StartLimitIntervalSec") == ["0"]
    assert 2 <= int(values(unit, "WatchdogSec")[0]) <= 30


def test_the_pulse_guard_is_a_unit_of_its_own_which_the_gate_calls_on() -> None:
    address = f"{SOCKET_VARIABLE}=/run/edge-gate/guard/guard.sock"
    assert values("edge-gate", "Environment") == [address]
    listens = (SYSTEMD / "edge-gate-guard.socket").read_text().splitlines()
    assert f"ListenSequentialPacket={address.partition('=')[2]}" in listens
    assert {"SocketUser=edge-gate", "SocketMode=0600"} <= set(listens)
    assert "edge-gate-guard.socket" in values("edge-gate", "Wants")
    assert "edge-gate-guard.service" in values("edge-gate", "After")[-1].split(), "at a shutdown it ends after the gate"


def test_the_pulse_guard_is_started_again_at_once_with_what_it_held() -> None:
    assert values("edge-gate-guard", "ExecStart")[0].split()[-2:] == ["-m", guard_process.__name__]
    assert values("edge-gate-guard", "Restart") == ["always"] and values("edge-gate-guard", "RestartSec") == ["0"]
    assert values("edge-gate-guard", "StartLimitIntervalSec") == ["0"]
    assert int(values("edge-gate-guard", "FileDescriptorStoreMax")[0]) >= 2
    assert values("edge-gate-guard", "WatchdogSignal") == ["SIGKILL"], "it passes over SIGABRT"
    assert 1000 * int(values("edge-gate-guard", "WatchdogSec")[0]) >= 4 * guard_process.ALIVE_MS
    assert 1000 * int(values("edge-gate-guard", "TimeoutStopSec")[0]) > guard_process.GIVE_UP_NS // 1_000_000


def test_the_pulse_guard_has_no_device_no_file_and_no_key() -> None:
    assert values("edge-gate-guard", "PrivateDevices") == ["yes"] and values("edge-gate-guard", "DeviceAllow") == []
    for key in ("StateDirectory", "RuntimeDirectory", "ReadWritePaths", "BindPaths", "LoadCredentialEncrypted"):
        assert values("edge-gate-guard", key) == []
    assert "-/var/lib/edge-gate" in values("edge-gate-guard", "InaccessiblePaths")[0].split()


@pytest.mark.parametrize("unit", (*UNITS, "edge-gate-guard"))
@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("PrivateNetwork", "yes"),
        ("RestrictAddressFamilies", "AF_UNIX"),
        ("IPAddressDeny", "any"),
        ("CapabilityBoundingSet", ""),
        ("AmbientCapabilities", ""),
        ("NoNewPrivileges", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("DevicePolicy", "closed"),
        ("SystemCallArchitectures", "native"),
        ("LimitCORE", "0"),
        ("MemorySwapMax", "0"),
    ],
)
def test_a_wall_stands_in_each_unit(unit: str, key: str, wanted: str) -> None:
    assert values(unit, key) == [wanted]


@pytest.mark.parametrize("unit", UNITS)
def test_what_sees_people_or_has_the_key_may_lock_all_of_its_memory(unit: str) -> None:
    assert values(unit, "LimitMEMLOCK") == ["infinity"]


def test_only_the_gate_has_the_key_and_the_store() -> None:
    (credential,) = values("edge-gate", "LoadCredentialEncrypted")
    assert credential.partition(":")[0] == CREDENTIAL
    assert values("edge-gate", "StateDirectory") == ["edge-gate"]
    assert Config().store.path.parent == Path("/var/lib/edge-gate")
    for key in ("StateDirectory", "RuntimeDirectory", "CacheDirectory", "LogsDirectory", "ReadWritePaths", "BindPaths"):
        assert values("edge-gate-eye", key) == []
    assert not [key for key, _ in settings("edge-gate-eye") if "Credential" in key]


def test_only_the_eye_has_a_camera_and_only_the_gate_a_serial_line() -> None:
    assert values("edge-gate-eye", "DeviceAllow") == ["char-video4linux rw"]
    assert values("edge-gate", "DeviceAllow") == ["char-ttyUSB rw", "char-ttyACM rw"]
    assert values("edge-gate", "PrivateDevices") == ["yes"]
    assert Config().door.port in values("edge-gate", "BindPaths")[0]


def test_each_unit_has_a_user_of_its_own_whom_sysusers_makes() -> None:
    made = [fields[1] for fields in table("sysusers.d/edge-gate.conf") if fields[0] == "u"]
    assert [values(unit, "User") for unit in (*UNITS, "edge-gate-guard")] == [[name] for name in made]
    assert [values(unit, "Group") for unit in (*UNITS, "edge-gate-guard")] == [[name] for name in made]


def test_the_groups_that_give_roles_are_made() -> None:
    made = {fields[1] for fields in table("sysusers.d/edge-gate.conf")}
    roles = Config().roles
    assert {roles.installer, roles.maintainer, roles.auditor, Config().sockets.operators} <= made


def test_the_sockets_lie_where_the_configuration_says_each_behind_its_own_group() -> None:
    sockets = Config().sockets
    folders = {fields[1]: fields[2:] for fields in table("tmpfiles.d/edge-gate.conf") if fields[0] == "d"}
    assert folders[str(sockets.eye.parent)] == ["2750", "edge-gate", "edge-gate-eye"]
    assert values("edge-gate", "RuntimeDirectory") == [str(sockets.control.parent.relative_to("/run"))]
    assert values("edge-gate", "RuntimeDirectoryMode") == ["0750"]
    assert values("edge-gate", "Group") == [sockets.operators]


def test_the_gates_own_root_is_made_at_each_boot() -> None:
    made = [fields[1] for fields in table("tmpfiles.d/edge-gate.conf")]
    (root,) = values("edge-gate", "RootDirectory")
    assert {root, f"{root}/lib", f"{root}/lib64", f"{root}/bin"} <= set(made)


def test_the_opened_key_is_laid_where_the_gates_unit_takes_it_from_and_in_ramfs() -> None:
    folder = SYSTEMD / "passphrase"
    (mount,) = folder.glob("*.mount")
    assert mount.name == "-".join(OPENED.parent.parts[1:]) + ".mount"
    assert {"What=ramfs", "Type=ramfs", f"Where={OPENED.parent}"} <= set(mount.read_text().splitlines())
    drop_in = (folder / "edge-gate.service.d/passphrase.conf").read_text().splitlines()
    assert [each for each in drop_in if "Credential" in each] == [
        "LoadCredentialEncrypted=",
        f"LoadCredential={CREDENTIAL}:{OPENED}",
    ]
    assert {f"Requires={UNLOCK_UNIT}", f"After={UNLOCK_UNIT}"} <= set(drop_in)
    assert {"Wants=edge-gate-secure.service", "After=edge-gate-secure.service"} <= set(drop_in)
    secure = (folder / "edge-gate-secure.service").read_text().splitlines()
    assert f"SuccessExitStatus={RelayMissing.exit_code}" in secure
    unit = (folder / UNLOCK_UNIT).read_text().splitlines()
    assert f"LoadCredentialEncrypted={CREDENTIAL}:{SEALED_CREDENTIAL}" in unit
    assert f"RequiresMountsFor={OPENED.parent}" in unit and "RemainAfterExit=yes" in unit
    assert f"ExecStart=/opt/edge-gate/bin/python -I -m edge_gate keys open --config {DEFAULT_PATH}" in unit


def test_udev_gives_camera_and_relay_the_names_that_the_configuration_expects() -> None:
    rules = (SYSTEMD / "udev/70-edge-gate.rules").read_text()
    config = Config()
    for name in (config.camera.source, config.door.port):
        assert f'SYMLINK+="{Path(name).relative_to("/dev")}"' in rules
    assert 'ATTRS{idVendor}=="1a86", ATTRS{idProduct}=="7523"' in rules


def test_pip_installs_every_file_that_the_installers_page_puts_in_place_and_every_model() -> None:
    package = configparser.ConfigParser()
    package.read(CHECKOUT / "setup.cfg")
    taken = {
        (Path(target), source)
        for target, patterns in package["options.data_files"].items()
        for pattern in patterns.split()
        for source in CHECKOUT.glob(pattern)
    }
    share = Path("share/edge-gate")
    wanted = {
        (share / source.relative_to(CHECKOUT).parent, source)
        for folder, kinds in (("systemd", "**/*.*"), ("models", "*.*"))
        for source in (CHECKOUT / folder).glob(kinds)
        if source.is_file() and source.name != "README.md"
    }
    assert taken == wanted and len(wanted) > 20
