# SPDX-License-Identifier: Apache-2.0
"""Of the store: 40 to 46."""

from __future__ import annotations

from edge_gate.core.errors.base import EdgeGateError
from edge_gate.core.errors.processes import AccessDenied
from edge_gate.core.exit_codes import ExitCode


class StoreError(EdgeGateError):
    message = "The store {0} failed: {1}"
    exit_code = ExitCode.STORE_ERROR


class StoreMissing(StoreError, FileNotFoundError):
    message = "There is no store at {0}. Make one with `edge-gate init`."
    exit_code = ExitCode.STORE_MISSING


class WrongKey(StoreError, PermissionError):
    message = (
        "The key does not open {0}, or the file is damaged. Nothing was changed. Check which key this device"
        " should have, or restore the latest backup under the same key."
    )
    exit_code = ExitCode.WRONG_KEY


class StoreCorrupt(StoreError):
    message = "The store {0} is damaged: {1}. Nothing was changed. Keep the file and restore the latest backup."
    exit_code = ExitCode.STORE_CORRUPT


class OutcomeNotAwaited(StoreError):
    message = "The store {0} failed: no outcome is awaited for event {1}"


class StoreFull(StoreError, OSError):
    message = (
        "There is no room left for the store {0}. Nothing was changed. Free some space; the gate goes on without"
        " restart."
    )
    exit_code = ExitCode.STORE_FULL


class StoreReadOnly(StoreError, PermissionError):
    message = (
        "The store {0} cannot be written: {1}. Nothing was changed. A memory card that turns read-only is"
        " failing: replace it."
    )
    exit_code = ExitCode.STORE_READ_ONLY


class StoreForbidden(AccessDenied, StoreError):
    message = (
        "{0} may not use the store {1}. Repeat the command with sudo. A gate that systemd runs is started with:"
        " sudo systemctl start edge-gate."
    )


class StoreTooNew(StoreError):
    message = "The store {0} was written by a newer edge-gate (migration {1}). Update edge-gate; nothing was changed."
    exit_code = ExitCode.STORE_TOO_NEW
