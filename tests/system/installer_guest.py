# SPDX-License-Identifier: Apache-2.0
"""Inside the container: somebody with sudo logs in and pastes the blocks of docs/installer.md, one after another.

Each section is a login of its own, because the page asks for one between two of them. What stands for hardware, and
looks at what came of it, is root's. What was seen goes into /mnt/acts.json; test_installer_page.py judges it.
Nothing but the standard library: edge-gate is not there yet.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import pwd
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import termios
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

# Both lie beside this file in the container.
import installer_page  # type: ignore[import-not-found]
from terminal import wait_until_hidden  # type: ignore[import-not-found]

USER: Final = "pi"
HOME: Final = Path("/home", USER)
CHECKOUT: Final = HOME / "edge-gate"
FAILURES: Final = HOME / ".failures"
BIN: Final = Path("/opt/edge-gate/bin")
PATIENCE_S: Final = 150.0
UNITS: Final = ("edge-gate", "edge-gate-eye")
SHARED: Final = Path(sys.argv[1])

BOARD: Final = """
import pathlib, sys, time
from edge_gate.relays.simulator import BoardSimulator
with BoardSimulator("lcus1") as board:
    print(board.path, flush=True)
    while True:
        time.sleep(0.2)
        pathlib.Path("/tmp/pulses").write_text(str(sum(each.on for each in board.history)))
"""


class Login:
    """A login at a terminal, into which blocks are pasted."""

    def __init__(self, password: str) -> None:
        pid, self._screen = pty.fork()
        if pid == 0:
            os.environ["TERM"] = "xterm"
            try:
                os.execvp("runuser", ["runuser", "--login", USER])
            finally:
                os._exit(127)
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._pid, self._pasted = pid, 0
        self._read_until("$ ")
        if password:
            self.paste("sudo -v", (("password for", password),))

    def paste(self, text: str, answers: Iterable[tuple[str, str]] = ()) -> str:
        """Paste a block as a terminal does, answer what is asked, and return what appeared until all of it was run."""
        self._pasted += 1
        self._write(f"\x1b[200~{text}\necho pasted-$(({self._pasted}))\x1b[201~\n")
        seen = ""
        for question, answer in answers:
            seen += self._read_until(question)
            wait_until_hidden(self._screen)
            self._write(f"{answer}\n")
        return seen + self._read_until(f"pasted-{self._pasted}\r\n")

    def end(self) -> None:
        """Log out."""
        self._write("exit\n")
        os.waitpid(self._pid, 0)
        os.close(self._screen)

    def _write(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def _read_until(self, text: str) -> str:
        seen, deadline = "", time.monotonic() + PATIENCE_S
        while text not in seen:
            if not select.select([self._screen], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"{text!r} did not appear; the screen:\n{seen}")
            seen += os.read(self._screen, 65536).decode(errors="replace")
        return seen


def sh(*command: object) -> str:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def answer(*words: str) -> Any:
    """Return what `edge-gate … --json` answers the user."""
    asked = ["runuser", "--login", USER, "-c", f"edge-gate {' '.join(words)} --json"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False)
    return json.loads(said.stdout) if said.stdout else {"failed": said.stderr}


def wait_for(what: Callable[[], Any], seconds: float = 60) -> Any:
    """Return the first true answer, or the last one when the time is over."""
    deadline = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


def lay_checkout(name: str) -> None:
    """Put a checkout into the user's home, in the place of what is there."""
    shutil.rmtree(CHECKOUT, ignore_errors=True)
    shutil.copytree(SHARED / name, CHECKOUT)
    sh("chown", "-R", f"{USER}:{USER}", CHECKOUT)


def files_of_checkout() -> dict[str, str]:
    """Return each file and folder of the checkout with its owner."""
    found = [CHECKOUT, *sorted(CHECKOUT.rglob("*"))]
    return {str(each.relative_to(HOME)): each.owner() for each in found}


def make_user(plan: dict[str, Any]) -> None:
    with Path("/etc/hosts").open("a") as hosts:
        hosts.write(f"127.0.1.1 {socket.gethostname()}\n")
    sh("useradd", "--create-home", "--shell", "/bin/bash", "--groups", "sudo", USER)
    if plan["password"]:
        subprocess.run(["chpasswd"], input=f"{USER}:{plan['password']}", text=True, check=True)
    else:
        Path("/etc/sudoers.d/pi").write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    with (HOME / ".profile").open("a") as profile:
        profile.write(f"umask {plan['umask']}\n")
    with (HOME / ".bashrc").open("a") as startup:
        startup.write(f"trap 'echo \"$? $BASH_COMMAND\" >>{FAILURES}' ERR\n")


def plug_in_board(acts: dict[str, Any]) -> None:
    """Do what udev does when a board is plugged in. It runs in no container."""
    board = subprocess.Popen([str(BIN / "python"), "-c", BOARD], stdout=subprocess.PIPE, text=True)
    assert board.stdout is not None
    Path("/dev/edge-gate-relay").symlink_to(os.path.realpath(board.stdout.readline().strip()))
    os.chown("/dev/edge-gate-relay", pwd.getpwnam("edge-gate").pw_uid, 0)
    Path("/dev/edge-gate-relay").chmod(0o600)


