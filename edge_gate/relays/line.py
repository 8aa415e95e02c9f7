# SPDX-License-Identifier: Apache-2.0
"""The serial line as a state machine: opening, gaps, timeouts, checking, repeating, written once for every protocol.

::

    IDLE ──▶ GAP ──▶ SENDING ──▶ DRAINING ──▶ LISTENING
     ▲        ▲  silence kept     the bytes left     │ an answer, or the time is up
     │        └──── the next exchange, or once more ─┤
     └──────────────────── the job is done ──────────┘

A question is asked only while no older one could be answered by the same bytes (answers.py): after a missing answer the
line keeps so long a silence, LATE_MS beyond the reply time. What switches off goes out before that silence, unheard,
and is asked again after it. The port is looked at in each call, also at rest: `report_to` tells that it is gone.

No call waits. What could not be sent is thrown away, never left in a buffer where it might open the door minutes later,
with nobody there to close it.
"""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Callable
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import Busy, RelayError, RelayGarbled
from edge_gate.relays.framing import Exchange, hex_spaced
from edge_gate.relays.hearing import Hearing
from edge_gate.relays.jobs import Attempt, Done, Job, Permit, Stage
from edge_gate.relays.machine import Wake, Watch
from edge_gate.relays.port import Port, SerialPort

REPLY_TIMEOUT_MS: Final = 250
"""Beyond the time that the bytes need on the line; boards answer within a few tens of ms."""
LATE_MS: Final = 2000
"""How long after its time an answer may still come."""
MOST_WAITING: Final = 8
"""Jobs that may wait at once; what switches off always finds a place."""

_BITS_PER_BYTE: Final = 10
_LONGEST_BYTES: Final = 64
"""No request and answer together are longer."""
_GAP_CHARACTERS: Final = 4
"""RTU frames are 3.5 characters of silence apart ("MODBUS over Serial Line" V1.02, 2.5.1.1)."""
_GAP_LEAST_MS: Final = 10.0
_DRAIN_STEP_NS: Final = 1_000_000
_LATE_FACTOR: Final = 8


