# SPDX-License-Identifier: Apache-2.0
"""Of any program of edge-gate, whatever it was asked for: 115 to 119."""

from __future__ import annotations

from edge_gate.core.errors.base import EdgeGateError
from edge_gate.core.exit_codes import ExitCode


class SystemRefused(EdgeGateError, OSError):
    message = "The operating system refused: {0}."
    exit_code = ExitCode.SYSTEM_REFUSED


class OutputLost(EdgeGateError, OSError):
    message = "The output could not be written ({0}). The command itself may have done its work: look before a repeat."
    exit_code = ExitCode.OUTPUT_LOST


class InternalFault(EdgeGateError):
    message = (
        "This is a fault of edge-gate itself: {0}. Please report this line. With EDGE_GATE_TRACEBACK=1 the command"
        " tells more, for a maintainer."
    )
    exit_code = ExitCode.INTERNAL_FAULT


class LibraryUnusable(EdgeGateError, ImportError):
    message = (
        "A library that edge-gate needs cannot be loaded: {0}. Mostly another version of it is in the way, of the"
        " system or of an older installation. Make the environment anew, and install edge-gate into it:"
        " docs/installer.md."
    )
    exit_code = ExitCode.LIBRARY_UNUSABLE
