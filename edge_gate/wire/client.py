# SPDX-License-Identifier: Apache-2.0
"""How a program asks the running gate something: one JSON line over the control socket, answers line by line."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from edge_gate.core.access import denied
from edge_gate.core.errors import EdgeGateError, GateNotRunning, WireError
from edge_gate.settings.config import Config
from edge_gate.wire.control import LONGEST_ANSWER_BYTES
from edge_gate.wire.status import GateStatus

# Longer than any verb keeps silent: an enrolment for which nobody comes ends after a minute.
PATIENCE_S: Final = 120.0


class GateRefused(EdgeGateError):
    """The gate's own message and exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return str(self.args[0])


def ask(settings: Config, verb: str, **request: Any) -> Any:
    """Ask the running gate one thing and return its answer."""
    answer: Any = None
    for answer in converse(settings, verb, **request):  # noqa: B007 - the last line is the answer
        pass
    return answer


def status(settings: Config) -> GateStatus:
    """Ask the running gate how it is. Raises WireError where the answer is not understood."""
    return GateStatus.read(ask(settings, "status"))


def converse(settings: Config, verb: str, **request: Any) -> Iterator[Any]:
    """Ask the running gate and yield each progress line, then the answer.

    Raises GateNotRunning, AccessDenied, WireError, or GateRefused with the gate's own message and exit code.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        _connect(connection, settings.sockets.control)
        connection.settimeout(PATIENCE_S)
        with suppress(BrokenPipeError):  # a gate that turns a caller away says why before it hangs up
            connection.sendall(json.dumps({"verb": verb, **request}).encode() + b"\n")
        for reply in _replies(connection):
            if "error" in reply:
                raise _refusal(reply["error"])
            if "ok" in reply:
                yield reply["ok"]
                return
            yield reply["progress"]
    raise WireError("control", "the gate hung up without an answer")


def _connect(connection: socket.socket, path: Path) -> None:
    """Connect, in a line with all who call now. Raises AccessDenied, GateNotRunning, or WireError after PATIENCE_S.

    The wait is the kernel's: with a timeout of Python's a line that is full would be an error at once.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(PATIENCE_S), 0))
    try:
        connection.connect(str(path))
    except PermissionError as error:
        raise denied(path) from error
    except BlockingIOError as error:
        raise WireError("control", f"so many call the gate that none was let in for {PATIENCE_S:g} s") from error
    except OSError as error:
        raise GateNotRunning(path) from error


def _refusal(error: Any) -> EdgeGateError:
    match error:
        case {"message": str(message), "exit_code": int(exit_code)}:
            return GateRefused(message, exit_code)
    return WireError("control", "the gate refused, and its reason is not understood")


def _replies(connection: socket.socket) -> Iterator[dict[str, Any]]:
    with connection.makefile("rb") as lines, suppress(ConnectionError):
        while line := _next(lines):
            try:
                reply = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise WireError("control", "the gate's answer is no JSON, or was cut off") from error
            if not isinstance(reply, dict) or not reply.keys() & {"error", "ok", "progress"}:
                raise WireError("control", "the gate's answer is not understood")
            yield reply


def _next(lines: BinaryIO) -> bytes:
    """Return the next line, nothing at the end. Raises WireError where the gate stays silent, or never ends."""
    try:
        line = lines.readline(LONGEST_ANSWER_BYTES + 1)
    except TimeoutError as error:
        raise WireError("control", f"the gate has not answered for {PATIENCE_S:g} s; its log may say why") from error
    if len(line) > LONGEST_ANSWER_BYTES:
        raise WireError("control", f"an answer of more than {LONGEST_ANSWER_BYTES} bytes, which no gate sends")
    return line
