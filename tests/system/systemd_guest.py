# SPDX-License-Identifier: Apache-2.0
"""What happens inside the container: set up a site as docs/installer.md says, run the real units, and write down what
was seen, act by act, as /mnt/acts.json. test_systemd.py judges it."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import installer_page  # type: ignore[import-not-found]  # it lies beside this file in the container
import numpy as np

from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config

BIN = Path("/opt/edge-gate/bin")
SETTINGS = Path("/etc/edge-gate/edge-gate.toml")
UNITS = Path("/etc/systemd/system")
DELIVERED = Path("/opt/edge-gate/share/edge-gate/systemd")
PICTURES = Path("/srv/pictures")
SERVICES = ("edge-gate", "edge-gate-eye", "edge-gate-guard")
# Long enough for a command line that ends late on a busy machine.
PULSE_MS = 8000
SHOWN = ("ActiveState", "SubState", "NRestarts", "Result", "StatusText", "MainPID")


def sh(*command: object, check: bool = True) -> str:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def tried(*command: object) -> dict[str, Any]:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    return {"status": done.returncode, "out": done.stdout, "err": done.stderr}


def show(unit: str) -> dict[str, str]:
    lines = sh("systemctl", "show", unit, *(f"--property={name}" for name in SHOWN)).splitlines()
    return dict(line.split("=", 1) for line in lines)


def status() -> dict[str, Any]:
    done = tried(BIN / "edge-gate", "status", "--json", "--config", SETTINGS)
    return json.loads(done["out"]) if done["out"] else {}


def send(unit: str, number: signal.Signals) -> dict[str, str]:
    """Send a signal to a unit's main process and return how the unit was before."""
    before = show(unit)
    if before["MainPID"] == "0":
        raise RuntimeError(f"{unit} does not run: {before}")
    os.kill(int(before["MainPID"]), number)
    return before


def replaced(unit: str, before: dict[str, str]) -> bool:
    """Return whether the unit runs again, in another process."""
    now = show(unit)
    return now["ActiveState"] == "active" and now["MainPID"] != before["MainPID"]


