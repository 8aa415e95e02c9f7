# SPDX-License-Identifier: Apache-2.0
"""The gate's end of the control socket: one JSON object a line, from a caller whom the kernel names.

A request is ``{"verb": "...", ...}``; the answer is any number of ``{"progress": ...}`` lines and then one ``{"ok":
...}`` or ``{"error": {...}}``. edge_gate/gate/authorisation judges callers and requests. turns.py says whose request is
next, and when, so that no caller keeps the gate from its door or from other callers.
"""

from __future__ import annotations

import json
import logging
import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from edge_gate.core.access import user_name
from edge_gate.core.clock import Clock
from edge_gate.core.errors import EdgeGateError, WireError
from edge_gate.gate.control.caller import Caller, failure, understand
from edge_gate.gate.control.requests import Handler, Request
from edge_gate.gate.control.turns import Turns
from edge_gate.gate.peers.unix_socket import listen, read_credentials

MOST_BYTES: Final = 16_384
MOST_CALLERS: Final = 16
MOST_OF_ONE_USER: Final = 4
# Who neither finishes a request, nor takes an answer, nor waits for one, gives up the place.
IDLE_NS: Final = 20 * 10**9
_log = logging.getLogger(__name__)


Judge = Callable[[int], None]


class ControlServer:
    """Listens, names the caller, cuts the stream into requests and hands each to ``handle``, one in each turn.

    ``judge(uid)`` raises for who may not call at all.
    """

    def __init__(
        self, path: Path, judge: Judge, selector: selectors.BaseSelector, handle: Handler, clock: Clock
    ) -> None:
        self._judge = judge
        self._selector = selector
        self._handle = handle
        self._clock = clock
        self._turns = Turns()
        self._callers: dict[socket.socket, Caller] = {}
        self.server = listen(path, socket.SOCK_STREAM, 0o660)
        self._selector.register(self.server, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Hang up on everybody and stop listening."""
        for caller in list(self._callers.values()):
            self._hang_up(caller)
        self._selector.unregister(self.server)
        self.server.close()

    def tend(self) -> None:
        """Serve one request, send what is waiting, forget who is gone; called once in each turn of the gate's loop."""
        now = self._clock.monotonic_ns()
        if caller := self._next(now):
            line, _, rest = bytes(caller.received).partition(b"\n")
            caller.received[:] = rest
            caller.awaited += 1
            self._request(caller, line)
            caller.served_ns = self._clock.monotonic_ns()
            self._turns.took(caller.uid, now, caller.served_ns)
        for each in list(self._callers.values()):
            if each.flush() or each.awaited > 0 or each.waiting or each is caller:
                each.heard_ns = now
            if each.gone or now - each.heard_ns > IDLE_NS:
                self._hang_up(each)
            else:
                self._listen_to(each, not each.waiting and not each.to_send)

    def patience_s(self) -> float | None:
        """Return in how many seconds a request that has come may be served; None while there is none."""
        if not any(each.waiting for each in self._callers.values()):
            return None
        return max(0, self._turns.next_ns - self._clock.monotonic_ns()) / 1e9

    def _next(self, now: int) -> Caller | None:
        if now < self._turns.next_ns:
            return None
        waiting = [each for each in self._callers.values() if each.waiting]
        return min(waiting, key=lambda each: (self._turns.last_ns(each.uid), each.served_ns), default=None)

    def _accept(self) -> None:
        """Let in who is waiting, so many in one turn: who hangs up at once and calls again keeps nobody out."""
        with suppress(BlockingIOError):
            for _ in range(MOST_CALLERS):
                self._receive(self.server.accept()[0])

    def _receive(self, connection: socket.socket) -> None:
        _, uid = read_credentials(connection)
        caller = Caller(connection, uid, user_name(uid), heard_ns=self._clock.monotonic_ns())
        connection.setblocking(False)
        try:
            self._judge(uid)
            self._find_room(uid)
        except EdgeGateError as error:
            caller.answer(failure(error))
            connection.close()
            return
        self._callers[connection] = caller
        self._listen_to(caller, True)

    def _find_room(self, uid: int) -> None:
        """Raise WireError where this user, or everybody together, has too many connections."""
        if sum(each.uid == uid for each in self._callers.values()) >= MOST_OF_ONE_USER:
            raise WireError("control", f"{MOST_OF_ONE_USER} callers of this user are being served; try again")
        if len(self._callers) >= MOST_CALLERS:
            raise WireError("control", f"{MOST_CALLERS} callers are being served; try again")

    def _read(self, caller: Caller) -> None:
        try:
            data = caller.connection.recv(MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up(caller)
            return
        caller.received += data
        if caller.received.find(b"\n", 0, MOST_BYTES + 1) < 0 and len(caller.received) > MOST_BYTES:
            caller.answer(failure(WireError("control", f"a request of more than {MOST_BYTES} bytes")))
            self._hang_up(caller)

    def _request(self, caller: Caller, line: bytes) -> None:
        try:
            self._handle(_parse(caller, line))
        except Exception as error:  # a handler's own fault must not end the gate for everybody
            caller.answer(failure(understand(error, "a request could not be served")))

    def _listen_to(self, caller: Caller, wanted: bool) -> None:
        if wanted and not caller.reading:
            self._selector.register(caller.connection, selectors.EVENT_READ, lambda: self._read(caller))
        elif caller.reading and not wanted:
            self._selector.unregister(caller.connection)
        caller.reading = wanted

    def _hang_up(self, caller: Caller) -> None:
        caller.gone = True
        if self._callers.pop(caller.connection, None) is not None:
            self._listen_to(caller, False)
            caller.connection.close()


def _parse(caller: Caller, line: bytes) -> Request:
    """Return what a line asks for. Raises WireError."""
    if len(line) > MOST_BYTES:
        raise WireError("control", f"a request of more than {MOST_BYTES} bytes")
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError("control", f"not a request: {error}") from error
    if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
        raise WireError("control", "a request is an object with a verb")
    return Request(caller, request["verb"], request)