def plug_in_camera(acts: dict[str, Any]) -> None:
    """Take a folder of pictures for a camera."""
    file = Path("/etc/edge-gate/edge-gate.toml")
    acts["configuration"] = [file.owner(), file.stat().st_mode & 0o777]
    shutil.copytree(SHARED / "pictures", "/srv/pictures")
    sh("chmod", "-R", "a+rX", "/srv/pictures")
    with file.open("a") as settings:
        settings.write('\n[camera]\ndriver = "replay"\nsource = "loop:/srv/pictures"\n')


def count_pulses() -> int:
    """Return how many pulses the board has counted; 0 while it writes that."""
    return int(Path("/tmp/pulses").read_text() or 0)


def look() -> dict[str, Any]:
    """Return how the installed edge-gate stands."""
    return {
        "modules": [each.stem for each in Path("/opt/edge-gate/lib").rglob("*.py") if "edge_gate" in each.parts],
        "units": {unit: sh("systemctl", "show", "--property=ActiveState,Description", unit) for unit in UNITS},
        "status": answer("status"),
        "residents": answer("residents"),
        "security": json.loads(sh("edge-gate", "doctor", "--security", "--json")),
    }


def after_start(acts: dict[str, Any]) -> None:
    """Wait for the resident, who walks up again and again, and bring a newer checkout."""
    acts["opened"] = wait_for(lambda: answer("events", "--kind", "opened"))
    wait_for(lambda: count_pulses() > 1)  # an opening is an event first, and then a pulse
    acts["pulses"] = count_pulses()
    acts["running"] = look()
    acts["roles"] = {who: sh("id", "-nG", who).split() for who in (USER, "mary", "otto")}
    acts["checkpoint"] = sh("runuser", "-u", "otto", "--", "edge-gate", "audit", "checkpoint")
    acts["checkout"] = {"installed": files_of_checkout()}
    lay_checkout("new")
    acts["checkout"]["new"] = files_of_checkout()


def after_update(acts: dict[str, Any]) -> None:
    wait_for(lambda: answer("status").get("eye", {}).get("camera") == "working")
    acts["updated"] = look()
    acts["checkout"]["updated"] = files_of_checkout()


def after_removal(acts: dict[str, Any]) -> None:
    names = re.compile("edge[-_]gate")
    disk = ("find", "/", "-xdev", "-name", "*edge[-_]gate*", "-not", "-path", f"{CHECKOUT}*", "-not", "-path", "/tmp/*")
    acts["left"] = {
        "files": sh(*disk).split(),
        "run": [str(each) for each in Path("/run").glob("edge*")],
        "users": [each for each in Path("/etc/passwd").read_text().splitlines() if names.search(each)],
        "groups": [each for each in Path("/etc/group").read_text().splitlines() if names.search(each)],
        "units": sh("systemctl", "list-units", "--all", "--plain", "--no-legend", "edge-gate*", "run-edge_gate*"),
        "processes": [each for each in sh("ps", "-eo", "args").splitlines() if each.startswith(str(BIN / "edge-gate"))],
    }


AFTER_BLOCK: Final = {
    "sudo udevadm control --reload && sudo udevadm trigger": plug_in_board,
    "sudo tee /etc/edge-gate/edge-gate.toml >/dev/null <<'END'": plug_in_camera,
}
AFTER_SECTION: Final = {"First start": after_start, "Update": after_update, "Remove": after_removal}


def paste_page(plan: dict[str, Any], acts: dict[str, Any]) -> None:
    """Paste every block that the plan does not leave out. Raises RuntimeError where a command of it fails."""
    blocks = [each for each in installer_page.read((SHARED / "installer.md").read_text()) if each.typed]
    for section in dict.fromkeys(each.section for each in blocks):
        login = Login(plan["password"])
        for block in (each for each in blocks if each.section == section):
            pasted: dict[str, Any] = {"section": section, "name": block.name}
            acts["blocks"].append(pasted)
            if block.name not in plan["left out"]:
                FAILURES.unlink(missing_ok=True)  # a logout has some of its own
                pasted["screen"] = login.paste(block.text, plan["answers"].get(block.name, ()))
                if FAILURES.exists():
                    raise RuntimeError(f"{FAILURES.read_text()}failed; the screen:\n{pasted['screen']}")
            AFTER_BLOCK.get(block.name, nothing)(acts)
        login.end()
        AFTER_SECTION.get(section, nothing)(acts)


def nothing(acts: dict[str, Any]) -> None:
    """Do what is to be done at most places."""


def main() -> None:
    acts: dict[str, Any] = {"blocks": []}
    try:
        plan = json.loads((SHARED / "plan.json").read_text())
        make_user(plan)
        lay_checkout("old")
        acts["old checkout"] = files_of_checkout()
        paste_page(plan, acts)
    except Exception:
        acts["failed"] = traceback.format_exc()
        acts["journal"] = subprocess.run(
            ["journalctl", "-b", "--no-pager"], capture_output=True, text=True, check=False
        ).stdout[-20_000:]
    (SHARED / "acts.json").write_text(json.dumps(acts, indent=1))


if __name__ == "__main__":
    main()
