# SPDX-License-Identifier: Apache-2.0
"""Recordings in place of a camera: a film, or a folder of pictures sorted by name.

``source`` is the path, after any of these words:

    fast:   each picture exactly once, as fast as it is read
    loop:   begin again at the end, for ever

Without ``fast:`` pictures come in real time, ``fps`` of them a second, and those that are late are lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np

from edge_gate.core.clock import Clock
from edge_gate.core.errors import CameraError, CameraMissing
from edge_gate.eye.cameras.base import CameraGarbled, Frame, Picture
from edge_gate.settings.config import CameraSettings

PICTURE_SUFFIXES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


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
    """Plays a recording as if it were a camera. Raises CameraMissing or CameraError where there is nothing to play.

    A picture that cannot be read raises CameraGarbled naming the file; the next read goes on with the next one. Once
    the end was reached, ``ended`` is True and read returns None at once.
    """

    live: Final = False

    def __init__(self, settings: CameraSettings, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> None:
        words, path = _parse(settings.source)
        self._fast = "fast" in words
        self._loop = "loop" in words
        self._period_ns = 1_000_000_000 // settings.fps
        self._clock = clock
        self._sleep = sleep
        self._recording = open_recording(path)
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
            self._files = sorted(each for each in path.iterdir() if each.suffix.lower() in PICTURE_SUFFIXES)
        except OSError as error:
            raise CameraError(path, error.strerror or str(error)) from error
        if not self._files:
            raise CameraError(path, "there is no picture in this folder")
        self._index = -1

    def advance(self) -> bool:
        """Go to the next file; False at the end."""
        self._index += 1
        return self._index < len(self._files)

    def picture(self) -> Picture:
        """Return the present file's picture. Raises CameraGarbled naming it where it cannot be decoded."""
        file = self._files[self._index]
        try:
            bgr = cv2.imread(str(file), cv2.IMREAD_COLOR)
        except cv2.error as error:
            raise CameraGarbled(file.parent, f"{file.name}: {error}") from error
        if bgr is None:
            raise CameraGarbled(file.parent, f"{file.name} is not a picture, or is damaged")
        return bgr.astype(np.uint8, copy=False)

    def rewind(self) -> None:
        """Go before the first file."""
        self._index = -1

    def close(self) -> None:
        """Nothing is held open between pictures."""


class Film:
    """A film file, decoded by OpenCV."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise CameraError(path, "this is not a film that OpenCV can read")

    def advance(self) -> bool:
        """Go to the next picture without decoding it; False at the end."""
        return self._capture.grab()

    def picture(self) -> Picture:
        """Decode the present picture. Raises CameraGarbled where that fails."""
        readable, bgr = self._capture.retrieve()
        if not readable:
            raise CameraGarbled(self._path, "one picture of the film could not be decoded")
        return bgr.astype(np.uint8, copy=False)

    def rewind(self) -> None:
        """Open the file afresh: seeking is not exact in every container."""
        self._capture.open(str(self._path))

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


def open_recording(path: Path) -> Recording:
    """Open a folder or a film. Raises CameraMissing where there is neither, CameraError where nothing can be played."""
    if path.is_dir():
        return Folder(path)
    if path.is_file():
        return Film(path)
    raise CameraMissing(path, "there is no such film or folder")


def _parse(source: str) -> tuple[set[str], Path]:
    words: set[str] = set()
    while (word := source.partition(":")[0]) in ("fast", "loop") and ":" in source:
        words.add(word)
        source = source.partition(":")[2]
    return words, Path(source)
