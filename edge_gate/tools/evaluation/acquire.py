# SPDX-License-Identifier: Apache-2.0
"""From pictures to embeddings, through the same code as at the gate, and what could not be acquired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_gate.provenance.cards import Card
from edge_gate.tools.evaluation.data import DataSet, Picture
from edge_gate.tools.evaluation.protocol import Embedded, Vectors
from edge_gate.tools.evaluation.sides import Failure, Side

Ints = NDArray[np.int64]

UNREADABLE: Final = "the file is not a picture that can be read"
NO_FACE: Final = "no face found, or the strip of eyes could not be cut"


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture's embedding (d, float32, length 1), and why the quality gate would refuse it, if it would."""

    vector: NDArray[np.float32]
    refusal: str | None


class Eyes(Protocol):
    """What an evaluation needs of the pipeline (edge_gate.tools.evaluation.eyes has the real one)."""

    @property
    def card(self) -> Card:
        """The card of the eye-region model."""
        ...

    def of_picture(self, picture: Picture) -> Seen | None:
        """Find the face in a whole picture and embed its eyes; None where there is none."""
        ...

    def of_strip(self, strip: Picture) -> NDArray[np.float32]:
        """Embed a strip that was cut already."""
        ...


@dataclass(frozen=True, slots=True)
class Acquired:
    """The pictures that gave an embedding. ``row`` (one a picture of the data set) is its place in ``vectors``, -1
    where it gave none or was not asked for; ``chosen`` are those that were asked for."""

    vectors: Vectors
    row: Ints
    failures: tuple[Failure, ...]
    chosen: tuple[int, ...]
    quality_refused: int

    def embedded(self, people: NDArray[np.int32]) -> Embedded:
        """Return the embeddings with the number of the person in each; ``people`` has one number a picture."""
        return Embedded(self.vectors, people[self.row >= 0])

    def side(self, title: str, data: DataSet) -> Side:
        """Return what became of the pictures, by person."""
        acquired = Counter(data.subjects[index] for index in self.chosen if self.row[index] >= 0)
        asked = Counter(data.subjects[index] for index in self.chosen)
        refused = None if data.are_strips else self.quality_refused
        return Side(title, str(data.path), asked, acquired, self.failures, refused)


def acquire(data: DataSet, eyes: Eyes, wanted: Iterable[int], gate: bool, tick: Callable[[], None]) -> Acquired:
    """Embed the wanted pictures in the data set's order. ``gate`` applies the quality gate to whole pictures.

    ``tick`` is called after each. Raises BadEvaluationData for strips of another size.
    """
    row = np.full(len(data.names), -1, np.int64)
    vectors: list[NDArray[np.float32]] = []
    failures: list[Failure] = []
    refused = 0
    chosen = sorted(set(wanted))
    for index in chosen:
        seen = _see(data, eyes, index)
        if isinstance(seen, Seen) and seen.refusal is not None:
            refused += 1
            seen = f"refused by the quality gate: {seen.refusal}" if gate else seen
        if isinstance(seen, Seen):
            row[index] = len(vectors)
            vectors.append(seen.vector)
        else:
            failures.append(Failure(data.names[index], seen, data.subjects[index]))
        tick()
    stacked = np.stack(vectors) if vectors else np.empty((0, 1), np.float32)
    return Acquired(stacked, row, tuple(failures), tuple(chosen), refused)


def _see(data: DataSet, eyes: Eyes, index: int) -> Seen | str:
    picture = data.read(index)
    if picture is None:
        return UNREADABLE
    if data.are_strips:
        return Seen(eyes.of_strip(picture), None)
    return eyes.of_picture(picture) or NO_FACE
