# SPDX-License-Identifier: Apache-2.0
"""Runs every command as every user in every state of a device, in a mount namespace of its own with users of its own.

Started by test_users.py with `unshare --mount`; prints what was seen as JSON. /etc is a copy with more users, /run and
/var/lib are empty: the paths are those of a device. All is imported before root is given up, for the interpreter may
lie where only root can read; then each command is a fork that becomes the user.
"""

from __future__ import annotations

import contextlib
import encodings
import importlib
import json
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import edge_gate
from edge_gate import cli
from edge_gate.cli.keys.place import find
from edge_gate.gate import program
from edge_gate.gate.authorisation import lockout
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.tools.trial import make_site
from tests.support.peers import write_model
from tests.support.signing import own_key
from tests.system.users import (
    COMMANDS,
    ENDLESS,
    GATE,
    GROUPS,
    LATE,
    USERS,
    Seen,
)

ETC: Final = Path("/etc/edge-gate")
STORE: Final = Path("/var/lib/edge-gate")
RUN: Final = Path("/run/edge-gate")
CREDENTIALS: Final = Path("/run/credentials/edge-gate")
PATIENCE_S: Final = 60.0
PASSPHRASE: Final = "a passphrase of the test"
# What is loaded late, and by nobody who has imported everything of ours.
LATE_IMPORTS: Final = (
    *("statistics", "getpass", "zoneinfo", "shamir_mnemonic.share", "rich.progress", "py_landlock", "pyseccomp"),
    *("importlib.metadata", "email.message", "email.parser"),
)


