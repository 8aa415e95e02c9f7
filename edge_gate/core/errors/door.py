# SPDX-License-Identifier: Apache-2.0
"""Of relay and door: 50 to 59."""

from __future__ import annotations

from edge_gate.core.errors.base import EdgeGateError
from edge_gate.core.exit_codes import ExitCode


class RelayError(EdgeGateError):
    message = "The relay on {0} failed: {1}"
    exit_code = ExitCode.RELAY_ERROR


class RelayMissing(RelayError, FileNotFoundError):
    message = "The relay's port {0} is not there: {1}. Check the cable."
    exit_code = ExitCode.RELAY_MISSING


class RelaySilent(RelayError, TimeoutError):
    message = "The relay on {0} did not answer within {1} ms. Check its power, wiring and address."
    exit_code = ExitCode.RELAY_SILENT


class RelayGarbled(RelayError, ValueError):
    message = "The relay on {0} answered {1}, where {2} was expected. Check wiring, termination, baud rate and address."
    exit_code = ExitCode.RELAY_GARBLED


class RelayLate(RelaySilent):
    message = "The relay on {0} answered too late, {1}. Raise door.reply_ms."  # an OSError keeps no third argument


class RelayEchoed(RelayGarbled):
    message = (
        "The relay on {0} answered {1}, where {2} was expected: the line returns what is sent on it, and the board says"
        " nothing. Check the board's power, wiring and address."
    )


class RelayNoisy(RelayGarbled):
    message = (
        "The relay on {0} answered {1}, where {2} was expected: {3}. Check termination, biasing and the length of"
        " the cable."
    )


class BadPulse(EdgeGateError, ValueError):
    message = "A pulse of {0} ms on channel {1} is not possible with {2}: {3}."
    exit_code = ExitCode.BAD_PULSE


class GuardLost(RelayError):
    message = (
        "The pulse guard of {0} has ended, and a sealed gate cannot start another. The gate ends, so that"
        " whatever supervises it starts both afresh."
    )
    exit_code = ExitCode.GUARD_LOST
