# SPDX-License-Identifier: Apache-2.0
"""A trial at a desk, as the README has it: a film of somebody who does not exist stands in for the camera."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge_gate.relays.simulator import BoardSimulator
from tests.support import installer_page, walks
from tests.support.commands import standing_in

FPS = 15
PATIENCE_S = 120.0  # for a busy machine; whatever is waited for takes seconds at most
EDGE_GATE = [sys.executable, "-m", "edge_gate.cli"]


@pytest.fixture(scope="module")
def film() -> Iterator[Path]:
    """Somebody stands at the gate, leaves, and walks up again behind a mask. Below /dev it would pass for a device."""
    with tempfile.TemporaryDirectory(prefix="eg-") as folder:
        path = Path(folder) / "film.avi"
        record(path)
        yield path


def record(path: Path) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (640, 480))
    for picture in walks.film("P001", FPS):
        writer.write(picture)
    writer.release()


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    return disk_path


def until(condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.2)
    return value


@pytest.mark.timeout(600)
def test_a_site_is_made_run_and_used_with_nothing_but_the_command_line(
    tmp_path: Path, film: Path, board: BoardSimulator
) -> None:
    environment = standing_in(tmp_path)

    def edge_gate(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*EDGE_GATE, *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=90, check=False, cwd=tmp_path, env=environment
        )

    def status() -> dict[str, Any]:
        shown = edge_gate("status", "--json").stdout
        return json.loads(shown) if shown else {"faults": ["not running"]}

    assert edge_gate("init", "--camera", f"loop:{film}", "--port", board.path).returncode == 0
    serve = [*EDGE_GATE, "run", "--with-eye"]
    served = subprocess.Popen(serve, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    try:
        until(lambda: not status()["faults"] and status()["eye"]["camera"] == "working")
        findings = json.loads(edge_gate("doctor", "--json").stdout)
        assert findings["faults"] == 0, findings
        enrolled = edge_gate("enrol", "Somebody", "--consent", "nobody: this person does not exist")
        assert enrolled.returncode == 0, enrolled.stderr
        assert board.wait_until(lambda: any(change.on for change in board.history), PATIENCE_S)

        os.kill(status()["processes"]["eye"], signal.SIGKILL)
        until(lambda: status()["faults"])
        until(lambda: not status()["faults"])
        before = len(board.history)
        assert board.wait_until(lambda: len(board.history) > before, PATIENCE_S)
    finally:
        served.send_signal(signal.SIGTERM)
        assert served.wait(20) == 0
    assert not board.is_on(1)


@pytest.fixture
def home(disk_path: Path, film: Path) -> Path:
    """A home folder with the film as pictures, and with a link to one that lies elsewhere."""
    pictures = disk_path / "gate-pictures"
    pictures.mkdir()
    played = cv2.VideoCapture(str(film))
    for number in itertools.count():
        more, picture = played.read()
        if not more:
            break
        cv2.imwrite(str(pictures / f"{number:04}.jpg"), picture)
    elsewhere = disk_path / "elsewhere.jpg"
    (pictures / "0000.jpg").rename(elsewhere)
    (pictures / "0000.jpg").symlink_to(elsewhere)
    return disk_path


@contextmanager
def typed(block: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    """Type a block at a shell, and Ctrl-C at the end."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shell = subprocess.Popen(
        ["bash", "-c", block], cwd=home, env={**standing_in(home), "HOME": str(home), "PATH": path},
        start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield shell
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGINT)
        shell.communicate(timeout=30)


@pytest.mark.processes
@pytest.mark.timeout(600)
def test_the_guide_lets_a_site_be_tried_without_hardware(home: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "maintainer.md").read_text(encoding="utf-8")
    blocks = [each.text for each in installer_page.read(guide) if each.section == "Try it without hardware"]
    be_the_board, run_a_site, enrol = blocks

    def status() -> dict[str, Any]:
        with typed("edge-gate status --json", home) as asked:
            shown = asked.communicate(timeout=90)[0]
        return json.loads(shown) if shown else {"faults": ["not running"]}

    with typed(be_the_board, home) as board, typed(run_a_site, home) as site:
        assert board.stdout and site.stdin and site.stderr
        site.stdin.write(board.stdout.readline())
        site.stdin.flush()
        refused = next(line for line in site.stderr if "0000.jpg" in line)
        assert "Permission denied" in refused
        reading = threading.Thread(target=site.stderr.read, daemon=True)
        reading.start()
        until(lambda: not status()["faults"] and status()["eye"]["camera"] == "working")
        with typed(enrol, home) as enrolled:
            said = enrolled.communicate(timeout=PATIENCE_S)
        assert enrolled.returncode == 0, said
        on, off = board.stdout.readline(), board.stdout.readline()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d relay 1 on\n", on)
    assert re.search(r" relay 1 off after [0-9]+ ms\n$", off)
    assert board.returncode == site.returncode == 0


@pytest.mark.processes
def test_the_live_demo_asks_first_and_then_knows_whoever_agreed(film: Path) -> None:
    command = [*EDGE_GATE, "demo", "--camera", f"loop:{film}"]
    refused = subprocess.run(command, input="n\n", capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1 and "enrolled" not in refused.stdout.lower()

    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    live = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    assert live.stdin and live.stdout
    live.stdin.write("y\n")
    live.stdin.flush()
    said, interrupted = [], False
    for line in live.stdout:
        said.append(line)
        if line.startswith("opened You") and not interrupted:
            interrupted = True
            live.send_signal(signal.SIGINT)
    live.stdin.close()
    live.stdout.close()
    assert live.wait(30) == 0, said
    assert said[-1] == "The template is erased.\n"
