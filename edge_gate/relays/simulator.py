# SPDX-License-Identifier: Apache-2.0
"""A relay board on a pseudo-terminal: for tests, for the demo, and for trying a site's configuration at a desk.

The gate opens `BoardSimulator.path` like any serial port. The simulator obeys as the board would, remembers what its
relays did and when, and can be given every fault that a serial line is known for.
"""

from __future__ import annotations

import enum
import os
import select
import tempfile
import termios
import threading
import tty
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from edge_gate.core.clock import Clock, SystemClock
from edge_gate.core.errors import UnknownDriver
from edge_gate.relays.simulated_boards import Board, LcusBoard, Relays, WaveshareBoard


@dataclass(frozen=True, slots=True)
class Change:
    """One movement of one relay; ``at_ns`` is the clock's monotonic time, ``channel`` counts from 1."""

    at_ns: int
    channel: int
    on: bool


class Fault(enum.Enum):
    """What can be wrong with a board or its line while the port stays there."""

    NONE = enum.auto()
    DEAF = enum.auto()
    """No power, or the wires are crossed: nothing is heard, nothing answered."""
    SILENT = enum.auto()
    """It obeys, but its answers are lost."""
    GARBLED = enum.auto()
    """It obeys; its answers arrive with flipped bits."""
    WRONG_ANSWER = enum.auto()
    """It obeys; its answers are well formed, and about something else."""
    CUT_SHORT = enum.auto()
    """It obeys; the last bytes of its answers are lost."""
    LOSES_BYTES = enum.auto()
    """The first byte of everything that is sent to it is lost."""
    REFUSES = enum.auto()
    """It does not obey and says so (Modbus exception 4; an LCUS board says nothing)."""
    ECHO = enum.auto()
    """There is no board, only an adapter that returns what it is sent."""
    LINE_ECHO = enum.auto()
    """The line returns what is sent on it, and the board answers as well: two wires, with the receiver left on."""
    LEADING_BYTE = enum.auto()
    """A byte that nobody sent comes before each answer: the line is not biased."""
    DOUBLED_BYTE = enum.auto()
    """A byte within each answer comes twice."""
    LATE = enum.auto()
    """It obeys at once, and answers `BoardSimulator.late_ms` later."""
    HELD = enum.auto()
    """The line takes no bytes, as with a flow control that is never released."""


