# SPDX-License-Identifier: Apache-2.0
"""A `.pth` file in the environment of a real gate lies in wait for the store's key, and tries to get it out.

What it is up to is known: a folder in which it may write as this user, a listener that it may call, and the way the key
passes. The controls are the same trap in a gate that does not seal itself, and a gate without a trap.
"""

from __future__ import annotations

import json
import site
import socket
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from edge_gate.core.errors import EdgeGateError, NotSealed
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.tools.trial import make_site
from edge_gate.wire.client import ask
from tests.support.peers import until, write_model
from tests.support.signing import own_key

CHECKOUT: Final = Path(__file__).parents[2]
# Sees each call in the process, and takes the key where the database is opened with it.
TRAP: Final = """
import errno, json, os, socket, sys

FOLDER, PORT, STORE = {folder!r}, {port}, {store!r}
{early}

def put(path, flags, key):
    file = os.open(path, flags | os.O_WRONLY, 0o600)
    os.write(file, key)
    os.close(file)

def call(kind, key):
    with socket.socket(socket.AF_INET, kind) as line:
        line.settimeout(5)
        line.connect(("127.0.0.1", PORT))
        line.send(key)

def run(key):
    if os.spawnv(os.P_WAIT, "/bin/sh", ["sh", "-c", f"echo {{key.hex()}} > {{FOLDER}}/by-a-shell"]):
        raise OSError(errno.EPERM, "it did not run")

WAYS = {{
    "a new file": lambda key: put(FOLDER + "/new", os.O_CREAT, key),
    "a file that is there": lambda key: put(FOLDER + "/there", os.O_APPEND, key),
    "shared memory": lambda key: put("/dev/shm/" + os.path.basename(FOLDER), os.O_CREAT, key),
    "a name": lambda key: os.mkdir(FOLDER + "/" + key.hex()),
    "another program": run,
    "TCP": lambda key: call(socket.SOCK_STREAM, key),
    "UDP": lambda key: call(socket.SOCK_DGRAM, key),
    "the store's own folder": lambda key: put(STORE + "/loot", os.O_CREAT, key),
}}

def watch(frame, event, _):
    code = frame.f_code
    if event != "call" or code.co_name != "connect" or not code.co_filename.endswith("edge_gate/store/connection.py"):
        return
    sys.setprofile(None)
    found = {{}}
    for name, way in WAYS.items():
        try:
            way(frame.f_locals["key"])
            found[name] = "done"
        except OSError as error:
            found[name] = errno.errorcode.get(error.errno, "refused")
    put(STORE + "/found.json", os.O_CREAT, json.dumps(found).encode())

sys.setprofile(watch)
"""
UNSEALED: Final = """
import sys
from pathlib import Path
from edge_gate.gate.main import open_gate
from edge_gate.settings import config
with open_gate(config.load(Path(sys.argv[1]))):
    pass
"""
LOCAL: Final = {"the store's own folder"}


@dataclass
class Place:
    """A site, an environment of its own with a trap in it, and where the trap would bring the key."""

    settings: config.Config
    python: Path
    packages: Path
    loot: Path
    listeners: tuple[socket.socket, socket.socket]

    @property
    def file(self) -> Path:
        return self.settings.store.path.parent / "edge-gate.toml"

    @property
    def key(self) -> bytes:
        return bytes.fromhex(self.settings.store.key_file.read_text())

    def lay_trap(self, early: str = "") -> None:
        port = self.listeners[0].getsockname()[1]
        words = TRAP.format(folder=str(self.loot), port=port, store=str(self.file.parent), early=early)
        (self.packages / "innocent.py").write_text(words)
        (self.packages / "innocent.pth").write_text("import innocent\n")

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [str(self.python), "-I", *words, str(self.file)]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def found(self) -> dict[str, Any]:
        until(lambda: (self.file.parent / "found.json").exists(), 60)
        found: dict[str, Any] = json.loads((self.file.parent / "found.json").read_text())
        return found

    def got_out(self) -> bool:
        """Whether the key is anywhere outside, by itself or in digits."""
        shared = Path("/dev/shm", self.loot.name)
        seen = b"".join(
            each.read_bytes() + each.name.encode() for each in (*self.loot.iterdir(), shared) if each.is_file()
        )
        seen += b"".join(each.name.encode() for each in self.loot.iterdir())
        for listener in self.listeners:
            listener.setblocking(False)
            with suppress(BlockingIOError):
                if listener.type == socket.SOCK_STREAM:
                    with listener.accept()[0] as line:
                        seen += line.recv(100)
                else:
                    seen += listener.recv(100)
        shared.unlink(missing_ok=True)
        return self.key in seen or self.key.hex().encode() in seen


