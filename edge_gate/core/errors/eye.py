# SPDX-License-Identifier: Apache-2.0
"""Of cameras and drivers: 20 to 29."""

from __future__ import annotations

from edge_gate.core.errors.base import EdgeGateError
from edge_gate.core.exit_codes import ExitCode


class CameraError(EdgeGateError):
    message = "The camera {0} failed: {1}"
    exit_code = ExitCode.CAMERA_ERROR


class CameraMissing(CameraError, FileNotFoundError):
    message = "The camera {0} is not there: {1}. Check the cable."
    exit_code = ExitCode.CAMERA_MISSING


class RecordingMissing(CameraMissing):
    message = "The recording {0} is not there: {1}. Correct camera.source, or put it there."


class DriverRaised(CameraError):
    message = (
        "The camera {0} failed: its driver raised {1}. Unplug the camera and plug it in again; if that does not"
        " help, update the driver, or choose another one (camera.driver)."
    )


class CameraReplaced(CameraError):
    message = (
        "The camera {0} is refused: it is {1}, and another one is pinned: {2}. Look at the camera and its cable. If you"
        " changed it yourself, write pinned = '{1}' under [{3}]."
    )


class CameraVirtual(CameraReplaced):
    message = (
        "The camera {0} is refused: the pictures of {1} come from a program. Find out who installed it. If it is meant,"
        " write pinned = '{1}' under [{2}]."
    )


class CameraUnnamed(CameraReplaced):
    message = (
        "The camera {0} is refused: its driver cannot say which camera it is, and one is pinned. Take pinned out under"
        " [{1}], or use another driver."
    )


class CameraLibraryUnusable(CameraError, ImportError):
    message = "The camera library {0} cannot be used: {1}. {2}"


class UnknownDriver(EdgeGateError, ValueError):
    message = "There is no {0} driver named {1!r}. Installed: {2}."
    exit_code = ExitCode.UNKNOWN_DRIVER


class DriverUnusable(UnknownDriver):
    message = (
        "The {0} driver named {1!r} is installed, but cannot be loaded: {2}. Install the package that it comes from"
        " again, or choose another driver."
    )
