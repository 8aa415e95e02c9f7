# SPDX-License-Identifier: Apache-2.0
"""The gate's end of the control socket: one JSON object a line, from a caller whom the kernel names.

A request is ``{"verb": "...", ...}``; the answer is any number of ``{"progress": ...}`` lines and then one ``{"ok":
...}`` or ``{"error": {...}}``. Who may call: root, the gate's own user, and members of the operators' group.
"""

from __future__ import annotations

import grp
import json
import logging
import os
import pwd
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edge_gate.errors import EdgeGateError, NotAllowed, WireError
from edge_gate.gate.link import listen, peer

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


class ControlServer:
    """Listens, names the caller, cuts the stream into requests and hands each to ``handle``."""

    def __init__(self, path: Path, operators: str, selector: selectors.BaseSelector, handle: Handler) -> None:
        self._operators = operators
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
        caller = Caller(connection, operator_name(uid))
        connection.setblocking(False)
        if not may_call(uid, gid, self._operators):
            caller.answer(failure(NotAllowed(caller.operator, f"Ask to be added to the group {self._operators!r}.")))
        elif len(self._callers) >= MOST_CALLERS:
            caller.answer(failure(WireError("control", f"{MOST_CALLERS} callers are being served; try again")))
        else:
            self._callers[connection] = caller
            self._selector.register(connection, selectors.EVENT_READ, lambda: self._read(caller))
            return
        connection.close()

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


def may_call(uid: int, gid: int, operators: str) -> bool:
    """Tell whether a user may use the control socket: root, the gate's own user, and members of the group."""
    if uid in (0, os.getuid()):
        return True
    try:
        group = grp.getgrnam(operators)
    except KeyError:
        return False
    return gid == group.gr_gid or operator_name(uid) in group.gr_mem


def operator_name(uid: int) -> str:
    """Return the login name of a user, or ``uid 1234`` where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
