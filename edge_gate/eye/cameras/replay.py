# SPDX-License-Identifier: Apache-2.0
"""Recordings in place of a camera: a film, or a folder of pictures sorted by name.

``source`` is the path, after any of these words:

    fast:   each picture exactly once, as fast as it is read
    loop:   begin again at the end, for ever

Without ``fast:`` pictures come in real time, ``fps`` of them a second, and those that are late are lost. In a folder,
hidden files (macOS leaves `._name.jpg` beside each picture) and whatever is no picture by its name are passed over.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np

from edge_gate.core.clock import Clock
from edge_gate.core.errors import CameraError, RecordingMissing
from edge_gate.core.plain_files import ANY_LENGTH, open_descriptor, open_plain, read_plain
from edge_gate.eye.cameras.base import CameraGarbled, Frame, Picture
from edge_gate.eye.cameras.picture_header import object_to_size, read_size
from edge_gate.settings.camera import parse_recording
from edge_gate.settings.config import CameraSettings

PICTURE_SUFFIXES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
LARGEST_FILE_BYTES: Final = 64 * 1024 * 1024
# As many bytes as the header of a picture may take, before it says its size.
_HEADER_BYTES: Final = 1024 * 1024


class Recording(Protocol):
    """Pictures one after the other."""

    def advance(self) -> bool:
        """Go to the next picture; False at the end."""
        ...

    def picture(self) -> Picture:
        """Return the present picture. Raises CameraGarbled where it cannot be decoded."""
        ...

    def rewind(self) -> None:
        """Go before the first picture."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class ReplayCamera:
    """Plays a recording as if it were a camera. Raises RecordingMissing or CameraError where there is nothing to play.

    A picture that cannot be read raises CameraGarbled naming the file; the next read goes on with the next one. Once
    the end was reached, ``ended`` is True and read returns None at once.
    """

    live: Final = False

    def __init__(self, settings: CameraSettings, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> None:
        source = parse_recording(settings.source)
        self._fast = "fast" in source.words
        self._loop = "loop" in source.words
        self._period_ns = 1_000_000_000 // settings.fps
        self._clock = clock
        self._sleep = sleep
        self._recording = open_recording(source.path)
        self._next_due_ns: int | None = None
        self.ended = False

    def read(self, timeout_s: float) -> Frame | None:
        """Return the picture that is due, waiting for it up to ``timeout_s``; None where none is, or at the end."""
        if self.ended:
            return None
        captured_ns = self._clock.monotonic_ns() if self._fast else self._next_moment(timeout_s)
        if captured_ns is None:
            return None
        if not self._advance():
            self.ended = True
            return None
        return Frame(self._recording.picture(), captured_ns)

    def close(self) -> None:
        """Let go of the file; nothing more is played."""
        self.ended = True
        self._recording.close()

    def _next_moment(self, timeout_s: float) -> int | None:
        """Wait for the next picture's moment and skip those that are late; None where it is further off."""
        now_ns = self._clock.monotonic_ns()
        if self._next_due_ns is None:
            self._next_due_ns = now_ns
        wait_ns = self._next_due_ns - now_ns
        if wait_ns > 0:
            self._sleep(min(wait_ns / 1e9, timeout_s))
            now_ns = self._clock.monotonic_ns()
            if now_ns < self._next_due_ns:
                return None
        late = (now_ns - self._next_due_ns) // self._period_ns
        due_ns = self._next_due_ns + late * self._period_ns
        self._next_due_ns = due_ns + self._period_ns
        for _ in range(late):
            if not self._advance():
                break
        return due_ns

    def _advance(self) -> bool:
        if self._recording.advance():
            return True
        if not self._loop:
            return False
        self._recording.rewind()
        return self._recording.advance()


class Folder:
    """The pictures in one folder, in the order of their names."""

    def __init__(self, path: Path) -> None:
        try:
            self._files = sorted(each for each in path.iterdir() if _is_picture(each))
        except OSError as error:
            raise CameraError(describe_path(path), error.strerror or str(error)) from error
        if not self._files:
            raise CameraError(describe_path(path), "there is no picture in this folder")
        self._index = -1

    def advance(self) -> bool:
        """Go to the next file; False at the end."""
        self._index += 1
        return self._index < len(self._files)

    def picture(self) -> Picture:
        """Return the present file's picture. Raises CameraGarbled naming it where it cannot be decoded."""
        return decode_file(self._files[self._index])

    def rewind(self) -> None:
        """Go before the first file."""
        self._index = -1

    def close(self) -> None:
        """Nothing is held open between pictures."""


class Film:
    """A film file, decoded by OpenCV."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said = describe_path(path)
        object_to_film(path)
        self._descriptor: int | None = None
        self._capture = cv2.VideoCapture()
        if not self._open():
            self.close()
            raise CameraError(self._said, "this is not a film that OpenCV can read")
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        width, height = (max(1, int(self._capture.get(each))) for each in sides)
        if objection := object_to_size((width, height)):
            self.close()
            raise CameraError(self._said, objection)

    def advance(self) -> bool:
        """Go to the next picture without decoding it; False at the end."""
        return self._capture.grab()

    @property
    def moment_s(self) -> float:
        """When the present picture is to be seen, in seconds from the beginning, as the film says."""
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1e3

    @property
    def pictures_a_second(self) -> float:
        """How many there are, as the film says; 0 where it does not."""
        return max(0.0, float(self._capture.get(cv2.CAP_PROP_FPS)))

    def picture(self) -> Picture:
        """Decode the present picture. Raises CameraGarbled where that fails."""
        try:
            readable, bgr = self._capture.retrieve()
        except cv2.error as error:
            raise CameraGarbled(self._said, f"one picture of the film: {error.err}") from error
        if not readable:
            raise CameraGarbled(self._said, "one picture of the film could not be decoded")
        return bgr.astype(np.uint8, copy=False)

    def rewind(self) -> None:
        """Open the file afresh: seeking is not exact in every container."""
        self._open()

    def close(self) -> None:
        """Close the file."""
        self._capture.release()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> bool:
        name = str(self._path.absolute())  # FFmpeg takes what stands before a colon for a protocol
        if not name.isprintable():  # OpenCV dies of a name that is not UTF-8; such a file goes by its descriptor
            if self._descriptor is None:
                self._descriptor = open_descriptor(self._path, ANY_LENGTH)
            name = f"/proc/self/fd/{self._descriptor}"
        try:
            return self._capture.open(name)
        except cv2.error:
            return False


def open_recording(path: Path) -> Recording:
    """Open a folder or a film. Raises RecordingMissing where neither is, CameraError where nothing can be played."""
    try:
        if path.is_dir():
            return Folder(path)
        if path.is_file():
            return Film(path)
    except OSError as error:  # a name too long, a folder that may not be entered
        raise CameraError(describe_path(path), error.strerror or str(error)) from error
    raise RecordingMissing(describe_path(path), "there is no such film or folder")


def decode_file(file: Path) -> Picture:
    """Return a picture of bounded size. Raises CameraGarbled saying why there is none.

    The bytes are read here, because OpenCV dies of a file name that is not UTF-8.
    """
    folder, name = describe_path(file.parent), describe_path(Path(file.name))
    try:
        content = read_plain(file, LARGEST_FILE_BYTES)
    except OSError as error:
        raise CameraGarbled(folder, f"{name}: {error.strerror or error}") from error
    except ValueError as error:
        raise CameraGarbled(folder, f"{name} has more than {LARGEST_FILE_BYTES:,} bytes") from error
    size = read_size(content)
    if size is None:
        raise CameraGarbled(folder, f"{name} is not a picture, or is damaged")
    if objection := object_to_size(size):
        raise CameraGarbled(folder, f"{name}: {objection}")
    try:
        bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise CameraGarbled(folder, f"{name}: {error.err}") from error
    if bgr is None:
        raise CameraGarbled(folder, f"{name} is not a picture, or is damaged")
    return bgr.astype(np.uint8, copy=False)


def object_to_film(path: Path) -> None:
    """Raise CameraError where a file begins with a picture that is too large: OpenCV would decode it at once."""
    with open_plain(path, ANY_LENGTH) as opened:
        size = read_size(opened.read(_HEADER_BYTES))
    if size is not None and (objection := object_to_size(size)):
        raise CameraError(describe_path(path), objection)


def describe_path(path: Path) -> str:
    """Return a path that can be written anywhere: bytes that are no UTF-8 and control characters are escaped."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _is_picture(file: Path) -> bool:
    return not file.name.startswith(".") and file.suffix.lower() in PICTURE_SUFFIXES and file.is_file()
