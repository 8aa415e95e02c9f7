# SPDX-License-Identifier: Apache-2.0
"""A process that is kept running where there is no systemd, and when it is not started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from edge_gate.core.errors import EdgeGateError
from edge_gate.core.exit_codes import ExitCode
from edge_gate.core.supervise import BACKOFF_NS, Supervised
from edge_gate.provenance import cards
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.tools.trial import make_site
from edge_gate.wire import client
from tests.support.clocks import HeldClock
from tests.support.peers import RawEye, until


@pytest.mark.parametrize(("code", "starts"), [(0, 5), (1, 5), (ExitCode.SECOND_EYE, 1)])
def test_a_command_is_started_again_but_not_after_an_end_that_is_final(code: int, starts: int) -> None:
    clock = HeldClock()
    kept = Supervised(["/bin/sh", "-c", f"exit {code}"], clock=clock, final=(ExitCode.SECOND_EYE,))
    for _ in range(5):
        kept.tend()
        until(lambda: kept.pid is None)
        clock.pass_ns(BACKOFF_NS)
    assert kept.starts == starts and kept.done == (starts == 1)


@pytest.mark.processes
def test_beside_another_eye_the_gate_goes_on_and_starts_none_again(disk_path: Path, board: BoardSimulator) -> None:
    """The other eye is there first: it comes as soon as there is a socket, while that of the supervisor still loads."""
    file = make_site(disk_path / "site", {"door": {"relay": "lcus1", "port": board.path}})
    settings = config.load(file)
    log = disk_path / "log"
    command = [sys.executable, "-P", "-m", "edge_gate", "run", "--with-eye", "--config", str(file)]
    with log.open("wb") as stderr:
        both = subprocess.Popen(command, stderr=stderr)
    try:
        model_id = cards.read(settings.models, settings.models.eyes).model_id
        until(settings.sockets.eye.exists, 60)
        other = until(lambda: first_to_join(settings, model_id), 60)

        def told() -> bool:
            other.health()
            time.sleep(0.2)
            return "No eye is started here any more" in log.read_text()

        until(told, 60)
        for _ in range(10):  # longer than the supervisor waits before it starts something again
            told()
        said = log.read_text()
        assert said.count("Another eye serves the gate") == 1 and said.count("No eye is started here") == 1, said
        assert both.poll() is None
    finally:
        both.send_signal(signal.SIGTERM)
        assert both.wait(30) == 0


def first_to_join(settings: config.Config, model_id: bytes) -> RawEye | None:
    try:
        eye = RawEye(settings.sockets.eye, model_id)
        for _ in range(3):
            eye.health()
            time.sleep(0.1)
    except ConnectionRefusedError:  # bound, and not listening yet
        return None
    except OSError:  # the supervisor's own was quicker; until it is started again, this one is
        with suppress(EdgeGateError, ProcessLookupError):
            if (pid := client.status(settings).processes.eye) is not None:
                os.kill(pid, signal.SIGKILL)
        return None
    return eye