def wait_for(what: Callable[[], Any], seconds: float = 30) -> Any:
    """Return the first true answer, or the last one when the time is over."""
    deadline = time.monotonic() + seconds
    while not (answer := what()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


def install(shared: Path, board: BoardSimulator) -> dict[str, Any]:
    """The steps of docs/installer.md, with a simulated board and a folder of pictures instead of hardware."""
    sh("bash", "-euc", units_step((shared / "installer.md").read_text()))
    sh("useradd", "--create-home", "--groups", "edge-gate", "keeper")
    sh("useradd", "--create-home", "--groups", "edge-gate-auditor", "reader")
    sh("useradd", "--create-home", "--groups", "edge-gate-maintainer", "second")
    sh("useradd", "--create-home", "stranger")

    Path("/dev/edge-gate-relay").symlink_to(os.path.realpath(board.path))
    os.chown("/dev/edge-gate-relay", pwd.getpwnam("edge-gate").pw_uid, 0)
    Path("/dev/edge-gate-relay").chmod(0o600)
    draw_pictures()

    first = Path("/root/first")
    sh(BIN / "edge-gate", "init", "--folder", first)
    sh(
        "systemd-creds", "encrypt", "--with-key=host", "--name=store-key",
        first / "store.key", "/etc/edge-gate/store-key.cred",
    )  # fmt: skip
    Path("/etc/edge-gate/store-key.cred").chmod(0o600)
    both = tuple(first / f"edge-gate.db{end}" for end in ("", ".anchor", ".keyring"))
    sh("install", "-o", "edge-gate", "-g", "edge-gate", "-m", "600", *both, "/var/lib/edge-gate/")
    shutil.rmtree(first)
    site: dict[str, dict[str, Any]] = {
        "camera": {"driver": "replay", "source": f"loop:{PICTURES}"},
        "sockets": {"eye_user": "edge-gate-eye"},
        "door": {"pulse_ms": PULSE_MS},
    }
    SETTINGS.write_text(config.example(site))
    return {
        "verify": tried("systemd-analyze", "verify", "--man=no", *(f"{unit}.service" for unit in SERVICES)),
        "udev": tried("udevadm", "verify", "/etc/udev/rules.d/70-edge-gate.rules"),
        "security": {
            unit: tried("systemd-analyze", "security", "--offline=true", f"--threshold={limit}", unit)
            for unit, limit in (("edge-gate.service", 3), ("edge-gate-eye.service", 4), ("edge-gate-guard.service", 3))
        },
    }


def units_step(page: str) -> str:
    """Return the page's own commands for users, folders and units, less `sudo`."""
    (first, *_) = (each for each in installer_page.read(page) if "systemd-sysusers" in each.text)
    return str(first.text).replace("sudo ", "")


def draw_pictures() -> None:
    """Write pictures without anybody in them: noise on a ramp, so that no two are the same."""
    PICTURES.mkdir()
    chance = np.random.default_rng(1)
    ramp = np.linspace(60, 180, 640, dtype=np.float32)[None, :, None]
    for number in range(15):
        noisy = ramp + chance.normal(0, 6, (480, 640, 3)).astype(np.float32)
        cv2.imwrite(str(PICTURES / f"{number:02d}.png"), np.clip(noisy, 0, 255).astype(np.uint8))


def memory(pid: int) -> dict[str, int]:
    """Return what the kernel says of a process's memory, in kB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) for name in ("VmLck", "VmRSS", "VmSwap")}


def start(board: BoardSimulator) -> dict[str, Any]:
    gate = tried("systemctl", "start", "edge-gate")
    before_eye = status()
    eye = tried("systemctl", "start", "edge-gate-eye")
    connected = wait_for(lambda: (now := status()).get("eye", {}).get("camera") == "working" and now)
    doctor = tried(BIN / "edge-gate", "doctor", "--json", "--config", SETTINGS)
    return {
        "gate": gate,
        "eye": eye,
        "before eye": before_eye,
        "with eye": connected,
        "units": {unit: show(unit) for unit in SERVICES},
        "doctor": json.loads(doctor["out"] or "{}"),
        "security": security(),
        "memory": {who: memory(pid) for who, pid in ((connected or {}).get("processes") or {}).items()},
        "heard at start": [each.hex() for each in board.heard],
        "modes": sh("stat", "-c", "%n %a %U %G", *sorted(Path("/run/edge-gate").rglob("*.sock"))).splitlines(),
        "store": sh("stat", "-c", "%a %U", "/var/lib/edge-gate", "/var/lib/edge-gate/edge-gate.db").splitlines(),
    }


def security() -> Any:
    done = tried(BIN / "edge-gate", "doctor", "--security", "--json", "--config", SETTINGS)
    return json.loads(done["out"] or "{}")


def weakened() -> dict[str, Any]:
    """Take walls away from the eye by a drop-in, as somebody might who wants it to work at last, and put them back."""
    drop_in = UNITS / "edge-gate-eye.service.d" / "weaker.conf"
    drop_in.parent.mkdir()
    gone = ("ProtectSystem=no", "TemporaryFileSystem=", "LimitCORE=infinity", "DevicePolicy=auto")
    drop_in.write_text("\n".join(["[Service]", *gone]) + "\n")

    def again() -> bool:
        sh("systemctl", "daemon-reload")
        sh("systemctl", "restart", "edge-gate-eye")
        return bool(wait_for(lambda: status().get("eye", {}).get("connected")))

    connected = again()
    seen = security()
    drop_in.unlink()
    return {"connected": connected, "security": seen, "back": again()}


def examined_between_starts() -> dict[str, Any] | None:
    """Return what the doctor says, unless it came in the moment in which the gate was just being started."""
    doctor = tried(BIN / "edge-gate", "doctor", "--json", "--config", SETTINGS)
    return doctor if "started again" in doctor["out"] else None


def failing() -> dict[str, Any]:
    """Let the gate end at each start, as after a bad update, ask the doctor, and put it back."""
    drop_in = UNITS / "edge-gate.service.d" / "bad.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nExecStart=\nExecStart=/bin/false\n")
    unread = tried(BIN / "edge-gate", "doctor", "--json", "--config", SETTINGS)
    sh("systemctl", "daemon-reload")
    tried("systemctl", "restart", "edge-gate")
    doctor = wait_for(examined_between_starts)
    drop_in.unlink()
    sh("systemctl", "daemon-reload")
    sh("systemctl", "restart", "edge-gate")
    back = bool(wait_for(lambda: status().get("eye", {}).get("connected")))
    return {"unread": json.loads(unread["out"]), "doctor": json.loads(doctor["out"]), "back": back}


def callers() -> dict[str, Any]:
    ask = (BIN / "edge-gate", "status", "--json", "--config", SETTINGS)
    names = ("keeper", "reader", "second", "stranger", "edge-gate-eye")
    asked = {name: tried("runuser", "-u", name, "--", *ask) for name in names}
    pulse = tried("runuser", "-u", "keeper", "--", BIN / "edge-gate", "relay", "test", "--config", SETTINGS)
    events = tried(BIN / "edge-gate", "events", "--json", "--config", SETTINGS)
    return {"asked": asked, "pulse": pulse, "events": json.loads(events["out"] or "[]")}


SETTLE = """
import sys
from pathlib import Path
from edge_gate.cli.keys.unlock import unlock_key
from edge_gate.core.clock import SystemClock
from edge_gate.settings import config
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.people import residents, vouching
settings = config.load(Path(sys.argv[1]))
with Store.open(settings.store.path, unlock_key(settings.store, may_ask=False), SystemClock()) as store:
    ann = residents.add(store, "Ann").id
    log, detail = AuditLog(store, store.keyring.signer()), {vouching.FIELD: vouching.code_of(store, ann)}
    log.append("enrol", actor="uid 0", role="maintainer", resident_id=ann, detail=detail)
"""


def insiders() -> dict[str, Any]:
    """Root makes the settings looser; one who may agrees, one who may not tries, and an auditor reads about it."""

    def as_user(name: str, *words: str) -> dict[str, Any]:
        return tried("runuser", "-u", name, "--", BIN / "edge-gate", *words, "--config", SETTINGS)

    kept = as_user("reader", "audit", "checkpoint")["out"].strip()
    sh("systemctl", "stop", "edge-gate")
    sh(BIN / "python", "-c", SETTLE, SETTINGS)  # until somebody is known, settings are the installer's alone
    SETTINGS.write_text(SETTINGS.read_text().replace("# min_sightings = 3", "min_sightings = 2"))
    sh("systemctl", "restart", "edge-gate")
    waiting = json.loads(as_user("second", "approvals", "--json")["out"] or "[]")
    request = waiting[0]["id"] if waiting else "none"
    sh("gpasswd", "--add", "second", "edge-gate-installer")
    as_user("second", "status")
    sh("gpasswd", "--delete", "second", "edge-gate-installer")
    return {
        "uid of second": pwd.getpwnam("second").pw_uid,
        "before": status().get("policy"),
        "reader": as_user("reader", "approve", request)["status"],
        "root": tried(BIN / "edge-gate", "approve", request, "--config", SETTINGS)["status"],
        "second": as_user("second", "approve", request)["status"],
        "after": status().get("policy"),
        "reader pulse": as_user("reader", "relay", "test")["status"],
        "verified": as_user("reader", "audit", "verify", "--since", kept),
        "log": json.loads(as_user("reader", "audit", "show", "--json")["out"] or "[]"),
    }


def in_sandbox(unit: str, shared: Path, program: Path) -> tuple[dict[str, Any], str]:
    """Run a Python program in a unit's own sandbox: the same unit file, with another program. Return how that ended
    and what it printed."""
    said, installed = shared / f"{unit}-probe.json", Path("/opt/edge-gate") / program.name
    shutil.copy(program, installed)
    swapped = []
    for line in (DELIVERED / f"{unit}.service").read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "ExecStart":
            line = f"ExecStart={BIN}/python {installed}\nStandardOutput=truncate:{said}"
        elif name in ("Type", "Restart", "WatchdogSec", "NotifyAccess", "StateDirectory", "RuntimeDirectory"):
            # The folders stay the real unit's: this one must not remove them when it ends.
            folder = {"StateDirectory": "/var/lib/", "RuntimeDirectory": "/run/"}.get(name)
            line = f"BindPaths={folder}{value}" if folder else "Type=oneshot" if name == "Type" else ""
        swapped.append(line)
    (UNITS / f"{unit}-probe.service").write_text("\n".join(swapped) + "\n")
    sh("systemctl", "daemon-reload")
    ended = tried("systemctl", "start", f"{unit}-probe")
    return ended, said.read_text() if said.exists() else ""


def probe(shared: Path) -> dict[str, Any]:
    """Run systemd_probe.py in each unit's own sandbox."""
    found = {}
    for unit in SERVICES:
        ended, text = in_sandbox(unit, shared, shared / "systemd_probe.py")
        found[unit] = json.loads(text) if text else {"failed": ended}
    return found


def kill_gate_mid_pulse(board: BoardSimulator) -> dict[str, Any]:
    moved = len(board.history)
    tried(BIN / "edge-gate", "relay", "test", "--config", SETTINGS)
    before = send("edge-gate", signal.SIGKILL)
    killed_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    back = wait_for(lambda: replaced("edge-gate", before))
    again = wait_for(lambda: status().get("eye", {}).get("connected"))
    return {
        "changes": [[each.on, (each.at_ns - killed_ns) / 1e6] for each in board.history[moved:]],
        "back": bool(back),
        "eye again": bool(again),
        "gate": show("edge-gate"),
        "eye": show("edge-gate-eye"),
        "door": status().get("door"),
    }


def strike_both(board: BoardSimulator, number: signal.Signals) -> dict[str, Any]:
    """Send a signal to gate and pulse guard in the middle of a pulse, with nobody to start the gate again."""
    drop_in = UNITS / "edge-gate.service.d" / "once.conf"
    drop_in.parent.mkdir(exist_ok=True)
    drop_in.write_text("[Service]\nRestart=no\n")
    sh("systemctl", "daemon-reload")
    moved = len(board.history)
    tried(BIN / "edge-gate", "relay", "test", "--config", SETTINGS)
    on = board.is_on(1)
    gate, guard = (show(unit) for unit in ("edge-gate", "edge-gate-guard"))
    os.kill(int(gate["MainPID"]), number)
    os.kill(int(guard["MainPID"]), number)
    began_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    off = board.wait_for(1, False, 20)
    gate_then = show("edge-gate")
    wait_for(lambda: show("edge-gate-guard")["SubState"] == "running")
    seen = {
        "on": on,
        "off": off,
        "off after ms": [(each.at_ns - began_ns) / 1e6 for each in board.history[moved:] if not each.on],
        "gate before": gate,
        "gate then": gate_then,
        "guard before": guard,
        "guard": show("edge-gate-guard"),
    }
    tried("systemctl", "kill", "--signal=SIGKILL", "edge-gate")
    drop_in.unlink()
    sh("systemctl", "daemon-reload")
    tried("systemctl", "reset-failed", "edge-gate")
    sh("systemctl", "start", "edge-gate")
    seen["back"] = bool(wait_for(lambda: status().get("eye", {}).get("connected")))
    return seen


def kill_eye() -> dict[str, Any]:
    before = send("edge-gate-eye", signal.SIGKILL)
    again = wait_for(lambda: status().get("processes", {}).get("eye") not in (None, int(before["MainPID"])))
    return {"again": bool(again), "eye": show("edge-gate-eye"), "gate": show("edge-gate")}


def hang(unit: str) -> dict[str, Any]:
    """Stop the process without ending it: only the watchdog can notice."""
    before = send(unit, signal.SIGSTOP)
    stopped = time.monotonic()
    wait_for(lambda: replaced(unit, before), 60)
    journal = sh("journalctl", "-u", unit, "--no-pager", "-o", "cat")
    return {
        "before": before,
        "after": show(unit),
        "seconds": time.monotonic() - stopped,
        "watchdog": "Watchdog timeout" in journal,
    }


def stop(board: BoardSimulator) -> dict[str, Any]:
    heard = len(board.heard)
    tried("systemctl", "stop", "edge-gate-eye", "edge-gate")
    wait_for(lambda: show("edge-gate-guard")["ActiveState"] == "inactive")
    return {
        "units": {unit: show(unit) for unit in SERVICES},
        "heard": [each.hex() for each in board.heard[heard:]],
        "left in memory": sh("systemctl", "list-units", "--failed", "--no-legend", "edge-gate*"),
    }


def play(shared: Path) -> dict[str, Any]:
    acts: dict[str, Any] = {}
    with BoardSimulator("lcus1") as board:
        acts["install"] = install(shared, board)
        acts["start"] = start(board)
        acts["callers"] = callers()
        acts["weakened"] = weakened()
        acts["failing"] = failing()
        acts["probe"] = probe(shared)
        acts["gate killed"] = kill_gate_mid_pulse(board)
        acts["eye killed"] = kill_eye()
        acts["both killed"] = strike_both(board, signal.SIGKILL)
        acts["both stopped"] = strike_both(board, signal.SIGSTOP)
        acts["gate hung"] = hang("edge-gate")
        acts["eye hung"] = hang("edge-gate-eye")
        acts["insiders"] = insiders()
        acts["journal"] = sh(
            "journalctl", *(f"--unit={unit}" for unit in SERVICES), "--no-pager", "-o", "short-monotonic"
        )
        acts["stop"] = stop(board)
    return acts


def main() -> None:
    shared = Path(sys.argv[1])
    try:
        acts = play(shared)
    except Exception:
        acts = {
            "failed": traceback.format_exc(),
            "journal": sh("journalctl", "-b", "--no-pager", check=False)[-20_000:],
        }
    (shared / "acts.json").write_text(json.dumps(acts, indent=1))


if __name__ == "__main__":
    main()