def shell(*command: object, **others: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(list(map(str, command)), check=True, **others)


def furnish(folder: Path) -> None:
    """Give this namespace an /etc with the users, and an empty /run and /var/lib."""
    etc = folder / "etc"
    shell("cp", "-a", "/etc", etc)
    with (etc / "passwd").open("a") as passwd, (etc / "group").open("a") as group:
        for name, (uid, _) in USERS.items():
            if uid >= 1000 and name != "nobody":
                passwd.write(f"{name}:x:{uid}:{uid}::/nonexistent:/bin/sh\n")
                group.write(f"{name}:x:{uid}:\n")
        for name, (gid, members) in GROUPS.items():
            group.write(f"{name}:x:{gid}:{','.join(members)}\n")
    shell("mount", "--bind", etc, "/etc")
    for mounted in ("/run", "/var/lib"):
        shell("mount", "-t", "tmpfs", "-o", "mode=755", "none", mounted)
    for place in (STORE, RUN, RUN / "eye"):
        place.mkdir()
    STORE.chmod(0o700)
    own(STORE, GATE)
    own(RUN / "eye", GATE)


def own(path: Path, user: str) -> None:
    uid, _ = USERS[user]
    os.chown(path, uid, uid)


def configure(folder: Path, port: str) -> None:
    """Write the configuration of a device."""
    write_model(folder / "models")
    ETC.mkdir()
    ETC.chmod(0o755)
    settings: dict[str, dict[str, Any]] = {
        "models": {"folder": str(folder / "models"), "eyes": "test-eyes", "trusted_keys": (own_key(),)},
        "camera": {"source": "/dev/edge-gate-camera-of-the-test"},
        "door": {"relay": "modbus-waveshare", "port": port},  # a board that needs no guard: nothing is executed
        "sockets": {"eye_user": "edge-gate-eye"},
        "seal": {"required": False},
    }
    (ETC / "edge-gate.toml").write_text(config.example(settings))
    (ETC / "edge-gate.toml").chmod(0o644)


def install(folder: Path) -> None:
    """Make key and store as docs/installer.md says."""
    make_site(folder / "first", {})
    first = folder / "first"
    sealed = ETC / "store-key.cred"
    shell("systemd-creds", "encrypt", "--with-key=host", "--name=store-key", first / "store.key", sealed)
    sealed.chmod(0o600)
    for name in ("edge-gate.db", "edge-gate.db.anchor", "edge-gate.db.keyring"):
        shutil.move(first / name, STORE / name)
        own(STORE / name, GATE)
    shutil.rmtree(first)


def pass_credential() -> None:
    """Lay the key where systemd would for the gate's unit."""
    CREDENTIALS.mkdir(parents=True, exist_ok=True)
    place = find(config.load(ETC / "edge-gate.toml").store)
    (CREDENTIALS / "store-key").write_text(place.fetch().hex())
    (CREDENTIALS / "store-key").chmod(0o400)
    own(CREDENTIALS / "store-key", GATE)


def become(user: str) -> None:
    uid, groups = USERS[user]
    numbers = [GROUPS[each][0] for each in groups if user != LATE]
    os.setgroups(numbers)
    os.setgid(uid)
    os.setuid(uid)


def fork(user: str, folder: Path, what: Callable[[], int], output: tuple[int, int], **environ: str) -> int:
    """Start something as a user in a folder that the user may not even enter; return the process."""
    process = os.fork()
    if process:
        return process
    code = 99
    try:
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, descriptor in enumerate(output, 1):
            os.dup2(descriptor, number)
        become(user)
        os.environ.clear()
        os.environ.update({"PATH": "/usr/bin:/bin", "USER": user, "LC_ALL": "C.UTF-8", **environ})
        sys.argv = ["edge-gate"]
        code = what()
    finally:
        os._exit(code)


def run(user: str, folder: Path, words: Sequence[str]) -> tuple[int | str, str, str]:
    """Run a command to its end; the code is "endless" where it had to be ended."""
    files = [os.memfd_create(name) for name in ("out", "err")]
    process = fork(user, folder, lambda: cli.run(words), (files[0], files[1]))
    code: int | str = "endless"
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        pid, status = os.waitpid(process, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            break
        time.sleep(0.005)
    else:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    said = []
    for each in files:
        os.lseek(each, 0, os.SEEK_SET)
        with os.fdopen(each, "rb") as file:
            said.append(file.read().decode(errors="replace"))
    return code, said[0], said[1]


def become_gate(path: str, command: list[str], execute: Callable[[str, list[str]], object] = os.execv) -> None:
    """Do what `edge-gate run` becomes in this process: the interpreter may lie where no other user may enter."""
    if "edge_gate.gate" not in command:
        execute(path, command)
    sys.exit(program.run(command[command.index("edge_gate.gate") + 1 :]))


@contextmanager
def gate(folder: Path) -> Iterator[None]:
    """Run the gate as its user, as its unit does."""
    pass_credential()
    control = RUN / "control"
    control.mkdir(exist_ok=True)
    control.chmod(0o750)
    own(control, GATE)
    log = os.open(folder / "gate.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    environ = {"CREDENTIALS_DIRECTORY": str(CREDENTIALS)}
    process = fork(GATE, Path("/"), lambda: cli.run(["run"]), (log, log), **environ)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while run("root", Path("/"), ["status"])[0] not in (0, 1):
            assert time.monotonic() < deadline, (folder / "gate.log").read_text()
            time.sleep(0.1)
        yield
    finally:
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)
        shutil.rmtree(control)


@contextmanager
def question(folder: Path) -> Iterator[None]:
    """Lock the key, and let the unit that comes before the gate ask for the passphrase."""
    place = find(config.load(ETC / "edge-gate.toml").store)
    key = place.fetch()
    sealed = folder / "locked"
    from edge_gate.store.keys.locked import lock

    sealed.write_bytes(lock(key, PASSPHRASE))
    (ETC / "store-key.cred").unlink()
    shell("systemd-creds", "encrypt", "--with-key=host", "--name=store-key", sealed, ETC / "store-key.cred")
    (ETC / "store-key.cred").chmod(0o600)
    log = os.open(folder / "unlock.log", os.O_WRONLY | os.O_CREAT)
    process = fork("root", Path("/"), lambda: cli.run(["keys", "open"]), (log, log))
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not list(Path("/run/systemd/ask-password").glob("ask.*")):
            assert time.monotonic() < deadline, (folder / "unlock.log").read_text()
            time.sleep(0.1)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)


def try_all(state: str, folder: Path, seen: list[Seen]) -> None:
    """Run every command as every user."""
    running = True
    for user in USERS:
        for words, arguments in COMMANDS.items():
            if (words, user, state) in ENDLESS:
                continue
            if state == "paused" and running:
                assert run("root", Path("/"), ["pause"])[0] == 0
            running = words == "resume"
            code, out, err = run(user, folder, [*words.split(), *arguments])
            seen.append((state, user, words, code, out, err))


def main() -> None:
    folder = Path(sys.argv[1])
    folder.chmod(0o711)
    for each in pkgutil.walk_packages(edge_gate.__path__, "edge_gate."):
        if not each.name.endswith("__main__"):
            with contextlib.suppress(ImportError):
                importlib.import_module(each.name)
    for name in (*LATE_IMPORTS, *(each.name for each in pkgutil.iter_modules(encodings.__path__, "encodings."))):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    patch.object(lockout, "REFUSALS", 10**6).start()  # each user is refused many things here
    patch.object(os, "execv", become_gate).start()
    furnish(folder)
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    seen: list[Seen] = []
    try_all("no configuration", closed, seen)
    with BoardSimulator("modbus-waveshare") as board:
        port = Path(board.path).resolve()
        port.chmod(0o600)
        own(port, GATE)
        configure(folder, str(port))
        try_all("no store", closed, seen)
        install(folder)
        try_all("stopped", closed, seen)
        with gate(folder):
            try_all("running", closed, seen)
            try_all("paused", closed, seen)
        with question(folder):
            try_all("waiting", closed, seen)
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
