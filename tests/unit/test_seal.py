# SPDX-License-Identifier: Apache-2.0
"""The wall from inside: processes sealed as the eye and as the gate try what they must not do, and the kernel refuses.

Each attempt is made by a process without a seal too, where it succeeds: a wall is only shown by what it stops.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_gate.core.errors import EdgeGateError, GuardLost, NotSealed
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.seal import Hardening
from edge_gate.seal.hardening import ALL, summary
from edge_gate.settings import config
from edge_gate.tools.trial import make_site
from edge_gate.wire.client import GateRefused, ask
from tests.support.peers import pulsed, until, write_model
from tests.support.signing import own_key

ATTEMPTS = r"""
import ctypes, errno, importlib, json, mmap, os, resource, signal, socket, subprocess, sys, threading
from pathlib import Path
import edge_gate.eye, edge_gate.gate  # one thread
from edge_gate.settings import config
from edge_gate.seal import policy, seal
site, who, fresh = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
settings = config.load(site / "edge-gate.toml")
outside = site.parent / "outside"
libc = ctypes.CDLL(None, use_errno=True)

def called(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)

def thread():
    begun = threading.Thread(target=lambda: (outside / "seen").read_bytes())
    begun.start(); begun.join()

def read_parent():
    class iovec(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
    here = ctypes.create_string_buffer(64)
    ours, theirs = iovec(ctypes.addressof(here), 64), iovec(int(sys.argv[5]), 64)
    called("process_vm_readv", os.getppid(), ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)

def child():
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)

def store():
    from edge_gate.core.clock import SystemClock
    from edge_gate.store.database import Store
    from edge_gate.store.files import trouble_beside
    from edge_gate.store.keys.source import load_key
    with Store.open(settings.store.path, load_key(settings.store, os.environ), SystemClock()) as opened:
        assert opened.check() == []
    if trouble := trouble_beside(settings.store.path):
        raise OSError(errno.EIO, str(trouble))

IOPRIO_SET = {"x86_64": 251, "aarch64": 30}[os.uname().machine]

def system_v():
    if (made := libc.shmget(0, 4096, 0o1600)) == -1:
        raise OSError(ctypes.get_errno(), "shmget")
    called("shmctl", made, 0, None)

def descriptor_opened(path, flags):
    os.close(os.open(path, flags))

attempts = {
    "make a file": lambda: (outside / f"made by {who}").write_bytes(b"x"),
    "change a file": lambda: (outside / "there").open("r+b").write(b"x"),
    "make a file without a name": lambda: descriptor_opened(outside, os.O_TMPFILE | os.O_RDWR),
    "make shared memory": lambda: descriptor_opened(f"/dev/shm/edge-gate-test-{os.getpid()}", os.O_CREAT | os.O_RDWR),
    "make a folder": lambda: (outside / f"folder of {who}").mkdir(),
    "read another's file": lambda: (outside / "there").read_bytes(),
    "read the store": lambda: settings.store.path.read_bytes(),
    "read the key": lambda: settings.store.key_file.read_bytes(),
    "write beside the store": lambda: (settings.store.path.parent / "beside").write_bytes(b"x"),
    "use the store": store,
    "AF_INET": lambda: socket.socket(socket.AF_INET).close(),
    "AF_INET datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
    "AF_INET6": lambda: socket.socket(socket.AF_INET6).close(),
    "AF_NETLINK": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "AF_UNIX": lambda: socket.socket(socket.AF_UNIX).close(),
    "execve": lambda: called("execve", None, None, None),
    "run a program": lambda: subprocess.run(["/bin/true"], check=True),
    "fork": child,
    "thread": lambda: threading.Thread(target=int).start(),
    "ptrace": lambda: called("ptrace", 0, 0, 0, 0),
    "read the parent's memory": read_parent,
    "signal the parent": lambda: os.kill(os.getppid(), 0),
    "be dumpable again": lambda: called("prctl", 4, 1, 0, 0, 0),
    "be dumpable again, disguised": lambda: called("prctl", ctypes.c_ulong((1 << 32) + 4), 1, 0, 0, 0),
    "slow the parent down": lambda: os.setpriority(0, os.getppid(), os.getpriority(0, os.getppid())),
    "bind the parent to a processor": lambda: os.sched_setaffinity(os.getppid(), os.sched_getaffinity(os.getppid())),
    "change the parent's scheduler": lambda: os.sched_setscheduler(os.getppid(), os.SCHED_OTHER, os.sched_param(0)),
    "change the parent's turn at the disk": lambda: called("syscall", IOPRIO_SET, 1, os.getppid(), 4 | 2 << 13),
    "make System V memory": system_v,
    "set a limit": lambda: called("setrlimit", resource.RLIMIT_CORE, (ctypes.c_ulong * 2)(0, 0)),
    "unlock memory": lambda: called("munlockall"),
    "write and execute": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
    "import late": lambda: importlib.import_module("wave"),
    "write to /dev/null": lambda: descriptor_opened("/dev/null", os.O_WRONLY),
    "open a device that came later": lambda: descriptor_opened(fresh, os.O_RDWR),
}
if sys.argv[4] == "sealed":
    done = seal(getattr(policy, who)(settings))
    print(json.dumps({"standing": int(done.standing), "failed": [int(each) for each in done.failed]}), flush=True)