class SerialLine:
    """One board's line, opened when it is first needed, and a bounded queue of what is to be said on it.

    ``on_open`` is exchanged after every opening before anything else; where that fails, or the line's echo is in doubt,
    it comes first again. A repeatable request whose answer was missing or wrong is sent once more; anything
    else is sent once, whatever comes of it. ``late_ms`` is how long after its time an answer may still come; without it
    LATE_MS, or less for a reply time that is short. The line is neither thread-safe nor meant to be shared.
    """

    def __init__(
        self,
        path: str,
        baud: int,
        clock: Clock,
        on_open: tuple[Exchange, ...] = (),
        reply_timeout_ms: int = REPLY_TIMEOUT_MS,
        open_port: Callable[[str, int], Port] = SerialPort,
        late_ms: int | None = None,
    ) -> None:
        self.path = path
        self._open_port = open_port
        self._baud = baud
        self._clock = clock
        self._on_open = on_open
        self._reply_timeout_ms = reply_timeout_ms
        late_ms = min(LATE_MS, _LATE_FACTOR * reply_timeout_ms) if late_ms is None else late_ms
        self._hearing = Hearing(path, reply_timeout_ms, late_ms * 1_000_000)
        self._report: Callable[[RelayError], None] = lambda _: None
        self._port: Port | None = None
        self._watch = Watch()
        self._waiting: deque[Job] = deque()
        self._job: Job | None = None
        self._attempt: Attempt | None = None
        self._stage = Stage.IDLE
        self._greeted = False
        self._quiet_until_ns = 0
        self._look_ns = 0
        self._give_up_ns = 0
        self._ticking = False

    @property
    def busy(self) -> bool:
        """Whether a job is under way or waits."""
        return self._job is not None or bool(self._waiting)

    @property
    def due_ns(self) -> int | None:
        """When `tick` has something to do (CLOCK_MONOTONIC), None while nothing is said."""
        match self._stage:
            case Stage.IDLE:
                return self._clock.monotonic_ns() if self._waiting else None
            case Stage.GAP:
                return self._sends_ns()
            case Stage.DRAINING:
                return min(self._look_ns, self._give_up_ns)
        return self._give_up_ns

    @property
    def device(self) -> int | None:
        """The descriptor of the port, where it is open."""
        return self._port.fileno() if self._port is not None else None

    def report_to(self, report: Callable[[RelayError], None]) -> None:
        """Have it told when the port is lost while nothing is said; a job that is under way is told itself."""
        self._report = report

    def submit(
        self,
        exchanges: tuple[Exchange, ...],
        done: Done,
        *,
        ahead: bool = False,
        patience_ms: int | None = None,
        permit: Permit | None = None,
    ) -> Job:
        """Queue exchanges; ``done`` is called once, by a later `tick`, when the last was answered or one failed.

        Without exchanges the job only opens the port. ``ahead`` puts the job before all that wait. A job that was not
        begun within ``patience_ms`` is dropped with RelayError. ``permit()`` is asked at the last moment, when the port
        is open and the line is free: what it returns is the error, and nothing is sent. The errors are RelaySilent,
        RelayGarbled and their
        kinds, and RelayMissing and RelayError, after which the next job opens the port. Raises Busy where too much is
        waiting; what goes ahead always finds a place.
        """
        if len(self._waiting) >= MOST_WAITING and not ahead:
            raise Busy(f"Too much on {self.path}")
        late_ns = None if patience_ms is None else self._clock.monotonic_ns() + patience_ms * 1_000_000
        job = Job(deque(exchanges), done, late_ns, permit)
        if ahead:
            self._waiting.appendleft(job)
        else:
            self._waiting.append(job)
        return job

    def take_back(self, job: Job) -> bool:
        """Drop a job of which nothing was begun, without a word to its callback; return whether that was possible."""
        if job not in self._waiting:
            return False
        self._waiting.remove(job)
        return True

    def tick(self) -> None:
        """Do what has become possible or due. A call from within a callback does nothing: the outer one goes on."""
        if self._ticking:
            return
        self._ticking = True
        try:
            while self._advance():
                pass
        finally:
            self._ticking = False

    def attach(self, selector: selectors.BaseSelector, wake: Wake) -> None:
        """Keep the port registered with ``wake`` as its data, over each reopening."""
        self._watch.attach(selector, wake)

    def detach(self) -> None:
        """Take the port back from the selector."""
        self._watch.detach()

    def close(self) -> None:
        """Close the port, throw away what had not been sent, and tell every job that it ended."""
        error = RelayError(self.path, "the port was closed")
        ended = [*([self._job] if self._job else []), *self._waiting]
        self._waiting.clear()
        self._rest()
        self._shut()
        for job in ended:
            job.done(error)

    def _advance(self) -> bool:
        """Take one step; return whether there may be another."""
        try:
            self._receive()
            match self._stage:
                case Stage.IDLE:
                    return self._begin()
                case Stage.GAP:
                    return self._start_sending()
                case Stage.SENDING:
                    return self._send()
                case Stage.DRAINING:
                    return self._drain()
                case Stage.LISTENING:
                    return self._listen()
        except RelayError as error:
            idle = self._job is None
            self._expect_sent()
            self._shut()
            self._conclude(error)
            if idle:
                self._report(error)
            return True

    def _receive(self) -> None:
        """Take what has come, and notice a port that is gone. What comes unasked may be an answer that is late."""
        if self._port is None:
            return
        data, attempt = self._port.read(), self._attempt
        if data and (attempt is None or attempt.ahead or self._stage is Stage.GAP):
            self._hearing.note_stray(data, self._clock.monotonic_ns())
        elif data and attempt:
            self._hearing.note_bytes(attempt, data)

    def _begin(self) -> bool:
        if not self._waiting:
            return False
        job = self._job = self._waiting.popleft()
        job.begun = True
        if job.not_after_ns is not None and self._clock.monotonic_ns() > job.not_after_ns:
            self._conclude(RelayError(self.path, "the line was busy for too long, so nothing was sent"))
            return True
        if self._port is None:
            self._port = self._open_port(self.path, self._baud)
            self._watch.follow(self._port.fileno())
        if not self._greeted:
            job.plan.extendleft(reversed(self._on_open))
            job.opening_left = len(self._on_open)
        self._next(None)
        return True

    def _next(self, reply: bytes | None) -> None:
        """Go on with the job's next exchange, or end it with this reply."""
        job = self._job
        if job is None or not job.plan:
            self._conclude(reply)
            return
        exchange = job.plan.popleft()
        self._attempt = Attempt(exchange, 2 if exchange.repeatable else 1)
        self._stage = Stage.GAP

    def _start_sending(self) -> bool:
        port, attempt = self._parts()
        now_ns, job = self._clock.monotonic_ns(), self._job
        if now_ns < self._quiet_until_ns:
            return False
        if self._hearing.clear_ns(attempt.exchange, now_ns) is not None:
            if attempt.may_go_ahead:
                attempt.ahead = True
                attempt.attempts_left -= 1
            elif job is not None and job.not_after_ns is not None and now_ns >= job.not_after_ns:
                self._give_up(RelayError(self.path, "an older answer was awaited for too long, so nothing was sent"))
                return True
            else:
                return False
        if (refused := self._refusal()) is not None:
            self._give_up(refused)
            return True
        port.discard_input()
        attempt.received.clear()
        attempt.unsent = attempt.exchange.request
        self._give_up_ns = now_ns + self._patience_ns()
        self._stage = Stage.SENDING
        return True

    def _refusal(self) -> RelayError | None:
        """Return why the job's own exchange may not be sent any more; what opens the port always may."""
        job = self._job
        return job.permit() if job is not None and job.permit is not None and not job.opening_left else None

    def _sends_ns(self) -> int:
        """Return when the exchange in the gap can be sent, or is given up."""
        now_ns, job, attempt = self._clock.monotonic_ns(), self._job, self._attempt
        clear_ns = None if attempt is None else self._hearing.clear_ns(attempt.exchange, now_ns)
        if clear_ns is None or attempt is None or attempt.may_go_ahead:
            return self._quiet_until_ns
        late_ns = clear_ns if job is None or job.not_after_ns is None else min(clear_ns, job.not_after_ns)
        return max(self._quiet_until_ns, late_ns)

    def _send(self) -> bool:
        port, attempt = self._parts()
        taken = port.write(attempt.unsent)
        attempt.unsent = attempt.unsent[taken:]
        self._watch.want_write(bool(attempt.unsent))
        if attempt.unsent:
            return taken > 0 or self._still_stuck()
        self._stage, self._look_ns = Stage.DRAINING, self._clock.monotonic_ns()
        return True

    def _drain(self) -> bool:
        """Go on once the bytes have left this machine; never wait for that as tcdrain(3) would."""
        port, attempt = self._parts()
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._look_ns and now_ns < self._give_up_ns:
            return False
        if unsent := port.unsent_bytes():
            self._look_ns = now_ns + max(_DRAIN_STEP_NS, unsent * _BITS_PER_BYTE * 10**9 // self._baud)
            return self._still_stuck()
        attempt.sent_ns = now_ns
        self._give_up_ns = now_ns + self._patience_ns()
        if attempt.ahead:
            attempt.ahead = False
            self._hearing.expect(attempt, self._give_up_ns, unheard=True)
            self._keep_gap(now_ns)
            self._stage = Stage.GAP
        else:
            self._stage = Stage.LISTENING
        return True

    def _listen(self) -> bool:
        _, attempt = self._parts()
        now_ns, exchange = self._clock.monotonic_ns(), attempt.exchange
        answer = self._hearing.find(attempt) if exchange.reply_length else None
        if exchange.reply_length and answer is None and now_ns < self._give_up_ns:
            return False
        self._keep_gap(now_ns)
        attempt.attempts_left -= 1
        if exchange.reply_length and answer is None:
            self._retry(self._hearing.explain(attempt, now_ns, self._give_up_ns))
        elif answer is not None and exchange.reply not in (None, answer):
            self._retry(RelayGarbled(self.path, hex_spaced(answer), hex_spaced(exchange.reply or b"")))
        else:
            self._succeed(answer)
        return True

    def _succeed(self, reply: bytes | None) -> None:
        if self._job:
            self._job.opening_left = max(0, self._job.opening_left - 1)
            self._greeted = not self._job.opening_left
        self._next(reply)

    def _retry(self, error: RelayError) -> None:
        _, attempt = self._parts()
        if attempt.attempts_left:
            self._stage = Stage.GAP
        else:
            self._give_up(error)

    def _give_up(self, error: RelayError) -> None:
        """End the job. The port stays open, so that an answer that is late is still heard."""
        if self._job and (self._job.opening_left or self._hearing.echoes):
            self._greeted = False
            self._hearing.start_anew()
        self._conclude(error)

    def _expect_sent(self) -> None:
        """Note that something of a request went out before the port failed."""
        attempt = self._attempt
        if attempt and self._stage is not Stage.GAP and attempt.unsent != attempt.exchange.request:
            attempt.sent_ns = self._clock.monotonic_ns()
            self._hearing.expect(attempt, attempt.sent_ns + self._patience_ns())

    def _keep_gap(self, now_ns: int) -> None:
        gap_ms = max(_GAP_LEAST_MS, 1000 * _GAP_CHARACTERS * _BITS_PER_BYTE / self._baud)
        self._quiet_until_ns = now_ns + int(gap_ms * 1e6)

    def _still_stuck(self) -> bool:
        """Return False, nothing to be done now. Raises RelayError where the line took nothing for too long."""
        if self._clock.monotonic_ns() >= self._give_up_ns:
            raise RelayError(self.path, "the line does not take bytes; check flow control and the adapter")
        return False

    def _conclude(self, result: bytes | RelayError | None) -> None:
        job = self._job
        self._rest()
        if job is not None:
            job.done(result)

    def _rest(self) -> None:
        self._job = self._attempt = None
        self._stage = Stage.IDLE

    def _shut(self) -> None:
        self._watch.forget()
        self._hearing.start_anew()
        self._greeted = False
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def _parts(self) -> tuple[Port, Attempt]:
        if self._port is None or self._attempt is None:
            raise RelayError(self.path, "the port was closed")
        return self._port, self._attempt

    def _patience_ns(self) -> int:
        return self._reply_timeout_ms * 1_000_000 + _LONGEST_BYTES * _BITS_PER_BYTE * 10**9 // self._baud
