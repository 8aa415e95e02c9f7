# SPDX-License-Identifier: Apache-2.0
"""Settings that do not fit the system: found by `config check`, `doctor`, `init`, the gate and the eye alike."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from edge_gate.core.exit_codes import ExitCode
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.settings.surroundings import EYE_USER, Surroundings, find_misfits, look
from edge_gate.tools.trial import make_site, site_text
from tests.support.screens import show

FILE = Path("/etc/edge-gate/edge-gate.toml")
EMPTY = Surroundings(frozenset(), frozenset(), MappingProxyType({}), frozenset())


@pytest.mark.parametrize(
    ("text", "here", "key", "says", "stops"),
    [
        ("[sockets]\neye_user = 'eyes'", {}, "sockets.eye_user", "no such user", True),
        ("", {"users": frozenset({EYE_USER})}, "sockets.eye_user", "turns the eye away", False),
        ("[roles]\nauditor = 'readers'", {}, "roles.auditor", "sudo groupadd readers", False),
        ("[sockets]\noperators = 'staff2'", {}, "sockets.operators", "no such group", False),
        ("", {"kinds": {"store.path": "folder"}}, "store.path", "is a folder, and a file is meant", True),
        ("", {"kinds": {"store.path": "other"}}, "store.path", "is something other", True),
        ("[store]\nkey_file = 'k'", {"kinds": {"store.key_file": "socket"}}, "store.key_file", "is a socket", True),
        ("", {"kinds": {"sockets.eye": "file"}}, "sockets.eye", "no socket is in its place", True),
        ("", {"kinds": {"sockets.control": "folder"}}, "sockets.control", "no socket is in its place", True),
        ("[models]\nfolder = 'm'", {}, "models.folder", "not there for this user", True),
        ("[models]\nfolder = 'm'", {"kinds": {"models.folder": "file"}}, "models.folder", "a folder is meant", True),
        (
            "[models]\nfolder = 'm'",
            {"kinds": {"models.folder": "folder"}, "closed": frozenset({"models.folder"})},
            "models.folder",
            "cannot be read by this user",
            True,
        ),
    ],
)
def test_what_does_not_fit_this_system_is_found(
    text: str, here: dict[str, Any], key: str, says: str, stops: bool
) -> None:
    (problem,) = find_misfits(config.parse(text, FILE), replace(EMPTY, **here))
    assert problem.keys == (key,) and problem.stops == stops
    assert says in f"{problem.what}. {problem.fix}"


def test_what_fits_is_not_complained_of() -> None:
    kinds = {"store.path": "file", "sockets.eye": "socket", "sockets.control": "socket"}
    here = replace(EMPTY, users=frozenset({EYE_USER}), kinds=kinds)
    assert not list(find_misfits(config.parse(f"[sockets]\neye_user = '{EYE_USER}'", FILE), here))
    assert not list(find_misfits(config.Config(), EMPTY)), "groups that no installation has made yet"
    desk = config.parse("[store]\nkey_file = 'k'", FILE)
    assert not list(find_misfits(desk, here)), "at a desk the eye is this user's"


def test_what_there_is_is_seen(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        text = (
            f"[store]\npath = 'file'\nkey_file = '{tmp_path}'\n"
            "[sockets]\neye = 's'\ncontrol = 'none'\neye_user = 'root'\n"
            "[models]\nfolder = '/dev/null'\n[roles]\nauditor = 'daemon'\ninstaller = 'no:such'"
        )
        here = look(config.read(text, tmp_path / "a.toml").config)
    assert here.kinds == {
        "store.path": "file",
        "store.key_file": "folder",
        "sockets.eye": "socket",
        "models.folder": "other",
    }
    assert "root" in here.users and here.groups == {"daemon"} | (here.groups - {"no:such"})


def check(file: Path) -> dict[str, Any]:
    shown = show(["config", "check", "--json", "--config", str(file)])
    found: dict[str, Any] = json.loads(shown.out)
    assert shown.code == (1 if any(each["stops"] for each in found["mistakes"]) else 0) and not shown.err
    for each in found["mistakes"]:
        assert set(each) == {"key", "line", "what", "fix", "stops"} and each["what"] and each["fix"]
    return found


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("[door]\nrelay = 'lcus2'", "door.relay", 2),
        ("[camera]\ndriver = 'v4l3'", "camera.driver", 2),
        ("[infrared]\ndriver = 'v4l3'", "infrared.driver", 2),
        ("[door]\nrelay = 'modbus-waveshare'\nchannels = 9\nchannel = 10", "door.channel", 4),
        ("[decision]\nfmr = 3e-3", "decision.fmr", 2),
        ("[site]\ntime_zone = 'Mars/Base'", "site.time_zone", 2),
        ("[site\n", "", 1),
        ("[sockets]\neye_user = 'nobody-of-that-name'", "sockets.eye_user", 2),
    ],
)
def test_the_command_names_key_line_and_fix_and_so_does_doctor(tmp_path: Path, text: str, key: str, line: int) -> None:
    file = tmp_path / "a.toml"
    file.write_text(text)
    stopping = [(each["key"], each["line"]) for each in check(file)["mistakes"] if each["stops"]]
    assert [each for each in stopping if each != ("store.path", 0)] == [(key, line)], "but for a store that is not made"
    shown = show(["config", "check", "--config", str(file)])
    assert f"{file}:{line}: " in shown.out and " to mend" in shown.out.splitlines()[-1]
    findings = json.loads(show(["doctor", "--json", "--config", str(file)]).out)["findings"]
    told = [each for each in findings if each["part"] == "configuration" and each["state"] == "fault"]
    assert len(told) == 1 and f"line {line}: " in told[0]["text"] and told[0]["mend"]


def test_it_is_said_of_each_setting_how_many_people_a_change_takes(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(
        "[site]\nname = 'x'\n[decision]\nfmr = 1e-4\ngap_s = 2.0\n[camera]\nsource = '/dev/video0'\n[no]\nsuch = 1"
    )
    takes = {"site.name": "one", "camera.source": "two, shut", "decision.fmr": "two (lower: one)"}
    assert check(file)["takes"] == {**takes, "decision.gap_s": "two"}
    shown = show(["config", "check", "--config", str(file)]).out
    assert [line for line in shown.splitlines() if line.split() == ["decision.fmr", "two", "(lower:", "one)"]]
    file.write_text("[site\n")
    assert check(file)["takes"] == {}


def test_nothing_to_mend_is_said_and_a_missing_file_is_an_error(tmp_path: Path) -> None:
    file = make_site(tmp_path / "site", {})
    assert [each["key"] for each in check(file)["mistakes"]] == ["door.port"], "told, because no board is plugged in"
    assert "nothing to mend, 1 to look at" in show(["config", "check", "--config", str(file)]).out
    assert show(["config", "check", "--config", str(tmp_path / "no.toml")]).code == ExitCode.CONFIG_MISSING
    file.write_bytes(b"\xff")
    assert "Save the file as UTF-8" in check(file)["mistakes"][0]["fix"]


ONE_SHORT = config.RELEASE_KEY[:-1]


@pytest.mark.parametrize("keys", [["abc"], ["", "x"], ["北"], [ONE_SHORT], [config.RELEASE_KEY, "R W"], ["=" * 56]])
def test_a_mistyped_key_is_a_mistake_like_any_other_and_hides_none(tmp_path: Path, keys: list[str]) -> None:
    file = tmp_path / "site" / "edge-gate.toml"
    make_site(file.parent, {})
    file.write_text(site_text({"models": {"trusted_keys": tuple(keys)}, "door": {"relay": "lcus2"}}))
    wrong = [each for each in keys if each != config.RELEASE_KEY]
    told = [each["key"] for each in check(file)["mistakes"] if each["stops"]]
    assert told == ["models.trusted_keys"] * len(wrong) + ["door.relay"]
    findings = json.loads(show(["doctor", "--json", "--config", str(file)]).out)["findings"]
    lines = [each["text"] for each in findings if "no minisign public key" in each["text"]]
    assert len(lines) == len(wrong) and all(each.startswith("line ") for each in lines)
    assert any("lcus2" in each["text"] for each in findings)


def plant(folder: Path) -> None:
    """Put what no gate or eye can use beside a site's file."""
    (folder / "file").write_text("")
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe")


