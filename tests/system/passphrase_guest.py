# SPDX-License-Identifier: Apache-2.0
"""Inside the container: a site gets a passphrase, is started with wrong ones and the right one, and its card is robbed
before and after. What was seen goes into /mnt/acts.json; test_passphrase.py judges it."""

from __future__ import annotations

import base64
import configparser
import json
import os
import re
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Both lie beside this file in the container.
from systemd_guest import (  # type: ignore[import-not-found]
    BIN,
    DELIVERED,
    SETTINGS,
    install,
    replaced,
    send,
    sh,
    show,
    status,
    tried,
    wait_for,
)
from terminal import at_a_terminal  # type: ignore[import-not-found]

from edge_gate.cli.keys.unlock import OPENED, SEALED_CREDENTIAL, open_credential
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings.config import Config
from edge_gate.store.keys.locked import unlock
from edge_gate.store.keys.pending import opens_database

QUESTIONS = Path("/run/systemd/ask-password")
STORE = Config().store.path
PASSPHRASE = "a gate, a lamp and seven geese"
ANOTHER = "seven lamps and one grey goose"
CHOSEN, AGAIN, PRESENT = "New passphrase: ", "The same again: ", "Passphrase of the store's key: "
UNITS = ("edge-gate", "edge-gate-unlock")


