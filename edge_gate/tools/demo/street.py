# SPDX-License-Identifier: Apache-2.0
"""The camera that looks at the demo's street: the eye's end of it, and the only part of the demo that the eye loads.

The street (edge_gate.tools.demo.street_server) runs in the demo's own process and goes on whether or not anybody looks,
so the camera is live: an eye that is killed and started again sees the present, not what it missed. Pictures come over
a UNIX stream socket and never touch a disk::

    magic "EGST"  4 bytes | captured_ns  u64 | width  u16 | height  u16 | BGR, height x width x 3 bytes

little-endian; captured_ns is CLOCK_BOOTTIME, the same in both processes.
"""

from __future__ import annotations

import select
import socket
import struct
from typing import Final

import numpy as np

from edge_gate.core.clock import Clock
from edge_gate.core.errors import CameraError, CameraMissing
from edge_gate.eye.cameras.base import CameraGarbled, Frame, Picture
from edge_gate.eye.cameras.live import LiveCamera
from edge_gate.settings.config import CameraSettings

MAGIC: Final = b"EGST"
HEADER: Final = struct.Struct("<4sQHH")
LARGEST_SIDE_PX: Final = 4096
TIMEOUT_S: Final = 1.0


class StreetCamera(LiveCamera):
    """A camera on the demo's street; ``settings.source`` is the path of its socket."""

    def __init__(self, settings: CameraSettings, clock: Clock) -> None:
        super().__init__(settings.source, clock, lambda: _Connection(settings.source), settings.stall_s)


class _Connection:
    def __init__(self, source: str) -> None:
        self._source = source
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(TIMEOUT_S)
        try:
            self._socket.connect(source)
        except OSError as error:
            self._socket.close()
            raise CameraMissing(source, f"the demo's street is not there ({error.strerror or error})") from error

    def next(self) -> Frame | None:
        """Return the next picture, or None where none began within a second."""
        if not select.select([self._socket], [], [], TIMEOUT_S)[0]:
            return None
        magic, captured_ns, width, height = HEADER.unpack(self._receive(HEADER.size))
        if magic != MAGIC or not 0 < width <= LARGEST_SIDE_PX or not 0 < height <= LARGEST_SIDE_PX:
            raise CameraGarbled(self._source, f"magic {magic!r}, {width} x {height} pixels")
        pixels: Picture = np.frombuffer(self._receive(3 * width * height), np.uint8).reshape(height, width, 3)
        return Frame(pixels, captured_ns)

    def close(self) -> None:
        """Leave the street."""
        self._socket.close()

    def _receive(self, size: int) -> bytearray:
        content = bytearray(size)
        rest = memoryview(content)
        while rest:
            try:
                count = self._socket.recv_into(rest)
            except OSError as error:
                raise CameraError(self._source, f"a picture broke off ({error.strerror or error})") from error
            if not count:
                raise CameraMissing(self._source, "the demo's street has ended")
            rest = rest[count:]
        return content