@pytest.mark.parametrize(
    ("section", "key", "value", "stops"),
    [
        *[("models", name, "no-such", True) for name in ("eyes", "detector", "mesh", "lids")],
        ("models", "eyes", "n" * 300, True),
        ("models", "trusted_keys", (), True),
        ("models", "trusted_keys", ("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",), True),
        ("models", "allow_unsigned", ("no-such",), True),
        ("models", "allow_unsigned", ("a/../b",), True),
        ("models", "folder", "empty", True),
        ("store", "path", "none.db", True),
        ("store", "path", "file/none.db", True),
        ("store", "key_file", "none.key", True),
        ("store", "key_file", "empty", True),
        ("door", "port", "none", False),
        *[("door", "port", each, True) for each in ("file", "empty", "pipe", "/dev/null", "/dev/zero", "/dev/urandom")],
        *[("camera", "source", each, True) for each in ("none", "loop:none", "fast:loop:pipe", "/dev/null", "x" * 300)],
    ],
)
def test_what_is_named_and_is_not_there_or_is_something_else_is_found(
    tmp_path: Path, section: str, key: str, value: Any, stops: bool
) -> None:
    folder = tmp_path / "site"
    make_site(folder, {})
    plant(folder)
    chosen = {"camera": {"driver": "replay", "source": "empty"}, "door": {"port": "/dev/ptmx"}}
    stored = {"path": "edge-gate.db", "key_file": "store.key"}
    sound = {"store": stored, **chosen}
    file = folder / "other.toml"
    file.write_text(site_text(sound))
    assert not check(file)["mistakes"], "the control"
    file.write_text(site_text({**sound, section: {**sound.get(section, {}), key: value}}))
    told = check(file)["mistakes"]
    assert told and all(each["key"].startswith(f"{section}.") for each in told), told
    assert all(each["stops"] == stops for each in told), told
    findings = json.loads(show(["doctor", "--json", "--config", str(file)]).out)["findings"]
    parts = {"door": "relay", "store": "store", "models": "models", "camera": "camera"}
    bad = {each["part"] for each in findings if each["state"] != "ok"}
    assert bad & {parts[section], "configuration"}, "doctor finds it too, by its own checks"
    if section == "models":
        assert [each for each in findings if each["part"] in ("models", "configuration") and each["state"] == "fault"]