else:
    print("{}", flush=True)
sys.stdin.readline()
found = {}
for name, attempt in attempts.items():
    try:
        attempt()
        found[name] = "done"
    except OSError as error:
        found[name] = errno.errorcode.get(error.errno, str(error))
    except Exception as error:
        found[name] = repr(error)
print(json.dumps(found))
"""
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="makes a device node")


def attempt(site: Path, who: str, how: str, between: Callable[[Path], None] = lambda _: None) -> tuple[Any, Any]:
    """Run the attempts in a process; ``between`` is called when it is sealed and has not tried anything yet."""
    fresh = Path(f"/dev/edge-gate-test-{os.getpid()}")
    command = [sys.executable, "-c", ATTEMPTS, str(site), who, str(fresh), how, str(id(ATTEMPTS))]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        walls = json.loads(child.stdout.readline())
        between(fresh)
        said = child.communicate("\n", timeout=60)[0]
    finally:
        child.kill()
        fresh.unlink(missing_ok=True)
        for each in Path("/dev/shm").glob("edge-gate-test-*"):
            each.unlink()
    return walls, json.loads(said)


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    return disk_path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "there").write_bytes(b"something")
    (tmp_path / "film").mkdir()
    make_site(tmp_path / "site", {"camera": {"driver": "v4l2", "source": "/dev/edge-gate-test"}})
    return tmp_path / "site"


def plugged_in(node: Path) -> None:
    """A device that appears while the process is sealed already, as a camera does that was unplugged."""
    os.mknod(node, 0o600 | 0o020000, os.makedev(1, 3))


REFUSED_TO_BOTH = (
    "make a file", "change a file", "make a file without a name", "make shared memory", "make a folder",
    "read another's file", "AF_INET", "AF_INET datagram", "AF_INET6", "AF_NETLINK", "execve", "run a program", "fork",
    "ptrace", "read the parent's memory", "signal the parent", "be dumpable again", "be dumpable again, disguised",
    "set a limit", "unlock memory", "write and execute", "slow the parent down", "bind the parent to a processor",
    "change the parent's scheduler", "change the parent's turn at the disk",
)  # fmt: skip
NEEDED_BY_BOTH = ("AF_UNIX", "thread", "import late", "write to /dev/null", "open a device that came later")
REFUSED_TO_THE_EYE = ("make System V memory",)
OF_THE_STORE = ("read the store", "read the key", "write beside the store", "use the store")
REFUSALS = ("EPERM", "EACCES")


@ROOT_ONLY
def test_without_a_seal_every_attempt_succeeds(site: Path) -> None:
    _, found = attempt(site, "eye", "open", plugged_in)
    assert {name for name, what in found.items() if what != "done"} == {"execve"}
    assert found["execve"] == "EFAULT", "the kernel took the call and only its arguments were bad"


@ROOT_ONLY
def test_a_process_sealed_as_the_eye_is_refused_everything_but_what_the_eye_does(site: Path) -> None:
    walls, found = attempt(site, "eye", "sealed", plugged_in)
    assert Hardening(walls["standing"]) == ALL and not walls["failed"]
    assert {name: found[name] for name in NEEDED_BY_BOTH} == dict.fromkeys(NEEDED_BY_BOTH, "done")
    for name in (*REFUSED_TO_BOTH, *REFUSED_TO_THE_EYE, *OF_THE_STORE[:3]):
        assert found[name] in REFUSALS, name
    assert found["use the store"] != "done"
    assert set(found) == {*REFUSED_TO_BOTH, *REFUSED_TO_THE_EYE, *NEEDED_BY_BOTH, *OF_THE_STORE}
    assert [each.name for each in (site.parent / "outside").iterdir()] == ["there"]
    assert (site.parent / "outside" / "there").read_bytes() == b"something"


@ROOT_ONLY
def test_a_process_sealed_as_the_gate_keeps_its_store_and_nothing_more(site: Path) -> None:
    walls, found = attempt(site, "gate", "sealed", plugged_in)
    assert Hardening(walls["standing"]) == ALL and not walls["failed"]
    for name in (*NEEDED_BY_BOTH, *OF_THE_STORE):
        assert found[name] == "done", name
    for name in REFUSED_TO_BOTH:
        assert found[name] in REFUSALS, name
    assert [each.name for each in (site.parent / "outside").iterdir()] == ["there"]


def test_a_process_that_cannot_seal_itself_says_so_and_does_not_start(site: Path) -> None:
    """The reason here is the one that is easiest to come by: a thread that runs already would stay outside."""
    script = (
        "import sys, threading, time\nfrom pathlib import Path\nimport edge_gate.eye\n"
        "from edge_gate.settings import config\nfrom edge_gate.core.errors import NotSealed\n"
        "from edge_gate.seal import enforce, policy\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "settings = config.load(Path(sys.argv[1]))\n"
        "try:\n    enforce(policy.eye(settings), sys.argv[2] == 'required')\n"
        "except NotSealed as error:\n    print(error)\n    sys.exit(error.exit_code)\n"
    )
    command = [sys.executable, "-c", script, str(site / "edge-gate.toml")]
    refused = subprocess.run([*command, "required"], capture_output=True, text=True, check=False)
    assert refused.returncode == NotSealed.exit_code
    assert "files: 2 threads run already" in refused.stdout
    allowed = subprocess.run([*command, "not"], capture_output=True, text=True, check=False)
    assert allowed.returncode == 0, allowed.stderr
    assert "2 threads run already" in allowed.stderr


def test_status_names_what_stands_what_is_not_to_be_had_and_what_is_missing() -> None:
    lacking = {Hardening.TCP: "it has Landlock 2, this needs 4", Hardening.SCOPE: "it has Landlock 2, this needs 6"}
    found = summary(Hardening.PRIVILEGES | Hardening.DUMP | Hardening.CALLS | Hardening.FILES, lacking)
    assert found == {
        "standing": ["no new privileges", "no core dump", "system calls", "files"],
        "not_here": {"TCP": "it has Landlock 2, this needs 4", "signals": "it has Landlock 2, this needs 6"},
        "missing": ["no swap"],
    }
    assert int(ALL) < 256, "the wire has one byte for it"


class Running:
    """The real gate as a process of its own, sealed, with a board that needs a pulse guard."""

    def __init__(self, folder: Path, board: BoardSimulator) -> None:
        write_model(folder / "models")
        file = make_site(
            folder / "site",
            {
                "models": {"folder": str(folder / "models"), "eyes": "test-eyes", "trusted_keys": (own_key(),)},
                "door": {"relay": "lcus1", "port": board.path, "pulse_ms": 150},
            },
        )
        self.settings = config.load(file)
        command = [sys.executable, "-m", "edge_gate.cli", "run", "--config", str(file)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        until(lambda: self.settings.sockets.control.exists() and self.door() == "secure")

    def door(self) -> str:
        try:
            return str(ask(self.settings, "status")["door"]["state"])
        except EdgeGateError:
            return ""

    def guard(self) -> int:
        tasks = Path(f"/proc/{self.process.pid}/task")
        (child,) = [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
        return child


@pytest.mark.processes
def test_a_sealed_gate_opens_the_door_and_finds_an_unplugged_board_again(tmp_path: Path) -> None:
    with BoardSimulator("lcus1") as board:
        gate = Running(tmp_path, board)
        try:
            assert "system calls" in ask(gate.settings, "status")["sealed"]["gate"]["standing"]
            ask(gate.settings, "relay-test")
            assert pulsed(board)
            board.unplug()
            with pytest.raises(GateRefused):
                ask(gate.settings, "relay-test")
            assert gate.door() == "fault"
            board.plug_in()
            until(lambda: gate.door() == "secure")
            before = len(board.history)
            ask(gate.settings, "relay-test")
            assert board.wait_until(lambda: len(board.history) >= before + 2, 5)
            gate.process.send_signal(signal.SIGTERM)
            assert gate.process.wait(20) == 0
        finally:
            gate.process.kill()
            gate.process.communicate()


@pytest.mark.processes
def test_a_sealed_gate_whose_guard_has_died_ends_so_that_both_begin_afresh(tmp_path: Path) -> None:
    with BoardSimulator("lcus1") as board:
        gate = Running(tmp_path, board)
        try:
            os.kill(gate.guard(), signal.SIGKILL)
            time.sleep(0.1)
            with pytest.raises(GateRefused) as refused:
                ask(gate.settings, "relay-test")
            assert refused.value.exit_code == GuardLost.exit_code
            assert gate.process.wait(20) == GuardLost.exit_code
            assert not any(change.on for change in board.history), "nothing was switched on without a guard"
        finally:
            gate.process.kill()
            gate.process.communicate()
