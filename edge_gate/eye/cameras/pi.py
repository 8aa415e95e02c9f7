# SPDX-License-Identifier: Apache-2.0
"""Raspberry Pi cameras through picamera2, which comes with Raspberry Pi OS and is imported only here, when asked for.

Two streams of each exposure: `main` at the configured size for the strip of the eyes, in picamera2's "RGB888", whose
bytes lie in memory as B, G, R, OpenCV's order (Picamera2 manual, "Pixel formats"); and `lores` at half that size as
YUV420, whose first plane is the grey picture for the presence check, at no cost to the processor.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from edge_gate.core.clock import Clock
from edge_gate.core.errors import CameraError, CameraLibraryUnusable, CameraMissing, ExtraMissing
from edge_gate.core.errors.foreign import describe_exception
from edge_gate.eye.cameras.base import Frame, Picture, captured_at
from edge_gate.eye.cameras.identity import Identity, Pin, name_libcamera
from edge_gate.eye.cameras.live import LiveCamera
from edge_gate.settings.config import CameraSettings

# libcamera's own watchdog ("frontend has timed out") needs about a second; a longer silence is a loose cable.
SILENCE_S: Final = 5.0


class PiCamera(LiveCamera):
    """A camera on the Pi's ribbon cable; ``settings.source`` is its number in libcamera's list, usually "0".

    Raises ExtraMissing without picamera2, CameraLibraryUnusable where it cannot be imported.
    """

    def __init__(self, settings: CameraSettings, clock: Clock, library: Callable[[], Any] | None = None) -> None:
        if not settings.source.isdecimal():
            raise CameraError(settings.source, 'camera.source has to be libcamera\'s number of it, such as "0"')
        picamera2 = (library or _picamera2)()

        def ask() -> Identity:
            return name_libcamera(str(_listed(picamera2.Picamera2, settings.source)["Id"]))

        pin = Pin(settings, ask)
        super().__init__(
            settings.source, clock, lambda: _PiDevice(picamera2.Picamera2, settings, clock), settings.stall_s, pin
        )


class _PiDevice:
    """One opening of the camera."""

    def __init__(self, picamera2: Any, settings: CameraSettings, clock: Clock) -> None:
        self._source = settings.source
        self._clock = clock
        _listed(picamera2, settings.source)
        self._camera = picamera2(int(settings.source))
        try:
            self._start(settings)
        except Exception:
            self._camera.close()
            raise

    def next(self) -> Frame | None:
        """Return the next exposure. Raises CameraError where none comes; the device is then of no more use."""
        try:
            request = self._camera.capture_request(wait=SILENCE_S)
        except TimeoutError as error:
            self._camera.cancel_all_and_flush()  # else close would queue behind the capture that never ends
            raise CameraError(self._source, f"no picture for {SILENCE_S:g} s; is the ribbon cable tight?") from error
        try:
            stamp_ns = int(request.get_metadata().get("SensorTimestamp", 0))
            return Frame(
                request.make_array("main"),
                captured_at(stamp_ns, self._clock.monotonic_ns()),
                self._luma(request.make_array("lores")),
            )
        finally:
            request.release()

    def close(self) -> None:
        """Stop the camera and let go of it."""
        self._camera.close()

    def _start(self, settings: CameraSettings) -> None:
        period_us = round(1e6 / settings.fps)
        half = (settings.width // 4 * 2, settings.height // 4 * 2)
        configuration = self._camera.create_video_configuration(
            main={"size": (settings.width, settings.height), "format": "RGB888"},
            lores={"size": half, "format": "YUV420"},
            controls={"FrameDurationLimits": (period_us, period_us)},
            display=None,
            encode=None,
        )
        self._camera.configure(configuration)
        self._lores_size: tuple[int, int] = self._camera.stream_configuration("lores")["size"]
        self._camera.start()

    def _luma(self, yuv420: Picture) -> Picture:
        """Return the grey plane: the first rows of the buffer, less the padding at each row's end."""
        width, height = self._lores_size
        return yuv420[:height, :width]


def _listed(picamera2: Any, source: str) -> dict[str, Any]:
    """Return what libcamera says of the camera of this number. Raises CameraMissing."""
    listed: list[dict[str, Any]] = picamera2.global_camera_info()
    if int(source) >= len(listed):
        raise CameraMissing(source, "libcamera does not list it; try `rpicam-hello --list-cameras`")
    return listed[int(source)]


def _picamera2() -> Any:
    try:
        return importlib.import_module("picamera2")
    except ModuleNotFoundError as error:
        if error.name == "picamera2":
            raise ExtraMissing("pi") from error
        raise CameraLibraryUnusable(
            "picamera2",
            f"it needs {error.name}, which PyPI does not have",
            "sudo apt install python3-picamera2, in an environment made with --system-site-packages.",
        ) from error
    except Exception as error:  # its import runs the code of ten packages of the system
        raise CameraLibraryUnusable("picamera2", describe_exception(error), _advise(error)) from error


def _advise(error: Exception) -> str:
    """Return what helps where the import failed. NumPy's words are those of its C headers (``_import_array``)."""
    text = describe_exception(error).lower()
    if "numpy" in text and ("binary incompatibility" in text or "compiled using numpy 1" in text):
        return (
            f"A part of it, mostly simplejpeg, was built for NumPy 1, and this environment has NumPy {np.__version__}."
            " Put a newer one into the environment: python -m pip install --ignore-installed 'simplejpeg>=1.8'. Or use"
            " a system whose own NumPy is version 2 (Debian 13)."
        )
    return (
        "Bring the system up to date: sudo apt update, sudo apt full-upgrade; then try: python -c 'import picamera2'."
    )
