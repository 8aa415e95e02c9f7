# SPDX-License-Identifier: Apache-2.0
"""A serial line and the board at its end in time that a test moves: minutes of faults pass in milliseconds.

The boards are those of the simulator. What a line can do to bytes is done here: nothing is taken, answers are lost,
spoilt or late, noise comes unasked, the plug is pulled.
"""

from __future__ import annotations

import enum
import selectors
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from edge_gate.core.errors import RelayMissing
from edge_gate.relays.guard import MARGIN_MS, Armed, PulseGuard
from edge_gate.relays.machine import Machine, Wake
from edge_gate.relays.simulated_boards import LcusBoard, Relays, WaveshareBoard
from tests.support.clocks import HeldClock

MOST_TURNS = 20_000


class Trouble(enum.Enum):
    """What is wrong with the line, until it is mended."""

    NONE = enum.auto()
    DEAF = enum.auto()
    SILENT = enum.auto()
    GARBLED = enum.auto()
    SHORT = enum.auto()
    LATE = enum.auto()
    ECHO = enum.auto()
    ECHO_ALONE = enum.auto()
    LEADING = enum.auto()
    DOUBLED = enum.auto()
    HELD = enum.auto()
    BABBLING = enum.auto()
    UNPLUGGED = enum.auto()


@dataclass
class VirtualWire:
    """The wire, its board and every movement of a relay as (ns, channel, on)."""

    clock: HeldClock
    protocol: str
    channels: int
    trouble: Trouble = Trouble.NONE
    answers_after_ms: int = 5
    late_ms: int = 400
    heard: list[bytes] = field(default_factory=list)
    moves: list[tuple[int, int, bool]] = field(default_factory=list)
    on_heard: Callable[[bytes], None] = lambda _: None
    asked: list[bytes] = field(default_factory=list)
    """Every request as it was begun to be sent, whether the board heard it or not."""
    delivered: list[tuple[int, bytes]] = field(default_factory=list)
    """Every whole answer that reached the port, with the number in ``asked`` of the request that it answers."""

    def __post_init__(self) -> None:
        self.relays = Relays(self.channels, lambda *move: self.moves.append(move))
        self.board = LcusBoard(self.relays) if self.protocol == "lcus1" else WaveshareBoard(self.relays, 1)
        self.arriving: list[tuple[int, bytes, tuple[int, bytes] | None]] = []
        self._sent = b""
        self.listening = False
        self._plug = 0
        self._troubled_ns = 0

    @property
    def plug(self) -> int:
        """Counts the times that the plug was pulled: a port of before is gone for ever."""
        return self._plug

    @property
    def troubled_ns(self) -> int:
        """When the line was last in trouble."""
        return self._troubled_ns if self.trouble is Trouble.NONE else self.clock.at_ns

    def open(self, path: str, _: int) -> VirtualPort:
        """Open the port as SerialPort would."""
        if self.trouble is Trouble.UNPLUGGED:
            raise RelayMissing(path, "No such file or directory")
        self._sent = b""
        self.arrived()  # a closed port keeps nothing
        self.listening = True
        return VirtualPort(self, path)

    def suffer(self, trouble: Trouble) -> None:
        """Be in this trouble from now on."""
        self._troubled_ns = self.troubled_ns
        self.trouble = trouble
        if trouble is Trouble.UNPLUGGED:
            self._plug += 1
            self.arriving.clear()
            if self.board.bus_powered:
                self.relays.lose_power(self.clock.at_ns)

    def take(self, data: bytes) -> int:
        """Carry bytes to the board, and what it answers on its way back."""
        if self.trouble is Trouble.HELD:
            return 0
        taken = data[:5]  # in pieces, as a full buffer would
        if not self._sent:
            self.asked.append(data)
        self._sent = (self._sent + taken) if len(data) > len(taken) else b""
        if self.trouble in (Trouble.ECHO, Trouble.ECHO_ALONE):
            self.arriving.append((self.clock.at_ns, taken, None))
        if self.trouble not in (Trouble.DEAF, Trouble.ECHO_ALONE):
            for request, answer in self.board.hear(self.clock.at_ns, taken):
                self.heard.append(request)
                self.on_heard(request)
                if answer:
                    self._answer(answer)
        return len(taken)

    def arrived(self) -> bytes:
        """Return what has come back by now."""
        now_ns = self.clock.at_ns
        ready = [each for each in self.arriving if each[0] <= now_ns]
        self.arriving = [each for each in self.arriving if each[0] > now_ns]
        self.delivered += [answer for _, _, answer in ready if answer is not None]
        return b"".join(data for _, data, _ in ready)

    def next_ns(self) -> int | None:
        """Return when the next bytes arrive or the next relay moves by itself."""
        times = [at_ns for at_ns, _, _ in self.arriving if self.listening]
        if (moves_ns := self.relays.next_ns()) is not None:
            times.append(moves_ns)
        return min(times, default=None)

    def _answer(self, answer: bytes) -> None:
        after_ms, whole = self.answers_after_ms, answer
        match self.trouble:
            case Trouble.SILENT:
                return
            case Trouble.GARBLED:
                answer = bytes(byte ^ 0x55 for byte in answer)
            case Trouble.SHORT:
                answer = answer[:-3]
            case Trouble.LATE:
                after_ms = self.late_ms
            case Trouble.LEADING:
                answer = b"\x00" + answer
            case Trouble.DOUBLED:
                answer = answer[:2] + answer[1:]
            case Trouble.BABBLING:
                answer = b"\xff" * 70 + answer
        due_ns = self.clock.at_ns + after_ms * 1_000_000
        self.arriving.append((due_ns, answer, (len(self.asked) - 1, answer) if whole in answer else None))