def keys(*words: str, answers: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """Run `edge-gate keys` at a terminal."""
    code, screen = at_a_terminal([f"{BIN}/edge-gate", "keys", *words, "--config", str(SETTINGS)], answers)
    return {"status": code, "screen": screen}


def question(but: str = "") -> dict[str, str] | None:
    """Return what is asked of systemd's password agents now, as their specification has it; not the socket ``but``."""
    for file in QUESTIONS.glob("ask.*"):
        asked = configparser.ConfigParser(interpolation=None)
        asked.read(file)
        if asked.has_section("Ask") and asked["Ask"]["Socket"] != but:
            return dict(asked["Ask"])
    return None


def answered(passphrase: str, but: str = "") -> str:
    """Wait for a question and answer it as an agent does; return its socket."""
    asked = wait_for(lambda: question(but))
    if not asked:
        raise RuntimeError("nothing was asked")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as agent:
        agent.sendto(b"+" + passphrase.encode(), asked["socket"])
    return str(asked["socket"])


def running() -> bool:
    return bool(show("edge-gate")["ActiveState"] == "active")


def now() -> dict[str, Any]:
    """Return how things stand."""
    return {
        "units": {unit: show(unit) for unit in UNITS},
        "opened": OPENED.exists(),
        "asked": (question() or {}).get("message", ""),
    }


def files_of_the_card() -> Iterator[Path]:
    """Yield every file that is on the disk: not /proc, not /run, not what the test itself brought."""
    disk = Path("/").stat().st_dev
    for folder, below, names in os.walk("/"):
        below[:] = [each for each in below if Path(folder, each).lstat().st_dev == disk]
        yield from (path for name in names if (path := Path(folder, name)).is_file() and not path.is_symlink())


def searched(key: bytes) -> dict[str, Any]:
    """Look through every file of the card for a key that is known, and for the passphrase."""
    forms = {"raw": key, "hex": key.hex().encode(), "HEX": key.hex().upper().encode()}
    forms |= {"base64": base64.b64encode(key)[:42], "passphrase": PASSPHRASE.encode(), "another": ANOTHER.encode()}
    found, looked = [], 0
    for path in files_of_the_card():
        content = path.read_bytes()
        looked += 1
        found += [f"{name} in {path}" for name, form in forms.items() if form in content]
    return {"files": looked, "found": found}


def robbed() -> dict[str, Any]:
    """Open the credential by the host's key, which is on the card too, and try on the store all that it could mean."""
    content = open_credential(SEALED_CREDENTIAL.read_bytes())
    tries = [bytes.fromhex(each.decode()) for each in re.findall(rb"[0-9a-fA-F]{64}", content)]
    tries += [content[at : at + 32] for at in range(len(content) - 31)]
    return {"length": len(content), "tries": len(tries), "keys": sum(opens_database(STORE, each) for each in tries)}


def set_up() -> dict[str, Any]:
    acts: dict[str, Any] = {"card before": robbed(), "too early": keys("lock")}
    shutil.copytree(DELIVERED / "passphrase", "/etc/systemd/system", dirs_exist_ok=True)
    sh("systemctl", "daemon-reload")
    units = [each.name for each in (DELIVERED / "passphrase").iterdir() if each.is_file()]
    acts["verify"] = tried("systemd-analyze", "verify", "--man=no", "edge-gate.service", *units)
    acts["security"] = {
        unit: tried("systemd-analyze", "security", "--offline=true", f"--threshold={limit}", f"{unit}.service")
        for unit, limit in (("edge-gate", 3), ("edge-gate-unlock", 7), ("edge-gate-secure", 5))
    }
    acts["started"] = tried("systemctl", "start", "edge-gate")
    acts["not locked yet"] = now()
    sh("systemctl", "stop", "edge-gate")
    acts["rotate"] = keys("rotate")
    acts["start with another key"] = tried("systemctl", "start", "edge-gate")
    acts["another key"] = now()
    sh("systemctl", "stop", "edge-gate-unlock", "edge-gate-secure")
    acts["lock"] = keys("lock", answers=((CHOSEN, PASSPHRASE), (AGAIN, PASSPHRASE)))
    acts["card locked"] = robbed()
    return acts


def start(board: BoardSimulator) -> dict[str, Any]:
    """Two wrong ones in the protocol of the agents, then the right one at systemd's own agent. A pulse that a crash of
    the machine cut off has left the relay on."""
    acts: dict[str, Any] = {}
    with Path(board.path).open("wb", buffering=0) as port:
        port.write(bytes.fromhex("a00101a2"))
    acts["relay before"] = board.wait_for(1, True)
    sh("systemctl", "start", "--no-block", "edge-gate")
    wait_for(question)
    acts["relay off while waiting"] = board.wait_for(1, False)
    acts["waiting"] = now()
    acts["status while locked"] = tried(BIN / "edge-gate", "keys", "status", "--config", SETTINGS)
    acts["verify while locked"] = tried(BIN / "edge-gate", "forget", "--search", "Nobody", "--config", SETTINGS)
    asking = (BIN / "edge-gate", "status", "--config", SETTINGS)
    acts["gate while asked"] = [tried("runuser", "-u", name, "--", *asking) for name in ("stranger", "keeper", "root")]
    first = answered("not this one, surely")
    acts["gate between questions"] = tried("runuser", "-u", "stranger", "--", *asking)
    wait_for(lambda: question(first))
    acts["after one"] = now()
    second = answered("", but=first)
    wait_for(lambda: question(second))
    acts["after two"] = now()
    agent = ["systemd-tty-ask-password-agent", "--query"]
    acts["agent"] = at_a_terminal(agent, [("Passphrase of the store's key", PASSPHRASE)])
    wait_for(running)
    acts["after the right one"] = now()
    acts["place"] = sh("stat", "-c", "%a %U", OPENED.parent, OPENED).splitlines()
    acts["kind"] = sh("stat", "-f", "-c", "%T", OPENED).strip()
    acts["who may read"] = {
        name: tried("runuser", "-u", name, "--", "cat", OPENED)["status"]
        for name in ("stranger", "keeper", "edge-gate")
    }
    return acts


def use() -> dict[str, Any]:
    acts: dict[str, Any] = {"door": status().get("door")}
    acts["status"] = tried(BIN / "edge-gate", "keys", "status", "--config", SETTINGS)
    acts["forget --search"] = tried(BIN / "edge-gate", "forget", "--search", "Nobody", "--config", SETTINGS)
    acts["audit verify"] = tried(BIN / "edge-gate", "audit", "verify", "--config", SETTINGS)
    before = send("edge-gate", signal.SIGKILL)
    wait_for(lambda: replaced("edge-gate", before))
    acts["killed"] = now()
    acts["restart"] = tried("systemctl", "restart", "edge-gate")
    acts["restarted"] = now()
    return acts


def change() -> dict[str, Any]:
    acts: dict[str, Any] = {}
    old = unlock(open_credential(SEALED_CREDENTIAL.read_bytes()), PASSPHRASE, STORE)
    sh("systemctl", "stop", "edge-gate")
    acts["rotate"] = keys("rotate", answers=((PRESENT, PASSPHRASE),))
    acts["start"] = tried("systemctl", "start", "edge-gate")
    acts["new key"] = now()
    new = unlock(open_credential(SEALED_CREDENTIAL.read_bytes()), PASSPHRASE, STORE)
    acts["another key"] = old != new
    acts["passphrase"] = keys("passphrase", answers=((PRESENT, PASSPHRASE), (CHOSEN, ANOTHER), (AGAIN, ANOTHER)))
    sh("systemctl", "stop", "edge-gate-unlock")
    acts["stopped"] = now()
    sh("systemctl", "start", "--no-block", "edge-gate")
    first = answered(PASSPHRASE)
    wait_for(lambda: question(first))
    acts["the old one"] = now()
    answered(ANOTHER, but=first)
    wait_for(running)
    acts["the new one"] = now()
    acts["card at the end"] = robbed()
    acts["searched"] = searched(new)
    acts["searched for the old"] = searched(old)
    Path("/root/left-over.key").write_text(new.hex())
    acts["searched, with a key left over"] = searched(new)
    acts["unlock"] = keys("unlock", answers=((PRESENT, ANOTHER),))
    sh("systemctl", "stop", "edge-gate-unlock")
    acts["back"] = tried("systemctl", "start", "edge-gate")
    acts["as before"] = now()
    acts["card after"] = robbed()
    return acts


def main() -> None:
    shared = Path(sys.argv[1])
    acts: dict[str, Any] = {}
    try:
        with BoardSimulator("lcus1") as board:
            install(shared, board)
            acts |= {"set up": set_up()}
            acts |= {"start": start(board)}
            acts |= {"use": use()}
            acts |= {"change": change()}
            tried("systemctl", "stop", *UNITS)
    except Exception:
        acts["failed"] = traceback.format_exc()
    acts["journal"] = sh("journalctl", "-b", "--no-pager", check=False)[-60_000:]
    (shared / "acts.json").write_text(json.dumps(acts, indent=1))


if __name__ == "__main__":
    main()
