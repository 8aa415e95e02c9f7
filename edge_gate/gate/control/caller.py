# SPDX-License-Identifier: Apache-2.0
"""One connection at the control socket: what came in, what has still to go out, and which user it is."""

from __future__ import annotations

import json
import logging
import socket
from dataclasses import dataclass, field
from typing import Any

from edge_gate.core.errors import EdgeGateError, InternalFault, WireError
from edge_gate.wire.control import LONGEST_ANSWER_BYTES

_log = logging.getLogger(__name__)


def failure(error: EdgeGateError) -> dict[str, Any]:
    """Return an error in the form in which the CLI gets it."""
    return {"error": {"kind": type(error).__name__, "message": str(error), "exit_code": error.exit_code}}


def understand(error: Exception, what: str) -> EdgeGateError:
    """Return the error where it is one of ours, else a fault of ours; then the log has it whole, as ``what``."""
    if isinstance(error, EdgeGateError):
        return error
    _log.error("%s", what, exc_info=error)
    return InternalFault(f"{type(error).__name__}; the gate's log has the particulars")


@dataclass(slots=True, eq=False)
class Caller:
    """One connection: what it sent so far, what it has still to be sent, and who it is.

    ``awaited`` counts the requests that have had no last answer yet; ``heard_ns`` is when it last got on with
    anything, ``served_ns`` when a request of it was last served; ``reading`` says whether the gate listens to it: not
    while it has a whole request waiting.
    """

    connection: socket.socket
    uid: int
    operator: str
    received: bytearray = field(default_factory=bytearray)
    to_send: bytearray = field(default_factory=bytearray)
    gone: bool = False
    awaited: int = 0
    heard_ns: int = 0
    served_ns: int = 0
    reading: bool = False

    @property
    def waiting(self) -> bool:
        """Whether a whole request has come and there is room for its answer."""
        return not self.gone and not self.to_send and b"\n" in self.received

    def answer(self, message: dict[str, Any]) -> None:
        """Queue one line for the caller; one who does not read is cut off rather than waited for."""
        self.awaited -= "progress" not in message
        if self.gone:
            return
        line = _spell(message)
        if len(line) > LONGEST_ANSWER_BYTES:
            line = _spell(failure(WireError("control", f"the answer has {len(line)} bytes; ask for fewer rows")))
        self.to_send += line
        if len(self.to_send) > LONGEST_ANSWER_BYTES:
            self.gone = True
        self.flush()

    def flush(self) -> bool:
        """Send what the caller takes now; return whether it took anything."""
        before = len(self.to_send)
        try:
            while self.to_send and not self.gone:
                del self.to_send[: self.connection.send(self.to_send)]
        except BlockingIOError:
            pass
        except OSError:
            self.gone = True
        return len(self.to_send) < before


def _spell(message: dict[str, Any]) -> bytes:
    # What came in as half a character pair (JSON can spell it) goes out in the same spelling.
    return json.dumps(message, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
