# SPDX-License-Identifier: Apache-2.0
"""The two real processes on a site of their own: how long until each is ready, and the most memory each ever held."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2

from edge_gate.core.errors import EdgeGateError
from edge_gate.core.supervise import eye_command
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.tools.bench.frames import walk_up
from edge_gate.wire.status import GateStatus

PATIENCE_S: Final = 30.0
CLI: Final = "from edge_gate.cli import main; main()"

MakeSite = Callable[[Path, dict[str, dict[str, Any]]], Path]
AskStatus = Callable[[Path], GateStatus]


@dataclass(frozen=True, slots=True)
class Process:
    """``ready_s`` from the start of the command to its READY=1; ``peak_mb`` its largest resident set in its whole life
    (VmHWM, megabytes of 10**6 bytes), ``helpers_mb`` that of the processes it started itself."""

    ready_s: float
    peak_mb: float
    helpers_mb: float


@dataclass(frozen=True, slots=True)
class Processes:
    """Both processes, while one person stood in view for the whole time, and what the eye said of its own loop."""

    gate: Process
    eye: Process
    eye_loop_p95_ms: float
    eye_fps: float


def measure_processes(make_site: MakeSite, ask_status: AskStatus, watch_s: float, pictures: int = 30) -> Processes:
    """Start the gate and then the eye, as systemd would, with a person in view for ``watch_s`` seconds.

    The relay is a simulated board on a pseudo-terminal; the camera replays pictures of a person who does not exist
    from a temporary folder. Raises ExtraMissing('demo'), or EdgeGateError with what a process said before it died.
    """
    with tempfile.TemporaryDirectory(prefix="edge-gate-bench-") as folder, BoardSimulator("lcus1") as board:
        film = Path(folder) / "film"
        film.mkdir()
        for k, frame in enumerate(walk_up(pictures)):
            cv2.imwrite(str(film / f"{k:03}.jpg"), frame)
        camera = {"driver": "replay", "source": f"loop:{film}"}
        site = make_site(Path(folder) / "site", {"camera": camera, "door": {"relay": "lcus1", "port": board.path}})
        with (
            _started([sys.executable, "-P", "-c", CLI, "run", "--config", str(site)]) as (gate, gate_ready_s),
            _started(eye_command(site)) as (eye, eye_ready_s),
        ):
            time.sleep(watch_s)
            loop_p95_ms, fps = _pace(ask_status, site)
            both = (_process(gate.pid, gate_ready_s), _process(eye.pid, eye_ready_s))
            return Processes(*both, loop_p95_ms, fps)


def _pace(ask_status: AskStatus, site: Path) -> tuple[float, float]:
    """Return the eye's loop (p95, ms) and its pictures a second, once somebody is in view.

    An eye that sees nobody is small and fast.
    """
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        status = ask_status(site)
        if status.approach is not None and status.eye.fps and status.eye.loop_p95_ms is not None:
            return status.eye.loop_p95_ms, status.eye.fps
        time.sleep(0.1)
    raise EdgeGateError("The eye saw nobody in the pictures it was shown: its memory cannot be measured.")


@contextmanager
def _started(command: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """Start a command, yield it and the seconds until it sent READY=1 (sd_notify(3)), and end it afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="edge-gate-notify-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
        tempfile.TemporaryFile() as log,
    ):
        address = str(Path(folder) / "notify")
        notify.bind(address)
        notify.settimeout(0.2)
        began = time.monotonic()
        environment = {**os.environ, "NOTIFY_SOCKET": address}
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603
        try:
            while not _is_ready(notify):
                if process.poll() is not None or time.monotonic() - began > PATIENCE_S:
                    log.seek(0)
                    said = log.read().decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
                    raise EdgeGateError(f"`{' '.join(command[1:4])}` did not become ready: {said[0]}")
            ready_s = time.monotonic() - began
            notify.close()  # nobody reads it from here on, and a full queue would stop the sender
            yield process, ready_s
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _is_ready(notify: socket.socket) -> bool:
    try:
        return b"READY=1" in notify.recv(4096).splitlines()
    except TimeoutError:
        return False


def _process(pid: int, ready_s: float) -> Process:
    return Process(ready_s, _peak_mb(pid), sum(map(_peak_mb, _children(pid))))


def _children(pid: int) -> list[int]:
    found = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _words(task / "children")]
    return found + [further for child in found for further in _children(child)]


def _words(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def _peak_mb(pid: int) -> float:
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else 0.0
