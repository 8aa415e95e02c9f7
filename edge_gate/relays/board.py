# SPDX-License-Identifier: Apache-2.0
"""One relay board as the door sees it: pulses, their certain end, and nothing that could outlast them.

A pulse is opened (the line), watched (the guard, where the host times it), sent, and ended::

    pulse ──▶ the port is open ──▶ the guard watches ──▶ "on" was taken ──▶ "off" at its time
                    │                     │                    │
                    ▼                     └──────────┬─────────┘
              nothing was sent                 all off, at once

The board times a pulse where it can; otherwise the host does, and then a PulseGuard ends it should the host die. Either
way the host follows up with "off" when the pulse ought to be over, so that a board that only pretends to have a timer
is closed as well. An "off" that could not be delivered is tried again until it was.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import Busy, RelayError, RelayGarbled
from edge_gate.relays.framing import Framing, hex_spaced, round_up
from edge_gate.relays.guard import PulseGuard
from edge_gate.relays.guard_start import guard_of
from edge_gate.relays.line import LATE_MS, MOST_WAITING, SerialLine
from edge_gate.relays.loading import load_framing
from edge_gate.relays.machine import SETTLE_S, Wake, settle
from edge_gate.relays.port import SerialPort
from edge_gate.relays.pulses import Confirmation, Pulse, Pulsed, Wish, frame_pulse
from edge_gate.settings.config import DoorSettings

BACKSTOP_MS: Final = 250
"""How long after a board-timed pulse ought to have ended the host switches off all the same."""
RETRY_MS: Final = 500
"""How soon an "off" that could not be delivered is tried again."""
LATEST_MS: Final = 1000
"""A pulse that could not be sent within this time is not sent: nobody stands at the door any more."""


Switched = Callable[[RelayError | None], None]
StatesRead = Callable[[tuple[bool, ...] | RelayError | None], None]


class RelayBoard:
    """What the door uses: state for each channel, pulses on several at once. Not thread-safe.

    A machine (machine.py): no method waits, and every callback comes from a later `tick` or from `close`, once.
    """

    def __init__(self, framing: Framing, line: SerialLine, clock: Clock, guard: PulseGuard | None = None) -> None:
        self._framing = framing
        self._line = line
        self._clock = clock
        self._guard = guard
        self._wishes: list[Wish] = []
        self._pulses: dict[int, Pulse] = {}
        self._clearing: list[Switched] | None = None
        self._report: Callable[[RelayError], None] = lambda _: None
        line.report_to(self._report_loss)

    @property
    def path(self) -> str:
        """The port, as the configuration names it."""
        return self._line.path

    @property
    def guard_pid(self) -> int | None:
        """The process id of the pulse guard; None for a board that times pulses itself."""
        return self._guard.pid if self._guard else None

    @property
    def busy(self) -> bool:
        """Whether something was begun and its callback is still to come; a pulse that merely lasts is at rest."""
        return bool(self._wishes) or self._line.busy or (self._guard is not None and self._guard.busy)

    @property
    def off_due_ns(self) -> int | None:
        """When the next relay is to be switched off; None while every relay is at rest."""
        return min((each.off_due_ns for each in self._pulses.values()), default=None)

    @property
    def due_ns(self) -> int | None:
        """When `tick` has something to do (CLOCK_BOOTTIME), None while every relay is at rest."""
        times = [each.off_due_ns for number, each in self._pulses.items() if not self._on_its_way(number)]
        others = (self._line.due_ns, self._guard.due_ns if self._guard else None)
        return min([*times, *(each for each in others if each is not None)], default=None)

    def report_to(self, report: Callable[[RelayError], None]) -> None:
        """Have every failure to end a pulse told, each time it is tried in vain, and a port that is lost at rest."""
        self._report = report

    def all_off(self, done: Switched) -> None:
        """Switch every relay off, ending any pulse. A pulse that was not sent yet never will be, and fails.

        Told an error, `tick` tries again as long as a relay may be on. Without a pulse this is also how to find out
        whether the board is there.
        """
        self._refuse_waiting(RelayError(self._line.path, "everything was switched off before the pulse was sent"))
        self._clear(done)

    def check_pulse(self, channel: int, pulse_ms: int) -> None:
        """Raise BadPulse where the board cannot give such a pulse."""
        frame_pulse(self._framing, channel, pulse_ms)

    def pulse(self, channel: int, pulse_ms: int, done: Pulsed) -> None:
        """Switch one relay on for ``pulse_ms``, rounded up to the board's step, from the moment that the board took it.

        A pulse during a pulse of the same channel starts its time anew: the last one decides, times never add up.
        Raises BadPulse for what is not possible and Busy where too many pulses wait; then nothing is sent and ``done``
        is not called. ``done`` is told RelayError and its kinds when the board was not reached or did not answer as it
        should; then everything is switched off at once, and the pulse is **not** sent again, because a board whose
        answer was lost would open twice.
        """
        exchange = frame_pulse(self._framing, channel, pulse_ms)
        if len(self._wishes) >= MOST_WAITING:
            raise Busy("Another pulse")
        length_ns = round_up(pulse_ms, self._framing.pulse_step_ms) * 1_000_000
        wish = Wish(channel, exchange, length_ns, done, self._clock.monotonic_ns() + LATEST_MS * 1_000_000)
        wish.job = self._line.submit((), partial(self._opened, wish), patience_ms=LATEST_MS)
        self._wishes.append(wish)

    def read(self, done: StatesRead) -> None:
        """Ask whether each relay is on, channel 1 first; told None for a board that cannot tell. Raises Busy."""
        question = self._framing.read()
        self._line.submit((question,) if question else (), partial(self._decode, done))

    def tick(self) -> None:
        """Do what has become possible, and end the pulses that are due."""
        self._turn()
        now_ns = self._clock.monotonic_ns()
        due = [
            number
            for number, each in self._pulses.items()
            if each.off_due_ns <= now_ns and not self._on_its_way(number)
        ]
        if due:
            self._end(due)
            self._turn()

    def attach(self, selector: selectors.BaseSelector, wake: Wake) -> None:
        """Keep port and guard registered with ``wake`` as their data."""
        self._line.attach(selector, wake)
        if self._guard:
            self._guard.attach(selector, wake)

    def detach(self) -> None:
        """Take port and guard back from the selector."""
        self._line.detach()
        if self._guard:
            self._guard.detach()

    def close(self) -> None:
        """Let go of the port and the guard at once; what waits is told so. Everything was switched off before it.

        A guard that is still armed goes on trying to switch off for some seconds.
        """
        for wish in list(self._wishes):
            self._conclude(wish, RelayError(self._line.path, "the port was closed"))
        self._line.close()
        if self._guard:
            self._guard.close()

    def _turn(self) -> None:
        """The guard's answer may give the line something to say, and the line's may give the guard a request."""
        if self._guard:
            self._guard.tick()
        self._line.tick()

    def _on_its_way(self, channel: int) -> bool:
        """Whether an end is on its way, or a pulse that starts the time anew: "off" may not come after that "on"."""
        if self._clearing is not None or self._pulses[channel].ending:
            return True
        return any(
            wish.channel == channel and wish.switching and wish.job is not None and wish.job.begun
            for wish in self._wishes
        )

    def _opened(self, wish: Wish, result: bytes | RelayError | None) -> None:
        """The port is open, or never was: then nothing was sent, and there is nothing to end."""
        wish.job = None
        if wish not in self._wishes:
            return
        if isinstance(result, RelayError):
            self._conclude(wish, result)
            return
        if self._guard is None:
            self._send(wish, None)
            return
        # However late the answer is heard, the guard must not have fired and rested by the time that "on" is sent.
        wish.watched_ns = wish.late_ns + wish.length_ns
        self._guard.arm(self._guarded_ns() or wish.watched_ns, partial(self._send, wish))

    def _send(self, wish: Wish, error: RelayError | None) -> None:
        if wish not in self._wishes:  # given up meanwhile: the guard must not go on watching for it
            if error is not None:
                self._report(error)
            self._inform_guard()
            return
        if error is not None:
            self._fail(wish, error)
            return
        left_ms = max(0, (wish.late_ns - self._clock.monotonic_ns()) // 1_000_000)
        try:
            wish.job = self._line.submit(
                (wish.exchange,), partial(self._sent, wish), patience_ms=left_ms, permit=partial(self._permit, wish)
            )
            wish.switching = True
        except Busy:
            self._fail(wish, RelayError(self._line.path, "too much is waiting for the line, so nothing was sent"))

    def _permit(self, wish: Wish) -> RelayError | None:
        """Return why a relay may not be switched on any more, asked when its bytes are next on the line."""
        now_ns, guarded_ns = self._clock.monotonic_ns(), self._guarded_ns()
        if self._guard and not self._guard.watching:
            return RelayError(self._line.path, "the pulse guard has gone, so nothing was sent")
        if now_ns > wish.late_ns:
            return RelayError(self._line.path, "the line was busy for too long, so nothing was sent")
        if self._guard and guarded_ns is not None and now_ns >= guarded_ns:
            return RelayError(self._line.path, "the pulse guard's time was over first, so nothing was sent")
        return None

    def _sent(self, wish: Wish, result: bytes | RelayError | None) -> None:
        if wish not in self._wishes:  # the board was closed
            return
        if isinstance(result, RelayError):
            self._fail(wish, result)
            return
        after_ns = wish.length_ns + (BACKSTOP_MS * 1_000_000 if self._framing.board_timed else 0)
        self._pulses[wish.channel] = Pulse(self._clock.monotonic_ns() + after_ns)
        self._conclude(wish, Confirmation.UNCONFIRMED if result is None else Confirmation.CONFIRMED)
        self._inform_guard()

    def _fail(self, wish: Wish, error: RelayError) -> None:
        """End a pulse of which it is not known whether the board obeyed, and with it whatever else waits or is on."""
        self._pulses[wish.channel] = Pulse(self._clock.monotonic_ns())
        self._conclude(wish, error)
        self._refuse_waiting(error)
        self._clear(lambda _: None)

    def _refuse_waiting(self, error: RelayError) -> None:
        for wish in list(self._wishes):
            if not wish.switching or (wish.job is not None and self._line.take_back(wish.job)):
                self._conclude(wish, error)

    def _conclude(self, wish: Wish, result: Confirmation | RelayError) -> None:
        self._wishes.remove(wish)
        wish.done(result)

    def _end(self, channels: list[int]) -> None:
        """Switch these off; where no other is on or wanted, by "all off", which the board may be asked to confirm."""
        if len(channels) == len(self._pulses) and not self._wishes:
            self._clear(self._report_failure)
            return
        for number in channels:
            pulse = self._pulses[number]
            pulse.ending = True
            self._line.submit((self._framing.off(number),), partial(self._ended, number, pulse), ahead=True)

    def _ended(self, channel: int, pulse: Pulse, result: bytes | RelayError | None) -> None:
        pulse.ending = False
        if isinstance(result, RelayError):
            pulse.off_due_ns = self._clock.monotonic_ns() + RETRY_MS * 1_000_000
            self._report(result)
            return
        if self._pulses.get(channel) is pulse:
            del self._pulses[channel]
        self._inform_guard()

    def _clear(self, done: Switched) -> None:
        """Send "all off" before all that waits, unless it is under way: nothing can have come between."""
        if self._clearing is not None:
            self._clearing.append(done)
            return
        self._clearing = [done]
        self._line.submit(self._framing.all_off(), self._cleared, ahead=True)

    def _cleared(self, result: bytes | RelayError | None) -> None:
        error = result if isinstance(result, RelayError) else None
        waiting, self._clearing = self._clearing or [], None
        if error is None:
            self._pulses.clear()
            self._inform_guard()
        for pulse in self._pulses.values():
            pulse.off_due_ns = self._clock.monotonic_ns() + RETRY_MS * 1_000_000
        for done in waiting:
            done(error)

    def _report_loss(self, error: RelayError) -> None:
        self._report(error)

    def _report_failure(self, error: RelayError | None) -> None:
        if error is not None:
            self._report(error)

    def _guarded_ns(self) -> int | None:
        """Return the earliest deadline of all that is on or about to be: none may last longer because another does."""
        ends = [each.off_due_ns for each in self._pulses.values()]
        ends += [each.watched_ns for each in self._wishes if each.watched_ns is not None]
        return min(ends, default=None)

    def _inform_guard(self) -> None:
        if self._guard is None:
            return
        deadline_ns = self._guarded_ns()
        if deadline_ns is None:
            self._guard.disarm()
        else:
            self._guard.watch_until(deadline_ns)

    def _decode(self, done: StatesRead, result: bytes | RelayError | None) -> None:
        if result is None or isinstance(result, RelayError):
            done(result)
            return
        expected = f"the state of {self._framing.channels} relays"
        states = self._framing.decode(result)
        done(RelayGarbled(self._line.path, hex_spaced(result), expected) if states is None else states)


def switch_off(board: RelayBoard, clock: Clock, timeout_s: float = SETTLE_S) -> None:
    """Switch every relay off and wait for it, where no loop runs. Raises RelayError and its kinds."""
    told: list[RelayError | None] = []
    board.all_off(told.append)
    settle(board, clock, timeout_s)
    if not told:
        raise RelayError(board.path, "it could not be switched off in time")
    if told[0] is not None:
        raise told[0]


def open_board(
    settings: DoorSettings, clock: Clock, *, may_pulse: bool = True, environ: Mapping[str, str] = MappingProxyType({})
) -> RelayBoard:
    """Return the board that the configuration names. Nothing is sent yet, and the port may be missing.

    Starts the pulse guard where the host has to time pulses, or calls on the one that ``environ`` names: call it
    before the process starts threads or gives up its right to start programs. Raises UnknownDriver, RelayError where
    the guard cannot be started, and BadPulse where the board cannot give the configured pulse; ``may_pulse=False`` is
    for switching off alone, which needs no pulse.
    """
    framing, rest = load_framing(settings)
    if may_pulse:
        frame_pulse(framing, settings.channel, settings.pulse_ms)
    open_port = partial(SerialPort, raise_dtr=settings.raise_dtr)
    line = SerialLine(settings.port, settings.baud, clock, rest, settings.reply_ms, open_port, LATE_MS)
    guard = None
    if not framing.board_timed:
        off = (each.request for each in rest)
        start = guard_of(settings.port, environ)
        guard = PulseGuard(settings.port, settings.baud, off, clock, device=lambda: line.device, start=start)
    return RelayBoard(framing, line, clock, guard)
