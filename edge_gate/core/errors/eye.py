# SPDX-License-Identifier: Apache-2.0
"""Of cameras and drivers: 20 to 29."""

from __future__ import annotations

from edge_gate.core.errors.base import EdgeGateError
from edge_gate.core.exit_codes import ExitCode


class CameraError(EdgeGateError):
    message = "The camera {0} failed: {1}"
    exit_code = ExitCode.CAMERA_ERROR


class CameraMissing(CameraError, FileNotFoundError):
    message = "The camera {0} is not there: {1}. Check the cable, then `edge-gate doctor`."
    exit_code = ExitCode.CAMERA_MISSING


class UnknownDriver(EdgeGateError, ValueError):
    message = "There is no {0} driver named {1!r}. Installed: {2}."
    exit_code = ExitCode.UNKNOWN_DRIVER