@pytest.mark.parametrize("place", ["site", ".", "/", "site/run", "site/empty"])
@pytest.mark.parametrize("key", ["path", "key_file"])
def test_a_folder_in_a_files_place_is_said_once_and_has_no_other_remedy(tmp_path: Path, place: str, key: str) -> None:
    folder = tmp_path / "site"
    make_site(folder, {})
    plant(folder)
    (folder / "run").mkdir(exist_ok=True)
    for each in (folder / "run", folder / "empty"):
        each.chmod(0o755)
    stored = {"path": "edge-gate.db", "key_file": "store.key", key: str(tmp_path / place)}
    file = folder / "other.toml"
    file.write_text(site_text({"store": stored, "door": {"port": "/dev/ptmx"}}))
    (told,) = check(file)["mistakes"]
    assert told["key"] == f"store.{key}" and told["line"] and "file" in told["fix"] + told["what"]
    assert "chmod" not in show(["doctor", "--config", str(file)]).out


def test_a_line_that_a_board_hangs_on_is_fine(tmp_path: Path, board: BoardSimulator) -> None:
    file = make_site(tmp_path / "site", {"door": {"port": board.path}})
    assert not check(file)["mistakes"]
    assert "nothing to mend.\n" in show(["config", "check", "--config", str(file)]).out


