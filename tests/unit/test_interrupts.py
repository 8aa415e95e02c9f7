# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C at each moment before a command has begun, and after it has ended: nothing is said, and the code is 130."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from edge_gate.core.exit_codes import ExitCode
from edge_gate.core.supervise import eye_command, gate_command
from edge_gate.tools.trial import make_site

# Interrupts itself where one module is looked for; with no name, tells those that are.
PROGRAM: Final = """
import os, signal, sys
program, wanted, *sys.argv[1:] = sys.argv[1:]
import importlib
class Seeker:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            os.kill(os.getpid(), signal.SIGINT)
        if wanted == "-" and name.startswith("edge_gate"):
            print(name, file=sys.stderr)
sys.meta_path.insert(0, Seeker())
import atexit
if wanted == "at the end":
    atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
importlib.import_module(program).main()
"""
# None of these does anything but load, and say that something is not there.
PROGRAMS: Final = {
    "edge_gate.__main__": ("status", "--config", "/nowhere.toml"),
    "edge_gate.eye.__main__": ("--config", "/nowhere.toml"),
    "edge_gate.gate.__main__": ("--config", "/nowhere.toml"),
}
# Loaded by the first line of ours, before which nothing can be done.
FIRST: Final = {
    *("edge_gate", "edge_gate.__main__"),
    *("edge_gate.eye", "edge_gate.eye.__main__", "edge_gate.gate", "edge_gate.gate.__main__"),
}
FIRST_NEEDS: Final = {"edge_gate.core", "edge_gate.core.interrupts"}


def start(
    program: str, wanted: str, handler: str = "", settings: Path | None = None
) -> subprocess.CompletedProcess[str]:
    arguments = PROGRAMS[program] if settings is None else ("--config", str(settings))
    command = [sys.executable, "-c", handler + PROGRAM, program, wanted, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_interrupt_while_anything_is_loaded_ends_the_program_quietly(program: str) -> None:
    told = start(program, "-")
    assert told.returncode == 11, told.stderr
    modules = [each for each in told.stderr.splitlines() if each.startswith("edge_gate.")]
    between = [each for each in dict.fromkeys(modules) if each not in FIRST | FIRST_NEEDS]
    assert len(between) > 20
    for wanted in (*between[::4], *(("click",) if program == "edge_gate.__main__" else ()), "at the end"):
        done = start(program, wanted)
        assert (done.returncode, done.stdout) == (130, ""), (wanted, done)
        assert "Traceback" not in done.stderr and "KeyboardInterrupt" not in done.stderr, (wanted, done.stderr)
        assert not done.stderr.strip() or wanted == "at the end"


@pytest.mark.parametrize(
    ("program", "wanted"),
    [("edge_gate.eye.__main__", "cv2"), ("edge_gate.eye.__main__", "edge_gate.eye.pipeline")]
    + [("edge_gate.gate.__main__", each) for each in ("numpy", "sqlcipher3", "edge_gate.gate.door")],
)
def test_an_interrupt_while_what_is_heavy_is_loaded_ends_the_program_quietly(
    tmp_path: Path, program: str, wanted: str
) -> None:
    done = start(program, wanted, settings=make_site(tmp_path / "site", {}))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_interrupt_that_is_ignored_stays_ignored(program: str) -> None:
    done = start(program, "edge_gate.settings.config", "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n")
    assert done.returncode == 11 and len(done.stderr.splitlines()) == 1, done


def test_no_program_takes_a_module_from_the_folder_where_somebody_stands(tmp_path: Path) -> None:
    """Root may stand in a folder of somebody who has left a module there. The control is Python's own way."""
    trap = "raise SystemExit('a trap')\n"
    for name in ("logging", "click", "cv2", "edge_gate"):
        (tmp_path / f"{name}.py").write_text(trap)

    def started(command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    absent = Path("/nowhere.toml")
    for command in (eye_command(absent), gate_command(absent)):
        assert started(command).returncode == ExitCode.CONFIG_MISSING
        unsafe = [word for word in command if word != "-P"]
        assert "a trap" in started(unsafe).stderr
