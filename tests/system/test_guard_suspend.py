# SPDX-License-Identifier: Apache-2.0
"""The time of a suspend counts for a pulse. A time namespace puts the guard's clock of that kind ahead of the gate's.

Needs root, for the namespace.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_gate.relays import guard_process
from edge_gate.relays.guard_process import ARMING
from edge_gate.relays.lcus import Lcus1
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings.config import DoorSettings

OFF = Lcus1(DoorSettings()).off(1).request
PULSE_NS = 600 * 10**9

pytestmark = pytest.mark.system


@pytest.mark.parametrize(("clock", "ends"), [("--boottime", True), ("--monotonic", False)])
def test_a_pulse_ends_when_its_time_was_slept_through(clock: str, ends: bool) -> None:
    """The control is a clock that stands still in a suspend: it is not the one that counts."""
    if os.getuid() != 0:
        pytest.skip("needs root")
    with BoardSimulator("lcus1") as board:
        gate, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        gate.settimeout(10)
        command = [sys.executable, "-I", "-S", str(Path(guard_process.__file__)), board.path]
        asleep = ["unshare", "--fork", "--kill-child", "--time", clock, "3600"]
        guard = subprocess.Popen([*asleep, *command], stdin=theirs.fileno())
        theirs.close()
        assert gate.recv(64) == b"R"
        due_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + PULSE_NS
        gate.send(ARMING.pack(b"A", due_ns, 115_200) + bytes((len(OFF),)) + OFF)
        assert board.wait_until(lambda: board.heard == [OFF] * 3, 5 if ends else 1) == ends
        guard.kill()
        guard.wait()
        gate.close()
