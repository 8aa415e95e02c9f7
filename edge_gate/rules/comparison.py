# SPDX-License-Identifier: Apache-2.0
"""Comparison of a probe with every reference (1:N search), both protected: bits are compared, not vectors.

The gallery keeps codes (edge_gate.rules.protection). A probe is encoded with the same key, and the share of bits that
differ gives the comparison score, in the cosine domain in which cards state their thresholds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_gate.rules.protection import SiteTransform, cosine_table, differing, words

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A resident and the comparison score (an estimated cosine, -1..1) of the probe with their template."""

    resident_id: str
    comparison_score: float


def unit_vector(embedding: bytes) -> Vector:
    """Return the direction of an int8 embedding as float32 of length 1. The embedding must not be all zeros."""
    return normalise(np.frombuffer(embedding, np.int8).astype(np.float32))


def normalise(vector: Vector) -> Vector:
    """Return the vector scaled to length 1; one without a direction stays without, and is like nobody."""
    length = np.float32(np.linalg.norm(vector))
    return vector / length if length > 0 else np.zeros_like(vector)


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """The templates that a probe is compared with: one code per id, all under ``transform``.

    ``columns`` are the codes as `edge_gate.rules.protection.words` lays them out; ``scores`` the score of each
    distance.
    """

    ids: tuple[str, ...]
    columns: NDArray[np.uint64]
    transform: SiteTransform
    scores: NDArray[np.float32]

    @classmethod
    def of(cls, ids: Sequence[str], codes: Sequence[bytes], transform: SiteTransform) -> Gallery:
        """Build a gallery of codes that this transform made."""
        rows = np.frombuffer(b"".join(codes), np.uint8).reshape(len(ids), transform.bits // 8)
        return cls(tuple(ids), words(rows), transform, cosine_table(transform.bits))

    def without(self, gone: Collection[str]) -> Gallery:
        """Return the gallery without the templates of these ids."""
        places = [place for place, each in enumerate(self.ids) if each in gone]
        if not places:
            return self
        ids = list(self.ids)
        for place in reversed(places):
            del ids[place]
        return replace(self, ids=tuple(ids), columns=np.delete(self.columns, places, axis=1))

    def including(self, added: str, code: bytes) -> Gallery:
        """Return the gallery with one more template."""
        column = words(np.frombuffer(code, np.uint8).reshape(1, self.transform.bits // 8))
        return replace(self, ids=(*self.ids, added), columns=np.ascontiguousarray(np.hstack((self.columns, column))))

    def search(self, probe: Vector, count: int = 2) -> tuple[Candidate, ...]:
        """Return the ``count`` best candidates, best first. ``probe`` is float32, d, unit length."""
        if not self.ids:
            return ()
        distance = differing(self.columns, self.transform.encode(probe))
        count = min(count, len(self.ids))
        best = np.argpartition(distance, count - 1)[:count]
        order = best[np.argsort(distance[best], kind="stable")]
        return tuple(Candidate(self.ids[i], float(self.scores[distance[i]])) for i in order)
