# SPDX-License-Identifier: Apache-2.0
"""Comparison of a probe with every reference (1:N search) by cosine similarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A resident and the comparison score (cosine, -1..1) of the probe with their template."""

    resident_id: str
    comparison_score: float


def unit_vector(embedding: bytes) -> Vector:
    """Return the direction of an int8 embedding as float32 of length 1. The embedding must not be all zeros."""
    return normalised(np.frombuffer(embedding, np.int8).astype(np.float32))


def normalised(vector: Vector) -> Vector:
    """Return the vector scaled to length 1."""
    return vector / np.float32(np.linalg.norm(vector))


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """The templates that a probe is compared with: one row of ``vectors`` (float32, n x d, unit length) per id."""

    ids: tuple[str, ...]
    vectors: Vector

    @classmethod
    def of(cls, ids: Sequence[str], vectors: Sequence[Vector]) -> Gallery:
        """Build a gallery; each vector is normalised here, so templates may be stored at any scale."""
        rows = [normalised(np.asarray(vector, np.float32)) for vector in vectors]
        return cls(tuple(ids), np.ascontiguousarray(rows, np.float32) if rows else np.empty((0, 0), np.float32))

    def search(self, probe: Vector, count: int = 2) -> tuple[Candidate, ...]:
        """Return the ``count`` best candidates, best first. ``probe`` is float32, d, unit length."""
        if not self.ids:
            return ()
        scores = self.vectors @ probe
        count = min(count, len(self.ids))
        best = np.argpartition(scores, -count)[-count:]
        return tuple(Candidate(self.ids[i], float(scores[i])) for i in best[np.argsort(-scores[best])])
