# SPDX-License-Identifier: Apache-2.0
"""How long the door keeps the gate's loop from everything else: while its board answers, is silent, and is gone.

Every kind of board makes its own wait: an answer that does not come, a port that is not there. The door is turned as
the gate turns it, in a selector; what is timed is the door's share of a turn, without the wait in the selector.
"""

from __future__ import annotations

import selectors
import time
from dataclasses import dataclass
from typing import Final

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import EdgeGateError
from edge_gate.gate.door.door import Door
from edge_gate.relays.board import open_board
from edge_gate.relays.simulator import BoardSimulator, Fault
from edge_gate.settings.config import DoorSettings

BOARDS: Final = ("answers", "silent", "gone")
PULSE_MS: Final = 100
BETWEEN_S: Final = 1.0
WAIT_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Turns:
    """The door's turns beside one kind of board: how many, the longest, and how many releases had an outcome."""

    turns: int
    longest_ms: float
    outcomes: int


def measure_turns(watch_s: float) -> dict[str, Turns]:
    """Return the turns beside each kind of board, a Modbus board on a pseudo-terminal, each watched for so long."""
    return {board: _beside(board, watch_s) for board in BOARDS}


def _beside(board: str, watch_s: float) -> Turns:
    clock = SystemClock()
    with BoardSimulator("modbus-waveshare") as simulator, selectors.DefaultSelector() as selector:
        settings = DoorSettings(relay="modbus-waveshare", port=simulator.path, baud=9600)
        door = Door(open_board(settings, clock), settings, clock)
        door.secure()
        door.settle()
        if board == "silent":
            simulator.fail(Fault.SILENT)
        elif board == "gone":
            simulator.unplug()
        door.attach(selector, lambda: None)
        try:
            return _turn(door, clock, selector, watch_s)
        finally:
            door.close()


def _turn(door: Door, clock: SystemClock, selector: selectors.BaseSelector, watch_s: float) -> Turns:
    """Ask for a release each second, and time every turn until the last one has its outcome."""
    told: list[object] = []
    times_ns: list[int] = []
    began_ns = clock.monotonic_ns()
    asked_ns = began_ns - int(BETWEEN_S * 1e9)
    while (now_ns := clock.monotonic_ns()) < began_ns + watch_s * 1e9 or door.releasing:
        due_ns = door.due_ns
        selector.select(WAIT_S if due_ns is None else min(WAIT_S, max(0.0, (due_ns - now_ns) / 1e9)))
        start_ns = time.perf_counter_ns()
        if now_ns - asked_ns >= BETWEEN_S * 1e9 and not door.releasing:
            asked_ns = now_ns
            _release(door, told)
        door.tick()
        times_ns.append(time.perf_counter_ns() - start_ns)
    return Turns(len(times_ns), max(times_ns, default=0) / 1e6, len(told))


def _release(door: Door, told: list[object]) -> None:
    try:
        door.release(PULSE_MS, told.append)
    except EdgeGateError as error:
        told.append(error)