class VirtualPort:
    """One opening of the port; gone for ever once the plug was pulled."""

    def __init__(self, wire: VirtualWire, path: str) -> None:
        self._wire = wire
        self._path = path
        self._plug = wire.plug

    def fileno(self) -> int:
        return -1

    def read(self) -> bytes:
        self._look()
        return self._wire.arrived()

    def write(self, data: bytes) -> int:
        self._look()
        return self._wire.take(data)

    def unsent_bytes(self) -> int:
        self._look()
        return 0

    def discard_input(self) -> None:
        self._look()
        self._wire.arrived()

    def close(self) -> None:
        self._wire.arrived()
        self._wire.listening = False

    def _look(self) -> None:
        if self._plug != self._wire.plug:
            raise RelayMissing(self._path, "Input/output error")


def pass_time(wire: VirtualWire, machine: Machine, ms: float, check: Callable[[], None]) -> None:
    """Let time pass as a loop would see it: the machine is turned when it is due and when bytes arrive."""
    clock = wire.clock
    until_ns = clock.at_ns + int(ms * 1e6)
    for _ in range(MOST_TURNS):
        times = [each for each in (machine.due_ns, wire.next_ns()) if each is not None]
        clock.at_ns = max(clock.at_ns, min([until_ns, *times]))
        wire.relays.expire(clock.at_ns)
        machine.tick()
        wire.arrived()  # an open port was read in the tick; a closed one loses what comes
        check()
        if clock.at_ns >= until_ns and (machine.due_ns is None or machine.due_ns > until_ns):
            return
    raise AssertionError("the machine is due again and again and does nothing")


class VirtualGuard(PulseGuard):
    """A guard whose child lives in the wire's time: it answers late, fires when it must, and rests then."""

    def __init__(self, wire: VirtualWire, off_frames: Iterable[bytes], answers_after_ms: int = 1) -> None:
        self.armed_ns: int | None = None
        self.answers_after_ms = answers_after_ms
        self._wire = wire
        self._frames = list(off_frames)
        self._awaited: deque[tuple[int, Armed]] = deque()

    @property
    def pid(self) -> int:
        return 0

    @property
    def watching(self) -> bool:
        return True

    @property
    def busy(self) -> bool:
        return bool(self._awaited)

    @property
    def due_ns(self) -> int | None:
        return self._awaited[0][0] if self._awaited else None

    def arm(self, deadline_ns: int, done: Armed) -> None:
        self.armed_ns = deadline_ns
        self._awaited.append((self._wire.clock.at_ns + self.answers_after_ms * 1_000_000, done))

    def watch_until(self, deadline_ns: int) -> None:
        self.armed_ns = deadline_ns

    def disarm(self) -> None:
        self.armed_ns = None

    def tick(self) -> None:
        """Hand over the answers that have come; the child itself acts without the gate (`live`)."""
        while self._awaited and self._awaited[0][0] <= self._wire.clock.at_ns:
            self._awaited.popleft()[1](None)

    def live(self) -> None:
        """Do what the child does by itself: switch off behind its deadline, once, and rest."""
        if self.armed_ns is not None and self._wire.clock.at_ns >= self.armed_ns + MARGIN_MS * 1_000_000:
            self.armed_ns = None
            for frame in self._frames:
                self._wire.take(frame)

    def attach(self, selector: selectors.BaseSelector, wake: Wake) -> None:
        """There is no descriptor."""

    def detach(self) -> None:
        """There is no descriptor."""

    def close(self) -> None:
        """There is no child."""