@pytest.mark.parametrize("program", ["gate", "eye"])
def test_neither_process_starts_with_what_cannot_work(tmp_path: Path, program: str) -> None:
    file = make_site(tmp_path / "site", {"sockets": {"eye_user": "nobody-of-that-name"}})
    module = ["edge_gate", "run"] if program == "gate" else ["edge_gate.eye"]
    command = [sys.executable, "-P", "-m", *module, "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ExitCode.CONFIG_ERROR and len(done.stderr.splitlines()) == 1
    assert "no such user" in done.stderr and f"{file}:" in done.stderr


# What `edge-gate init` may be pointed at.


@pytest.mark.parametrize(
    "options",
    [("--relay", "lcus2"), ("--name", ""), ("--name", "n" * 200), ("--port", ""), ("--camera", "")],
)
def test_a_site_that_could_not_work_is_not_made(tmp_path: Path, options: tuple[str, str]) -> None:
    shown = show(["init", "--folder", str(tmp_path / "a" / "site"), *options])
    assert shown.code == ExitCode.CONFIG_ERROR and "No site was made" in shown.err
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "place", ["link", "link/below", "file/below", "/proc/site", "/sys/site", "/dev/null/site", "l" * 300, "p" * 100]
)
def test_a_place_where_nothing_can_be_made_is_a_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("/nowhere/at/all")
    before = sorted(tmp_path.iterdir())
    shown = show(["init", "--folder", str(tmp_path / place)])
    assert shown.code not in (0, 1, ExitCode.INTERNAL_FAULT) and len(shown.err.splitlines()) == 1, shown
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["edge-gate.toml", "edge-gate.db", "store.key", "edge-gate.db.keyring"])
@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_is_in_the_place_of_a_file_stays_and_nothing_else_is_left(tmp_path: Path, name: str, kind: str) -> None:
    place = tmp_path / name
    place.symlink_to(tmp_path / "elsewhere") if kind == "link" else place.mkdir()
    shown = show(["init", "--folder", str(tmp_path)])
    assert shown.code not in (0, 1, ExitCode.INTERNAL_FAULT) and len(shown.err.splitlines()) == 1, shown
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("kib", [4, 8, 16, 40, 80, 100, 112, 116])
def test_a_disk_that_is_full_at_any_moment_keeps_nothing_half_made(tmp_path: Path, kib: int) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    program = f"""
import subprocess, sys
from pathlib import Path
from edge_gate import cli
subprocess.run(["mount", "-t", "tmpfs", "-o", "size={kib}k", "none", "{tmp_path}"], check=True)
code = cli.run(["init", "--folder", "{tmp_path}/a/site"])
print(code, *(each.name for each in Path("{tmp_path}").rglob("*")))
"""
    command = ["unshare", "--mount", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    code, *left = done.stdout.splitlines()[-1].split()
    assert (int(code), left) == (ExitCode.STORE_FULL, []) and "no room" in done.stderr, done


def test_what_comes_next_is_for_a_desk_or_for_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_gate.cli import init

    units = tmp_path / "units"
    units.mkdir()
    monkeypatch.setattr(init, "UNITS", (units,))
    desk = show(["init", "--folder", str(tmp_path / "a desk")]).out
    assert f"edge-gate run --with-eye --config '{tmp_path}/a desk/edge-gate.toml'" in desk and "systemctl" not in desk
    (units / "edge-gate.service").write_text("")
    device = show(["init", "--folder", str(tmp_path / "first")]).out
    assert "docs/installer.md" in device and "sudo systemctl enable --now" in device and "--with-eye" not in device
