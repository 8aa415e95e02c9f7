# SPDX-License-Identifier: Apache-2.0
"""Cameras: drivers found by entry point (`edge_gate.cameras`), and the watch that says whether one can be trusted."""

from __future__ import annotations

from edge_gate.core.errors import CameraError, CameraMissing
from edge_gate.eye.cameras.base import Camera, CameraGarbled, Frame, MountedCamera, open_camera
from edge_gate.eye.cameras.steadiness import PictureCount
from edge_gate.eye.cameras.watch import CameraWatch

__all__ = [
    "Camera",
    "CameraError",
    "CameraGarbled",
    "CameraMissing",
    "CameraWatch",
    "Frame",
    "MountedCamera",
    "PictureCount",
    "open_camera",
]
