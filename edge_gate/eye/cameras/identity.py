# SPDX-License-Identifier: Apache-2.0
"""Which camera this is: its driver, where it is plugged in, and its USB ids, as the kernel says it.

A camera is pinned by that text (``camera.pinned``). Another one in its place is refused, and so is one whose pictures
come from a program, unless that one is pinned. The kernel's word is good against whoever plugs something in. It is no
good against root, nor against a device that has another's USB ids.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_gate.core.errors import CameraError, CameraMissing, CameraReplaced, CameraVirtual
from edge_gate.settings.config import CameraSettings

# <linux/videodev2.h>: VIDIOC_QUERYCAP, and the driver, card and bus_info of struct v4l2_capability.
_QUERYCAP: Final = 0x80685600
_CAPABILITY: Final = struct.Struct("=16s 32s 32s 24x")
# Drivers whose pictures come from a program, and places on a USB bus that a program makes (dummy_hcd, USB/IP).
_VIRTUAL_DRIVERS: Final = ("loopback", "vivid", "vimc", "vidtv", "akvcam")
_VIRTUAL_PLACES: Final = ("usb-dummy_hcd", "usb-vhci_hcd")
# What libcamera calls a camera that the firmware knows: a path in the device tree, or in ACPI's.
_LIBCAMERA: Final = "libcamera"
_FIRMWARE: Final = ("/base/", "\\_SB")


@dataclass(frozen=True, slots=True)
class Identity:
    """One camera. ``place`` is the kernel's name of its bus and socket; ``kind`` its USB ids, empty for others."""

    driver: str
    place: str
    kind: str = ""

    def __str__(self) -> str:
        return " ".join(each for each in (self.driver, self.place, self.kind) if each)

    @property
    def virtual(self) -> bool:
        """Whether its pictures come from a program."""
        if self.driver == _LIBCAMERA:
            return not self.place.startswith(_FIRMWARE)
        named = any(each in self.driver.lower() for each in _VIRTUAL_DRIVERS)
        return named or self.place.startswith(_VIRTUAL_PLACES)


@dataclass(frozen=True, slots=True)
class Pin:
    """Which camera may be used: the one that ``settings`` pin, or any real one. ``ask`` returns which one is there."""

    settings: CameraSettings
    ask: Callable[[], Identity]

    def admit(self) -> Identity:
        """Return which camera is there. Raises CameraReplaced where it may not be used, and what ``ask`` raises."""
        found, wanted = self.ask(), self.settings.pinned
        if wanted and str(found) != wanted:
            raise CameraReplaced(self.settings.source, found, wanted, self.settings.section)
        if found.virtual and not wanted:
            raise CameraVirtual(self.settings.source, found, self.settings.section)
        return found


def ask_kernel(source: str, node: Path) -> Identity:
    """Return which camera a V4L2 node is. Raises CameraMissing, or CameraError where it does not say."""
    try:
        descriptor = os.open(node, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise CameraMissing(source, f"there is no {node}") from error
    except PermissionError as error:
        raise CameraError(source, f"{node} may not be opened by this user; it belongs in the group video") from error
    except OSError as error:
        raise CameraError(source, f"{node} cannot be opened: {error.strerror}") from error
    try:
        answer = fcntl.ioctl(descriptor, _QUERYCAP, bytes(_CAPABILITY.size))
        return read_capability(answer, _usb_ids(os.fstat(descriptor).st_rdev))
    except OSError as error:
        raise CameraError(source, f"{node} does not say which camera it is: {error.strerror}") from error
    finally:
        os.close(descriptor)


def read_capability(answer: bytes, kind: str) -> Identity:
    """Return what a driver said of itself (struct v4l2_capability). A device has a say in it, so nothing is believed
    to be printable."""
    driver, _, place = (_text(each) for each in _CAPABILITY.unpack(answer))
    return Identity(driver, place, kind)


def name_libcamera(identifier: str) -> Identity:
    """Return the identity of a camera that libcamera calls ``identifier``."""
    return Identity(_LIBCAMERA, _printable(identifier))


def _usb_ids(device: int, folder: Path = Path("/sys/dev/char")) -> str:
    """Return the vendor and the product of a USB device's node, empty for what is on no USB bus."""
    with suppress(OSError):
        interface = (folder / f"{os.major(device)}:{os.minor(device)}" / "device").resolve(strict=True)
        ids = [(interface.parent / name).read_text(encoding="ascii", errors="replace").strip()
               for name in ("idVendor", "idProduct")]  # fmt: skip
        return _printable(":".join(ids))
    return ""


def _text(field: bytes) -> str:
    return _printable(field.partition(b"\0")[0].decode("ascii", "replace"))


def _printable(text: str) -> str:
    """Return the text as it can stand in a log and between the quotes of a setting."""
    return "".join(each if each.isascii() and each.isprintable() and each not in "'\"" else "?" for each in text)
