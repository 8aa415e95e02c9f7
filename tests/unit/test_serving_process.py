# SPDX-License-Identifier: Apache-2.0
"""What the process that holds the keys has loaded while it serves, also where its store was an older one.

Each test runs the gate's own program, works with it over its sockets, and looks at what it had loaded in the end.
"""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from edge_gate.core.errors import EdgeGateError, StoreError
from edge_gate.core.exit_codes import ExitCode
from edge_gate.provenance import cards
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.store.connection import look
from edge_gate.store.keys.keyring import keyring_path
from edge_gate.store.schema import SCHEMA, applied_steps
from edge_gate.store.upgrade import lacks_steps
from edge_gate.tools.trial import make_site
from edge_gate.wire.client import ask
from tests.support import peers
from tests.support.peers import RawEye, enrol, until
from tests.support.signing import own_key

CHECKOUT: Final = Path(__file__).parents[2]
KEY: Final = bytes(range(32))
STORED: Final = sorted(Path(__file__).parent.glob("*/*.db"))
OLDEST: Final = Path(__file__).parent / "data" / "store-0001.db"
PROGRAM: Final = """
import sys
from edge_gate.gate.program import run
code = run(sys.argv[1:])
print(*(name for name, module in sys.modules.items() if module))
sys.exit(code)
"""
# What must not be in the gate, with all that lies below each name, and why.
FORBIDDEN: Final = {
    **dict.fromkeys(("sqlite_utils", "sqlite_fts4", "pluggy", "dateutil", "tabulate", "sqlite3"), "migrating only"),
    **dict.fromkeys(("click", "rich", "argcomplete", "edge_gate.cli", "edge_gate.tools"), "the command line's"),
    **dict.fromkeys(("cv2", "ai_edge_litert", "tflite_runtime", "PIL", "edge_gate.eye"), "the eye's"),
    **dict.fromkeys(("importlib.metadata", "email", "zipfile", "csv"), "for drivers of other packages only"),
    **dict.fromkeys(("_hashlib", "ssl", "_ssl"), "a third OpenSSL"),
    **dict.fromkeys(("getpass", "cryptography.hazmat.primitives.kdf.argon2"), "for a passphrase only, in a child"),
    **dict.fromkeys(("edge_gate.store.migration", "shamir_mnemonic", "msgspec"), "used by rare verbs only"),
    **dict.fromkeys(("cryptography.hazmat.primitives.serialization", "cryptography.x509"), "keys are raw bytes here"),
    **dict.fromkeys(("asyncio", "http", "urllib.request", "xml", "unittest"), "of no use here"),
}


def forbidden(loaded: list[str]) -> list[str]:
    return sorted(name for name in loaded if any(name == each or name.startswith(f"{each}.") for each in FORBIDDEN))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[config.Config]:
    """Yield the settings of a site with models of its own, a simulated board, and an up-to-date store under KEY."""
    peers.write_model(tmp_path / "models")
    with BoardSimulator("lcus1") as board:
        overrides: dict[str, dict[str, Any]] = {
            "models": {"folder": str(tmp_path / "models"), "eyes": "test-eyes", "trusted_keys": (own_key(),)},
            "door": {"relay": "lcus1", "port": board.path},
            "decision": {"window_s": peers.WINDOW_S, "gap_s": peers.GAP_S, "hold_off_s": 0.0, "attempts": 2},
        }
        (tmp_path / "site").mkdir(mode=0o700)
        key_file = tmp_path / "site" / "store.key"
        key_file.write_text(KEY.hex())
        key_file.chmod(0o600)
        yield config.load(make_site(tmp_path / "site", overrides))


def put_back(old: Path, site: config.Config) -> None:
    """Give a site the store of an earlier version, with its keyring where it had one."""
    for path, copy in ((old, site.store.path), (keyring_path(old), keyring_path(site.store.path))):
        copy.unlink(missing_ok=True)
        if path.exists():
            shutil.copy(path, copy)
            copy.chmod(0o600)


@contextmanager
def serving(site: config.Config) -> Iterator[list[str]]:
    """Run the gate's program while the block lasts. The list has what it had loaded, afterwards."""
    loaded: list[str] = []
    file = str(site.store.path.parent / "edge-gate.toml")
    gate = subprocess.Popen([sys.executable, "-c", PROGRAM, "--config", file], stdout=subprocess.PIPE, text=True)
    try:
        until(lambda: answers(site) or gate.poll() is not None, 60)
        yield loaded
        gate.send_signal(signal.SIGTERM)
        said, _ = gate.communicate(timeout=60)
        assert gate.returncode == 0
        loaded += said.split()
    finally:
        gate.kill()
        gate.wait()


def answers(site: config.Config) -> bool:
    with suppress(EdgeGateError, OSError):
        return bool(ask(site, "status"))
    return False


def steps_of(path: Path) -> list[str]:
    with closing(look(path, KEY)) as seen:
        return applied_steps(seen)


