# SPDX-License-Identifier: Apache-2.0
"""The gate's end of the control socket: one JSON object a line, from a caller whom the kernel names.

A request is ``{"verb": "...", ...}``; the answer is any number of ``{"progress": ...}`` lines and then one ``{"ok":
...}`` or ``{"error": {...}}``. Who may call, and what they may ask for, is judged by roles.py and oversight.py.
"""

from __future__ import annotations

import json
import logging
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edge_gate.errors import EdgeGateError, WireError
from edge_gate.gate.link import listen, peer
from edge_gate.gate.roles import user_name

MOST_BYTES: Final = 16_384
MOST_CALLERS: Final = 8
MOST_WAITING_BYTES: Final = 262_144
_log = logging.getLogger(__name__)


def failure(error: EdgeGateError) -> dict[str, Any]:
    """Return an error in the form in which the CLI gets it."""
    return {"error": {"kind": type(error).__name__, "message": str(error), "exit_code": error.exit_code}}


@dataclass(slots=True, eq=False)
class Caller:
    """One connection: what it sent so far, what it has still to be sent, and who it is."""

    connection: socket.socket
    uid: int
    gid: int
    operator: str
    received: bytearray = field(default_factory=bytearray)
    to_send: bytearray = field(default_factory=bytearray)
    gone: bool = False

    def answer(self, message: dict[str, Any]) -> None:
        """Queue one line for the caller; one who does not read is cut off rather than waited for."""
        if self.gone:
            return
        self.to_send += json.dumps(message, ensure_ascii=False).encode() + b"\n"
        if len(self.to_send) > MOST_WAITING_BYTES:
            self.gone = True
        self.flush()

    def flush(self) -> None:
        """Send what the caller takes now."""
        try:
            while self.to_send and not self.gone:
                del self.to_send[: self.connection.send(self.to_send)]
        except BlockingIOError:
            return
        except OSError:
            self.gone = True


Handler = Callable[[Caller, dict[str, Any]], None]
Judge = Callable[[int, int], None]


class ControlServer:
    """Listens, names the caller, cuts the stream into requests and hands each to ``handle``.

    ``judge(uid, gid)`` raises for who may not call at all.
    """

    def __init__(self, path: Path, judge: Judge, selector: selectors.BaseSelector, handle: Handler) -> None:
        self._judge = judge
        self._selector = selector
        self._handle = handle
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
        """Send what is waiting and forget who is gone; called once in each turn of the gate's loop."""
        for caller in list(self._callers.values()):
            caller.flush()
            if caller.gone:
                self._hang_up(caller)

    def _accept(self) -> None:
        connection, _ = self.server.accept()
        _, uid, gid = peer(connection)
        caller = Caller(connection, uid, gid, user_name(uid))
        connection.setblocking(False)
        try:
            self._judge(uid, gid)
            if len(self._callers) >= MOST_CALLERS:
                raise WireError("control", f"{MOST_CALLERS} callers are being served; try again")
        except EdgeGateError as error:
            caller.answer(failure(error))
            connection.close()
            return
        self._callers[connection] = caller
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._read(caller))

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
        while b"\n" in caller.received and not caller.gone:
            line, _, rest = bytes(caller.received).partition(b"\n")
            caller.received[:] = rest
            self._request(caller, line)
        if len(caller.received) > MOST_BYTES:
            caller.answer(failure(WireError("control", f"a request of more than {MOST_BYTES} bytes")))
            self._hang_up(caller)

    def _request(self, caller: Caller, line: bytes) -> None:
        try:
            request = json.loads(line)
            if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
                raise WireError("control", "a request is an object with a verb")
            self._handle(caller, request)
        except EdgeGateError as error:
            caller.answer(failure(error))
        except (ValueError, RecursionError) as error:
            caller.answer(failure(WireError("control", f"not a request: {error}")))

    def _hang_up(self, caller: Caller) -> None:
        caller.gone = True
        if self._callers.pop(caller.connection, None) is not None:
            self._selector.unregister(caller.connection)
            caller.connection.close()
