# SPDX-License-Identifier: Apache-2.0
"""Which pictures are compared with which. Every protocol ends in the same plain value: scores and whose they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_gate.tools.evaluation.metrics import fuse

Vectors = NDArray[np.float32]
People = NDArray[np.int32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Embedded:
    """n acquired pictures: ``vectors`` (n, d) float32 of length 1, ``subject`` (n,) numbers of people."""

    vectors: Vectors
    subject: People

    def take(self, rows: NDArray[np.int64]) -> Embedded:
        """Return some of the pictures, in the given order."""
        return Embedded(self.vectors[rows], self.subject[rows])


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Comparison scores (cosine) and the two people of each, numbered below ``n_subjects``.

    ``fused`` tells templates and probes of several pictures from single pictures.
    """

    genuine: Vectors
    genuine_a: People
    genuine_b: People
    impostor: Vectors
    impostor_a: People
    impostor_b: People
    n_subjects: int
    fused: bool = False

    def of(self, genuine: bool) -> tuple[Vectors, People, People]:
        """Return (scores, first person, second person) of one kind."""
        if genuine:
            return self.genuine, self.genuine_a, self.genuine_b
        return self.impostor, self.impostor_a, self.impostor_b

    @property
    def people_genuine(self) -> int:
        """How many people are compared with themselves."""
        return len(np.unique(self.genuine_a))

    @property
    def people_impostor(self) -> int:
        """How many people are compared with others. Comparisons that share a person are no independent trials, so there
        are no more of these than people."""
        return len(np.union1d(self.impostor_a, self.impostor_b))


def all_pairs(pictures: Embedded, n_subjects: int) -> Comparisons:
    """Compare every picture with every other once; the people's numbers say which pairs are genuine."""
    n = len(pictures.subject)
    once = np.triu(np.ones((n, n), np.bool_), 1)
    return _by_name(pictures, pictures, once, n_subjects)


def against(here: Embedded, there: Embedded, n_subjects: int) -> Comparisons:
    """Compare every picture here with every one there."""
    every = np.ones((len(here.subject), len(there.subject)), np.bool_)
    return _by_name(here, there, every, n_subjects)


def pair_scores(pictures: Embedded, first: NDArray[np.int64], second: NDArray[np.int64]) -> Vectors:
    """Return the comparison score of each pair of rows."""
    return np.asarray(np.einsum("ij,ij->i", pictures.vectors[first], pictures.vectors[second]), np.float32)


def listed(
    pictures: Embedded, first: NDArray[np.int64], second: NDArray[np.int64], same: Flags, n_subjects: int
) -> Comparisons:
    """Compare the listed pairs; the list, not the people's names, says which are genuine."""
    scores = pair_scores(pictures, first, second)
    return _split(scores, pictures.subject[first], pictures.subject[second], same, n_subjects)


def templates(pictures: Embedded, size: int) -> tuple[Embedded, NDArray[np.int64]]:
    """Enrol each person's first ``size`` pictures as one fused template.

    Returns the templates, and the rows of the pictures that remain as probes: those behind the first ``size`` of the
    enrolled. People with fewer pictures are not enrolled and give no probes.
    """
    enrolled: list[Vectors] = []
    people: list[int] = []
    rest = [np.empty(0, np.int64)]
    for person in np.unique(pictures.subject):
        rows = np.flatnonzero(pictures.subject == person)
        if len(rows) >= size:
            enrolled.append(fuse(pictures.vectors[rows[:size]]))
            people.append(int(person))
            rest.append(rows[size:])
    vectors = np.array(enrolled, np.float32).reshape(len(enrolled), pictures.vectors.shape[1])
    return Embedded(vectors, np.array(people, np.int32)), np.concatenate(rest)


def probes(pictures: Embedded, size: int) -> Embedded:
    """Fuse each person's pictures in groups of ``size`` that share none; a remainder too small for a group is left."""
    fused: list[Vectors] = []
    people: list[NDArray[np.int32]] = []
    for person in np.unique(pictures.subject):
        rows = np.flatnonzero(pictures.subject == person)
        whole = rows[: len(rows) // size * size].reshape(-1, size)
        fused.append(fuse(pictures.vectors[whole]))
        people.append(np.full(len(whole), person, np.int32))
    if not fused:
        return pictures
    return Embedded(np.concatenate(fused), np.concatenate(people))


def template_against_probes(
    pictures: Embedded, other: Embedded | None, n_subjects: int, template: int, probe: int
) -> Comparisons:
    """Compare every template with every probe. With ``other``, its pictures are the probes, else the rest of these."""
    enrolled, rest = templates(pictures, template)
    asking = probes(pictures.take(rest) if other is None else other, probe)
    every = np.ones((len(enrolled.subject), len(asking.subject)), np.bool_)
    return _by_name(enrolled, asking, every, n_subjects, fused=True)


def _by_name(here: Embedded, there: Embedded, which: Flags, n_subjects: int, fused: bool = False) -> Comparisons:
    scores = (here.vectors @ there.vectors.T)[which]
    first = np.broadcast_to(here.subject[:, None], which.shape)[which]
    second = np.broadcast_to(there.subject[None, :], which.shape)[which]
    return _split(scores, first, second, first == second, n_subjects, fused)


def _split(
    scores: Vectors, first: People, second: People, same: Flags, n_subjects: int, fused: bool = False
) -> Comparisons:
    return Comparisons(
        scores[same], first[same], second[same], scores[~same], first[~same], second[~same], n_subjects, fused
    )
