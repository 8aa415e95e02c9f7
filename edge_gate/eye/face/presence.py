# SPDX-License-Identifier: Apache-2.0
"""Keeps an idle board cool: a face is only looked for where the picture has changed, and now and then regardless.

What is kept between pictures is one grey thumbnail of 16 x 12 pixels, overwritten each time; a face that is near enough
to be recognised covers about six of its pixels.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from edge_gate.eye.face.geometry import Picture

THUMBNAIL: Final = (16, 12)
# Sensor noise moves the mean of a cell's hundreds of pixels by well under one level.
_CHANGE_LEVELS: Final = 3
_LOOK_ANYWAY_NS: Final = 1_000_000_000


class Presence:
    """Compares each picture with the last one in which a face was looked for, so that slow changes add up."""

    def __init__(self) -> None:
        self.luminance = 0.0
        self._now = np.zeros(THUMBNAIL[::-1], np.int16)
        self._looked_at = self._now
        self._looked_ns: int | None = None

    def note(self, picture: Picture) -> None:
        """Take in the newest picture; ``luminance`` is its mean brightness, 0 to 1."""
        small = cv2.resize(picture, THUMBNAIL, interpolation=cv2.INTER_AREA)
        self._now = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.int16)
        self.luminance = float(self._now.mean()) / 255

    def worth_looking(self, now_ns: int) -> bool:
        """Return whether a face should be looked for in the picture noted last; True counts as having looked."""
        due = self._looked_ns is None or now_ns - self._looked_ns >= _LOOK_ANYWAY_NS
        if not due and int(np.abs(self._now - self._looked_at).max()) <= _CHANGE_LEVELS:
            return False
        self._looked_at, self._looked_ns = self._now, now_ns
        return True

    def expect(self) -> None:
        """Look at the next picture in any case: somebody was there a moment ago."""
        self._looked_ns = None
