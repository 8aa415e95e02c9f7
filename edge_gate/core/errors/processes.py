# SPDX-License-Identifier: Apache-2.0
"""Of the two processes, the control socket and the command line: 70 to 79."""

from __future__ import annotations

from edge_gate.core.errors.base import EdgeGateError
from edge_gate.core.exit_codes import ExitCode


class WireError(EdgeGateError, ValueError):
    message = "A message on the {0} socket was refused: {1}"
    exit_code = ExitCode.WIRE_ERROR


class GateNotRunning(EdgeGateError, ConnectionError):
    message = (
        "The gate is not running: nothing answers at {0}. Start it: sudo systemctl start edge-gate. At a desk:"
        " `edge-gate run --with-eye`."
    )
    exit_code = ExitCode.GATE_NOT_RUNNING


class GateWaiting(GateNotRunning):
    message = "The gate does not answer yet: {0}. {1}"


class NotAllowed(EdgeGateError, PermissionError):
    message = "{0} may not do this. {1}"
    exit_code = ExitCode.NOT_ALLOWED


class AccessDenied(NotAllowed):
    message = "{0} may not use {1}. Repeat the command with sudo."


class AlreadyRunning(EdgeGateError):
    message = (
        "Another process ({1}) serves {0} already. Stop it first: sudo systemctl stop edge-gate. At a desk: Ctrl-C"
        " where it runs, or `kill` with its number."
    )
    exit_code = ExitCode.ALREADY_RUNNING


class SocketUnusable(EdgeGateError, OSError):
    message = (
        "The socket {0} cannot be made: {1}. Nothing was changed. Correct the path in [sockets] of the configuration,"
        " or move what is in the way."
    )
    exit_code = ExitCode.SOCKET_UNUSABLE


class EyeAbsent(EdgeGateError):
    message = (
        "The eye is not connected, so nobody can be seen. Start it: sudo systemctl start edge-gate-eye. At a desk:"
        " `edge-gate eye`."
    )
    exit_code = ExitCode.EYE_ABSENT


class Paused(EyeAbsent):
    message = "The gate is paused, so nobody is looked at. Let it look again: `edge-gate resume`."


class CameraAtFault(EyeAbsent):
    message = "The camera is at fault, so nobody can be seen: it is {0}. {1}"


class GateStopping(GateNotRunning):
    message = "The gate was stopped meanwhile. {0} goes on at its next start; there is no receipt."


class Busy(EdgeGateError):
    message = "{0} is under way. Try again when it has ended."
    exit_code = ExitCode.BUSY


class CameraLent(Busy):
    message = (
        "The camera was lent to enrolments and field tests for long, and nobody is let in meanwhile. It is the"
        " residents' now. Try again in {0} s."
    )


class PresentationMissing(EdgeGateError):
    message = "Nothing was measured: {0}."
    exit_code = ExitCode.PRESENTATION_MISSING


class NotSealed(EdgeGateError):
    message = (
        'The {0} could not seal itself and does not start: {1}. See docs/maintainer.md, "Sealed"; seal.required ='
        " false lets it start all the same."
    )
    exit_code = ExitCode.NOT_SEALED


class UnknownEventKind(EdgeGateError, LookupError):
    message = "There is no kind of event named {0!r}{1}. There are: {2}."
    exit_code = ExitCode.UNKNOWN_EVENT_KIND


class SecondEye(EdgeGateError):
    message = (
        "Another eye serves the gate at {0} already, so this one ends. If this one is to serve, stop the other first:"
        " sudo systemctl stop edge-gate-eye. At a desk: Ctrl-C where it runs."
    )
    exit_code = ExitCode.SECOND_EYE


class BadDate(WireError):
    message = "{0}."
