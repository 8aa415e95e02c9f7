# SPDX-License-Identifier: Apache-2.0
"""What a camera is to the eye, and how the configured one is found and mounted.

A camera hands over the newest picture only. Nothing here, and no driver, writes a picture anywhere or keeps one that
it has handed on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.core import drivers
from edge_gate.core.clock import Clock, SystemClock
from edge_gate.core.errors import CameraError, CameraUnnamed, DriverRaised, EdgeGateError
from edge_gate.core.errors.foreign import describe_exception
from edge_gate.settings.config import CameraSettings

GROUP: Final = "edge_gate.cameras"

Picture = NDArray[np.uint8]

_TURNS: Final = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_OLDEST_STAMP_NS: Final = 1_000_000_000
_log = logging.getLogger(__name__)


class CameraGarbled(CameraError, ValueError):
    """The camera {0} sent a picture that cannot be read: {1}"""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture, for one iteration.

    ``bgr`` uint8, height x width x 3; ``captured_ns`` CLOCK_BOOTTIME; ``grey_small`` uint8, the same view in grey at
    half the size or less, where the camera makes it in hardware (saves the presence check a conversion).
    """

    bgr: Picture
    captured_ns: int
    grey_small: Picture | None = None


class Camera(Protocol):
    """What the eye asks of a camera, and all that a driver has to offer.

    A driver may also say ``live = False`` where its pictures are recordings (they may stand still without a fault),
    ``ended = True`` once no more will come, and in ``skipped`` how many pictures came that it could not decode. One
    that says ``pins = True`` reads no other camera than the one that ``settings.pinned`` names, and ``identify()``
    returns which one is there (edge_gate.eye.cameras.identity; LiveCamera does both where it is given a Pin).
    """

    def read(self, timeout_s: float) -> Frame | None:
        """Return the newest picture not yet handed on, or None where none came in time.

        Raises CameraMissing where the device is not there, CameraError where it failed; read again to go on.
        """
        ...

    def close(self) -> None:
        """Let go of the device. Never waits for a driver that hangs."""
        ...


class MountedCamera:
    """The configured camera as it hangs on the wall: its pictures upright, and no exception but CameraError."""

    def __init__(self, driver: Camera, rotate_deg: int, source: str = "") -> None:
        """``source`` names the camera in errors."""
        self._driver = driver
        self._rotate_deg = rotate_deg
        self._source = source

    @property
    def live(self) -> bool:
        """Whether pictures come from a sensor, whose noise makes each differ from the one before."""
        return bool(getattr(self._driver, "live", True))

    @property
    def ended(self) -> bool:
        """Whether this was a recording and has come to its end."""
        return bool(getattr(self._driver, "ended", False))

    @property
    def skipped(self) -> int:
        """How many pictures have come that the driver could not decode."""
        return int(getattr(self._driver, "skipped", 0))

    def identify(self) -> str:
        """Return which camera is there, as it can be pinned; empty where the driver cannot tell. Raises CameraError."""
        driver: Any = self._driver
        try:
            return str(driver.identify()) if _pins(driver) else ""
        except CameraError:
            raise
        except Exception as error:  # as in read
            raise DriverRaised(self._source, describe_exception(error)) from error

    def read(self, timeout_s: float) -> Frame | None:
        """Return the newest picture, upright. Raises CameraError, see Camera.read, and DriverRaised for all else."""
        try:
            frame = self._driver.read(timeout_s)
        except CameraError:
            raise
        except Exception as error:  # a driver may raise anything, and the eye outlives it
            raise DriverRaised(self._source, describe_exception(error)) from error
        if frame is None:
            return None
        if objection := _object_to(frame):
            raise CameraGarbled(self._source, objection)
        return upright(frame, self._rotate_deg)

    def close(self) -> None:
        """Let go of the device. What a driver raises then helps nobody any more; it is logged."""
        try:
            self._driver.close()
        except Exception as error:  # as above
            _log.warning("the camera %s was not closed: %s", self._source, describe_exception(error))


def _pins(driver: Camera) -> bool:
    return bool(getattr(driver, "pins", False))


def _object_to(frame: object) -> str:
    """Return why this is not a frame with a picture; empty where it is."""
    if not isinstance(frame, Frame):
        return f"its driver handed over {type(frame).__name__}, not a Frame"
    if not isinstance(frame.captured_ns, int):
        return f"its driver stamped it with {type(frame.captured_ns).__name__}"
    for picture in (frame.bgr, frame.grey_small):
        if picture is None and picture is not frame.bgr:
            continue
        if not isinstance(picture, np.ndarray):
            return f"not a picture but {type(picture).__name__}"
        if picture.dtype != np.uint8 or picture.size == 0 or picture.ndim != (3 if picture is frame.bgr else 2):
            return f"not an 8-bit picture but {picture.dtype} {picture.shape}"
    return ""


def upright(frame: Frame, rotate_deg: int) -> Frame:
    """Return the frame turned clockwise by as much as the camera was mounted turned clockwise: 0, 90, 180 or 270."""
    if rotate_deg == 0:
        return frame
    turn = _TURNS[rotate_deg]
    small = None if frame.grey_small is None else cv2.rotate(frame.grey_small, turn).astype(np.uint8, copy=False)
    return Frame(cv2.rotate(frame.bgr, turn).astype(np.uint8, copy=False), frame.captured_ns, small)


def captured_at(stamp_ns: int, now_ns: int) -> int:
    """Return the driver's own time stamp where it may be one of CLOCK_BOOTTIME, within the last second; else now.

    V4L2 stamps by CLOCK_MONOTONIC, which is the same until the machine sleeps; after that the moment of arrival counts.

    Drivers may stamp with another clock, with zero (V4L2_BUF_FLAG_TIMESTAMP_UNKNOWN), or ahead of time, as Linux's
    vivid does by a frame.
    """
    return stamp_ns if 0 <= now_ns - stamp_ns < _OLDEST_STAMP_NS else now_ns


def open_camera(settings: CameraSettings, clock: Clock | None = None) -> MountedCamera:
    """Return the configured camera. Raises UnknownDriver, or CameraError where the driver's constructor fails, or the
    driver cannot say whether it is the camera that is pinned.

    Devices are opened by the first read, so a camera that is unplugged now may be plugged in later.
    """
    make = drivers.load(GROUP, settings.driver)
    try:
        driver = make(settings, clock or SystemClock())
    except EdgeGateError:
        raise
    except Exception as error:  # a driver may raise anything
        raise DriverRaised(settings.source, describe_exception(error)) from error
    if settings.pinned and not _pins(driver):
        raise CameraUnnamed(settings.source, settings.section)
    return MountedCamera(driver, settings.rotate_deg, settings.source)