@pytest.fixture
def place(disk_path: Path) -> Iterator[Place]:
    venv.create(disk_path / "environment", symlinks=True)
    names = {"base": str(disk_path / "environment"), "platbase": str(disk_path / "environment")}
    packages = Path(sysconfig.get_path("purelib", vars=names))
    (packages / "ours.pth").write_text("\n".join([str(CHECKOUT), *site.getsitepackages()]) + "\n")
    write_model(disk_path / "models")
    loot = disk_path / f"loot-{disk_path.name}"
    loot.mkdir()
    (loot / "there").write_bytes(b"")
    with BoardSimulator("lcus1") as board, socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(tcp.getsockname())
        models = {"folder": str(disk_path / "models"), "eyes": "test-eyes", "trusted_keys": (own_key(),)}
        overrides: dict[str, dict[str, Any]] = {"models": models, "door": {"relay": "lcus1", "port": board.path}}
        file = make_site(disk_path / "site", overrides)
        yield Place(config.load(file), disk_path / "environment/bin/python", packages, loot, (tcp, udp))


def door(settings: config.Config) -> str:
    try:
        return str(ask(settings, "status")["door"]["state"])
    except EdgeGateError:
        return ""


@pytest.mark.processes
def test_a_pth_file_that_waits_for_the_key_gets_it_out_nowhere(place: Place) -> None:
    place.lay_trap()
    gate = place.start("-m", "edge_gate.gate", "--config")
    try:
        until(lambda: door(place.settings) == "secure" or gate.poll() is not None, 60)
        assert door(place.settings) == "secure", gate.communicate()[1]
    finally:
        gate.terminate()
        gate.communicate(timeout=60)
    found = place.found()
    assert {name for name, what in found.items() if what == "done"} == LOCAL, "the one place that is still open"
    assert not place.got_out()
    assert gate.returncode == 0


@pytest.mark.processes
def test_the_same_trap_in_a_gate_without_walls_gets_the_key_out_by_every_way(place: Place) -> None:
    place.lay_trap()
    gate = place.start("-c", UNSEALED)
    assert gate.communicate(timeout=60) and gate.returncode == 0
    assert set(place.found().values()) == {"done"}
    assert place.got_out()


@pytest.mark.processes
@pytest.mark.parametrize(
    ("early", "told"),
    [
        ("early = open(FOLDER + '/there', 'ab')", "is open already"),
        ("early = socket.create_connection(('127.0.0.1', PORT))", "a network socket is open already"),
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            "2 threads run",
        ),
    ],
    ids=["a file", "a connection", "a thread"],
)
def test_what_has_a_way_out_ready_before_the_walls_stand_keeps_the_gate_from_the_key(
    place: Place, early: str, told: str
) -> None:
    place.lay_trap(early)
    gate = place.start("-m", "edge_gate.gate", "--config")
    said = gate.communicate(timeout=60)[1]
    assert gate.returncode == NotSealed.exit_code, said
    assert told in said and "Traceback" not in said
    assert not (place.file.parent / "found.json").exists() and not place.got_out()


@pytest.mark.processes
def test_the_users_own_folder_and_the_environment_bring_nothing_into_a_program_that_pip_made(
    place: Place, tmp_path: Path
) -> None:
    """The control is Python's own way, without isolation."""
    (tmp_path / "sitecustomize.py").write_text("import os\nos.write(2, b'a trap\\n')\n")
    environment = {"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}
    starts = "import sys; sys.argv[1:] = ['--version']; from edge_gate.__main__ import isolated; isolated()"
    for flags, times in ((["-I"], 0), ([], 1)):  # pip's script is not isolated itself, and begins again
        done = subprocess.run(
            [str(place.python), *flags, "-c", starts], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("edge-gate") and done.stderr.count("a trap") == times
    ends = starts.replace("isolated()", "main()").replace("import isolated", "import main")
    seen = subprocess.run([str(place.python), "-c", ends], env=environment, capture_output=True, text=True, check=True)
    assert "a trap" in seen.stderr