class BoardSimulator:
    """One board behind one port, in a thread of its own. Use as a context manager, or `close` it.

    ``protocol`` is the name under edge_gate.relays; ``on_change`` is called, in the simulator's thread, for every
    movement of a relay. `path` stays the same over `unplug` and `plug_in`, as a udev name does.
    """

    def __init__(
        self,
        protocol: str,
        channels: int = 1,
        address: int = 1,
        on_change: Callable[[Change], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.heard: list[bytes] = []
        """Every well-formed request that reached the board and was obeyed, since the start."""
        self.late_ms = 330
        """How late an answer comes with Fault.LATE."""
        self._delayed: list[tuple[int, bytes]] = []
        self._clock = clock or SystemClock()
        self._on_change = on_change
        self._history: list[Change] = []
        self._changed = threading.Condition(threading.RLock())
        self._relays = Relays(channels, self._moved)
        self._board = _board(protocol, self._relays, address)
        self._fault = Fault.NONE
        self._fault_left: int | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="edge-gate-relay-")
        self._link = Path(self._folder.name) / "relay"
        self._ends: tuple[int, int] | None = None
        self._polled: tuple[int, int] | None = None
        self._wake_r, self._wake_w = os.pipe()
        self._running = True
        self.plug_in()
        self._thread = threading.Thread(target=self._run, name="relay-simulator", daemon=True)
        self._thread.start()

    @property
    def path(self) -> str:
        """What to give as ``door.port``."""
        return str(self._link)

    @property
    def history(self) -> tuple[Change, ...]:
        """Every movement of a relay since the start, in order."""
        with self._changed:
            return tuple(self._history)

    @property
    def relays(self) -> tuple[bool, ...]:
        """Whether each relay is on, channel 1 first."""
        with self._changed:
            return tuple(self._relays.on)

    def is_on(self, channel: int) -> bool:
        """Tell whether one relay is on."""
        return self.relays[channel - 1]

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until the condition holds, looking whenever something was heard or moved; False when time is up."""
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)

    def wait_for(self, channel: int, on: bool, timeout_s: float = 5.0) -> bool:
        """Wait until a relay is in this state; False when time is up."""
        return self.wait_until(lambda: self._relays.on[channel - 1] == on, timeout_s)

    def fail(self, fault: Fault, times: int | None = None) -> None:
        """Have this fault from now on, or for so many messages; Fault.NONE mends everything."""
        with self._changed:
            if self._ends:
                termios.tcflow(self._ends[1], termios.TCOOFF if fault is Fault.HELD else termios.TCOON)
            self._fault, self._fault_left = fault, times

    def unplug(self) -> None:
        """Take the port away, name and all. A board that lives on USB power drops its relays."""
        with self._changed:
            if self._ends is None:
                return
            ends, self._ends = self._ends, None
            self._link.unlink(missing_ok=True)
            self._wake()
            # The other end only hangs up when nobody polls this one any more.
            if threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: self._polled is not ends)
            for end in ends:
                os.close(end)
            if self._board.bus_powered:
                self._relays.lose_power(self._clock.monotonic_ns())
            self._changed.notify_all()

    def plug_in(self) -> None:
        """Bring the port back under the same name."""
        with self._changed:
            if self._ends is not None:
                return
            master, slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            self._ends = (master, slave)
            self._link.symlink_to(os.ttyname(slave))
            self.fail(self._fault, self._fault_left)
        self._wake()

    def close(self) -> None:
        """End the thread and take the port away."""
        self._running = False
        self._wake()
        self._thread.join()
        self.unplug()
        os.close(self._wake_r)
        os.close(self._wake_w)
        self._folder.cleanup()

    def __enter__(self) -> BoardSimulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _moved(self, at_ns: int, channel: int, on: bool) -> None:
        change = Change(at_ns, channel, on)
        self._history.append(change)
        self._changed.notify_all()
        if self._on_change:
            self._on_change(change)

    def _wake(self) -> None:
        os.write(self._wake_w, b"x")

    def _run(self) -> None:
        while self._running:
            with self._changed:
                now_ns = self._clock.monotonic_ns()
                self._relays.expire(now_ns)
                self._send_delayed(now_ns)
                due = (self._relays.next_ns(), *(at_ns for at_ns, _ in self._delayed))
                next_ns = min((each for each in due if each is not None), default=None)
                ends = self._polled = self._ends
                self._changed.notify_all()
            poller = select.poll()
            poller.register(self._wake_r, select.POLLIN)
            if ends:
                poller.register(ends[0], select.POLLIN)
            ready = poller.poll(None if next_ns is None else max(0, -(-(next_ns - now_ns) // 1_000_000)))
            for descriptor, _ in ready:
                if descriptor == self._wake_r:
                    os.read(self._wake_r, 64)
                else:
                    self._listen()
        self._polled = None

    def _listen(self) -> None:
        with self._changed:
            if not self._ends:
                return
            with suppress(OSError):  # woken for nothing, or nobody reads the answers
                if answer := self._answer(os.read(self._ends[0], 256)):
                    os.write(self._ends[0], answer)
                self._count_down()
            self._changed.notify_all()

    def _send_delayed(self, now_ns: int) -> None:
        ready = b"".join(answer for at_ns, answer in self._delayed if at_ns <= now_ns)
        self._delayed = [each for each in self._delayed if each[0] > now_ns]
        if ready and self._ends:
            with suppress(OSError):  # nobody reads the answers
                os.write(self._ends[0], ready)

    def _count_down(self) -> None:
        if self._fault_left is not None:
            self._fault_left -= 1
            if self._fault_left <= 0:
                self.fail(Fault.NONE)

    def _answer(self, data: bytes) -> bytes:
        if self._fault is Fault.DEAF:
            return b""
        if self._fault is Fault.ECHO:
            return data
        if self._fault is Fault.LOSES_BYTES:
            data = data[1:]
        if self._fault is Fault.REFUSES:
            return self._refusals(data)
        now_ns = self._clock.monotonic_ns()
        heard = self._board.hear(now_ns, data)
        self.heard += [request for request, _ in heard]
        answers = b"".join(self._spoilt(answer) for _, answer in heard if answer)
        if self._fault is Fault.LATE and answers:
            self._delayed.append((now_ns + self.late_ms * 1_000_000, answers))
            return b""
        return data + answers if self._fault is Fault.LINE_ECHO else answers

    def _refusals(self, data: bytes) -> bytes:
        return self._board.refusal(data, 4) if isinstance(self._board, WaveshareBoard) and len(data) > 1 else b""

    def _spoilt(self, answer: bytes) -> bytes:
        match self._fault:
            case Fault.SILENT:
                return b""
            case Fault.GARBLED:
                return bytes(byte ^ 0x55 for byte in answer)
            case Fault.WRONG_ANSWER:
                return self._board.differently(answer)
            case Fault.CUT_SHORT:
                return answer[:-3]
            case Fault.LEADING_BYTE:
                return b"\x00" + answer
            case Fault.DOUBLED_BYTE:
                return answer[:2] + answer[1:]
        return answer


def _board(protocol: str, relays: Relays, address: int) -> Board:
    if protocol == "lcus1":
        return LcusBoard(relays)
    if protocol == "modbus-waveshare":
        return WaveshareBoard(relays, address)
    raise UnknownDriver("relay simulator", protocol, "lcus1, modbus-waveshare")
