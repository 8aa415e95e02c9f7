# SPDX-License-Identifier: Apache-2.0
"""Follows one face, the largest, from picture to picture, and numbers the people followed.

A track is one person: the gate fuses what it sees of a track into one decision. So whenever it is not certain that the
face is still the same one, the number changes: after a loss, a pause, a jump, a sudden change of size, when a larger
face is followed instead, or when the pipeline finds that the embedding is another's (``renew``). A wrong change costs a
resident a fraction of a second; a change that is missed would mix two people.
"""

from __future__ import annotations

from typing import Final

from edge_gate.eye.face.align import interocular_px, placing
from edge_gate.eye.face.detect import GLANCE_PIXELS, WATCH_PIXELS, Detector, Face
from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.eye.face.mesh import FaceMesh, Mesh
from edge_gate.eye.face.presence import Presence

MIN_PRESENCE: Final = 0.5
# Refinements for each picture of a track. Measured against the mesh's fixed point, in pixels of the strip, masked
# faces: one 1.0 to 3.2 (embedding's cosine down to 0.92), two 0.4 to 1.1 (down to 0.97).
PASSES: Final = 2
_TRIED_FACES: Final = 2
_LONGEST_GAP_NS: Final = 500_000_000
_GLANCE_NS: Final = 1_000_000_000
_FARTHEST_MOVE_INTEROCULAR: Final = 0.8
_LARGEST_GROWTH: Final = 1.3
_LARGER: Final = 1.3


class Tracker:
    """Where the followed face is in each picture; ``number`` is that of the latest track, 0 before the first."""

    def __init__(self, detector: Detector, mesh: FaceMesh) -> None:
        self.number = 0
        self.presence = Presence()
        self._detector = detector
        self._mesh = mesh
        self._last: Mesh | None = None
        self._last_ns = 0
        self._glanced_ns = 0

    def locate(self, picture: Picture, captured_ns: int) -> Mesh | None:
        """Return the mesh of the followed face, or None where nobody is seen. Pictures come in the order of time."""
        self.presence.note(picture)
        mesh = self._follow(picture, captured_ns)
        if mesh is not None and captured_ns - self._glanced_ns >= _GLANCE_NS:
            self._glanced_ns = captured_ns
            mesh = self._larger(picture, mesh) or mesh
        if mesh is None and self.presence.worth_looking(captured_ns):
            mesh = self._find(picture, captured_ns)
        self._last, self._last_ns = mesh, captured_ns
        return mesh

    def renew(self) -> None:
        """Count the face followed now as another person."""
        self.number += 1

    def forget(self) -> None:
        """Follow nobody."""
        self._last = None
        self.presence.expect()

    def _follow(self, picture: Picture, captured_ns: int) -> Mesh | None:
        if self._last is None:
            return None
        mesh: Mesh | None = None
        if captured_ns - self._last_ns <= _LONGEST_GAP_NS:
            mesh = self._last
            for _ in range(PASSES):
                mesh = self._mesh.follow(picture, mesh)
        if mesh is None or mesh.presence < MIN_PRESENCE:
            self.presence.expect()
            return None
        if not _continuous(self._last, mesh):
            self.number += 1
        return mesh

    def _find(self, picture: Picture, captured_ns: int) -> Mesh | None:
        mesh = find_face(self._detector, self._mesh, picture, WATCH_PIXELS)
        if mesh is not None:
            self.number += 1
            self._glanced_ns = captured_ns
        return mesh

    def _larger(self, picture: Picture, mesh: Mesh) -> Mesh | None:
        """Return another face that is clearly larger than the one followed: whoever is nearer is at the gate."""
        faces = self._detector.find(picture, GLANCE_PIXELS)
        if not faces or not _is_larger(faces[0], mesh):
            return None
        other = self._mesh.acquire(picture, faces[0].five)
        if other.presence < MIN_PRESENCE:
            return None
        self.number += 1
        return other


def find_face(detector: Detector, mesh: FaceMesh, picture: Picture, pixels: int) -> Mesh | None:
    """Return the mesh of the largest face that also the mesh takes for one, looking at about ``pixels`` pixels."""
    for face in detector.find(picture, pixels)[:_TRIED_FACES]:
        found = mesh.acquire(picture, face.five)
        if found.presence >= MIN_PRESENCE:
            return found
    return None


def _is_larger(face: Face, mesh: Mesh) -> bool:
    followed_px = _size_px(mesh.five)
    return _size_px(face.five) > _LARGER * followed_px and _apart_px(face.five, mesh.five) > followed_px / 2


def _continuous(before: Mesh, now: Mesh) -> bool:
    small, large = sorted((_size_px(before.five), _size_px(now.five)))
    grown, moved_px = large / small, _apart_px(before.five, now.five)
    return grown <= _LARGEST_GROWTH and moved_px <= _FARTHEST_MOVE_INTEROCULAR * large


def _size_px(five: Points) -> float:
    return interocular_px(placing(five))


def _apart_px(one: Points, other: Points) -> float:
    """Return how far it is from the middle of one face's eyes to that of another's."""
    across, down = one[:2].mean(0) - other[:2].mean(0)
    return float((across**2 + down**2) ** 0.5)
