# SPDX-License-Identifier: Apache-2.0
"""`doctor --security`: it says of a wall what the kernel says, and does not overlook one that is not there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from edge_gate.relays.simulator import BoardSimulator
from edge_gate.seal import kernel_view
from edge_gate.store.keys.keyring import keyring_path
from tests.support.peers import running_gate

# Ends when its input does. A word of what to give up comes first; then a file that it holds open.
PROCESS = r"""
import resource, sys
from edge_gate.seal import policy
from edge_gate.seal.apply import seal
resource.setrlimit(resource.RLIMIT_CORE, (0 if sys.argv[1] == "sealed" else 4096, resource.RLIM_INFINITY))
held = open(sys.argv[2], "r" if sys.argv[1] == "sealed" else "r+")
if sys.argv[1] == "sealed":
    seal(policy.SandboxPolicy("test", (), (), (), policy.COMMON))
print("ready", flush=True)
sys.stdin.read()
"""


def observed(how: str, file: Path, may_write: tuple[Path, ...] = ()) -> dict[str, kernel_view.Observed]:
    """Start a process, sealed or bare, and return each wall around it."""
    command = [sys.executable, "-c", PROCESS, how, str(file)]
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        seen = {each.wall: each for each in kernel_view.observe(process.pid, may_write)}
        process.stdin.close()
    return seen


def examined(site: Path) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Run the command and return its status and what it found, by part."""
    command = [sys.executable, "-m", "edge_gate.cli", "doctor", "--security", "--json", "--config", str(site)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    parts: dict[str, list[dict[str, Any]]] = {}
    for each in json.loads(done.stdout)["findings"]:
        parts.setdefault(each["part"], []).append(each)
    return done.returncode, parts


def test_a_wall_is_seen_where_it_stands_and_missed_where_it_does_not(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    bare, sealed = observed("bare", file), observed("sealed", file)
    for wall in ("system calls", "core dumps", "open files"):
        assert bare[wall].stands is False, bare[wall]
    assert str(file) in bare["open files"].text
    assert sealed["system calls"].stands is True, sealed["system calls"]
    # Only root may look into what a sealed process has open; everybody else is told so.
    assert sealed["open files"].stands is (True if os.getuid() == 0 else None)


def test_a_file_in_a_folder_that_may_be_written_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    assert observed("bare", file, (tmp_path,))["open files"].stands is True


def test_what_this_machine_has_is_named(tmp_path: Path) -> None:
    """A process without walls: its rights, network and mounts are this one's."""
    (tmp_path / "file").write_text("x")
    seen = observed("bare", tmp_path / "file")
    cards = {name for _, name in socket.if_nameindex()} - {"lo"}
    assert seen["network"].stands is (not cards)
    assert all(card in seen["network"].text for card in cards)
    assert seen["rights"].stands is False and "programs could gain privileges" in seen["rights"].text
    assert seen["files"].stands is False and "mounted for writing: /" in seen["files"].text


def test_a_process_that_is_not_there_is_no_wall(tmp_path: Path) -> None:
    assert {each.stands for each in kernel_view.observe(2**22 + 1, ())} == {None}


def test_each_wall_of_a_running_site_is_told(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path):
        code, parts = examined(tmp_path / "site" / "edge-gate.toml")
        assert code == 1, "a key in a plain file is at fault, however well the rest stands"
        assert [each["state"] for each in parts["keys"]] == ["fault"]
        assert {each["state"] for each in parts["store"]} == {"ok"}
        assert {each["state"] for each in parts["audit log"]} == {"ok"}
        assert {each["state"] for each in parts["templates"]} == {"ok"}
        assert {each["state"] for each in parts["door"]} == {"ok"}
        assert any("nobody can be the second person" in each["text"] for each in parts["people"])
        assert any("it runs in no unit" in each["text"] for each in parts["the gate"])
        # In this test the gate runs in a thread of pytest's, without walls of its own.
        assert any(each["text"] == "system calls: no filter" and each["state"] == "fault" for each in parts["the gate"])


def test_a_port_open_to_all_is_at_fault(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path):
        Path(board.path).chmod(0o666)
        _, parts = examined(tmp_path / "site" / "edge-gate.toml")
    assert parts["door"][0]["state"] == "fault" and "everybody" in parts["door"][0]["text"]


def test_a_store_that_anybody_can_read_and_a_keyring_that_is_none_are_at_fault(tmp_path: Path) -> None:
    site, store = tmp_path / "edge-gate.toml", tmp_path / "store.db"
    site.write_text(f"[store]\npath = '{store}'\n")
    store.write_bytes(b"SQLite format 3\0" + bytes(4096))
    keyring_path(store).write_bytes(b"nothing of the kind")
    _, parts = examined(site)
    assert [each["state"] for each in parts["store"]] == ["fault", "fault"]
    assert [each["state"] for each in parts["the eye"] + parts["the gate"]] == ["unknown", "unknown"]