@pytest.mark.processes
def test_the_gate_that_has_served_has_loaded_nothing_that_it_does_not_need(site: config.Config) -> None:
    with serving(site) as loaded:
        model = cards.read(site.models, site.models.eyes).model_id
        eye = RawEye(site.sockets.eye, model)
        enrol(site, eye, "Ann", 1, track=1)
        for verb in ("status", "events", "residents", "store-check", "templates-status", "approvals"):
            ask(site, verb)
        ask(site, "forget", name="Ann")
    assert {"numpy", "sqlcipher3", "cryptography"} <= set(loaded)
    assert forbidden(loaded) == []


@pytest.mark.processes
@pytest.mark.parametrize("old", STORED, ids=lambda path: path.name)
def test_an_older_store_is_served_and_the_gate_has_loaded_nothing_more(old: Path, site: config.Config) -> None:
    put_back(old, site)
    with serving(site) as loaded:
        assert steps_of(site.store.path) == SCHEMA.known_steps()
        assert ask(site, "store-check")["store"] == []
    assert forbidden(loaded) == []


def test_what_must_not_be_there_would_be_noticed() -> None:
    assert forbidden(["click", "clicker", "sqlite_utils.db", "email"]) == ["click", "email", "sqlite_utils.db"]
    program = "import sys, edge_gate.store.migration, edge_gate.cli; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"sqlite_utils", "click", "pluggy", "dateutil.parser"} <= set(forbidden(said))


# --- the step before -----------------------------------------------------------------------------------------------


# A process of its own, as the gate is: it starts the one that brings a store up to date, and has no key before that.
UPGRADES: Final = """
import os, signal, sys
from pathlib import Path
from edge_gate.core.ending import end_well
from edge_gate.core.errors import StoreFull
from edge_gate.store.database import Store
from edge_gate.store.steps.step import Step
from edge_gate.store.upgrade import prepare_upgrade
from edge_gate.seal.apply import keep_in_memory
how, path, key = sys.argv[1], Path(sys.argv[2]), bytes.fromhex(sys.argv[3])
apply, me = Step.apply, os.getpid()
def killed(self, database, store):
    if self.name.startswith("0006"):
        os.kill(os.getpid(), signal.SIGKILL)
    apply(self, database, store)
def full(self):
    raise StoreFull(self.path)
if how == "killed":
    Step.apply = killed
if how == "full":
    Store._migrate = full
upgrade = prepare_upgrade(path, keep_in_memory)
if how == "waits":
    print("ready", flush=True)
    sys.stdin.readline()
code = end_well("edge-gate", lambda: upgrade(key))
children = Path(f"/proc/self/task/{me}/children").read_text().split()
print("sqlite_utils" in sys.modules, *children)
sys.exit(code)
"""


def upgrade(site: config.Config, key: bytes = KEY, how: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", UPGRADES, how, str(site.store.path), key.hex()]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_an_older_store_is_brought_up_to_date_by_another_process_and_none_is_left(site: config.Config) -> None:
    put_back(OLDEST, site)
    for _ in range(2):  # the second time there is nothing to do
        done = upgrade(site)
        assert (done.returncode, done.stdout.split()) == (0, ["False"]), done
        assert steps_of(site.store.path) == SCHEMA.known_steps()


def test_whoever_is_killed_while_bringing_it_up_to_date_leaves_it_as_it_was_and_the_next_start_goes_on(
    site: config.Config,
) -> None:
    put_back(OLDEST, site)
    before = steps_of(site.store.path)
    done = upgrade(site, how="killed")
    assert "ended by SIGKILL; it is as it was" in done.stderr and done.returncode == StoreError.exit_code
    assert steps_of(site.store.path) == before and lacks_steps(site.store.path, KEY)
    assert upgrade(site).returncode == 0
    assert not lacks_steps(site.store.path, KEY)


def test_what_keeps_it_from_being_brought_up_to_date_is_told_once_with_its_own_code(site: config.Config) -> None:
    put_back(OLDEST, site)
    done = upgrade(site, how="full")
    assert done.returncode == ExitCode.STORE_FULL
    assert done.stderr.count("edge-gate: ") == 1 and "Traceback" not in done.stderr
    assert str(site.store.path) in done.stderr


def test_the_process_that_brings_it_up_to_date_dumps_nothing_before_it_has_the_key(site: config.Config) -> None:
    """The kernel's word of a real one, whose key is not sent yet. Only root is the owner of what is not dumpable."""
    put_back(OLDEST, site)
    command = [sys.executable, "-c", UPGRADES, "waits", str(site.store.path), KEY.hex()]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=dumps_whole
    ) as caller:
        try:
            assert caller.stdout is not None and caller.stdout.readline() == "ready\n"
            (child,) = Path(f"/proc/{caller.pid}/task/{caller.pid}/children").read_text().split()
            until(lambda: resource.prlimit(int(child), resource.RLIMIT_CORE) == (0, 0), 60)
            until(lambda: Path(f"/proc/{child}/environ").stat().st_uid == 0, 60)
            assert lacks_steps(site.store.path, KEY)
            caller.communicate("\n", timeout=60)
        finally:
            caller.kill()
    assert caller.returncode == 0 and not lacks_steps(site.store.path, KEY)


def dumps_whole() -> None:
    """As a desk may be set up. The soft limit is often 0 by itself."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def test_a_store_that_the_key_does_not_open_is_the_same_error_as_without_the_step(site: config.Config) -> None:
    assert upgrade(site, bytes(32)).returncode == ExitCode.WRONG_KEY
