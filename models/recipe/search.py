# SPDX-License-Identifier: Apache-2.0
"""One to many (ISO/IEC 19795-1): some people are enrolled, and the others come as strangers, drawn several times.

A mated search fails (FNIR) where its own template is not the best, or the best is below the threshold at which a share
of at most FPIR of the strangers' searches finds anybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge_gate.tools.evaluation import protocol
from edge_gate.tools.evaluation.intervals import SEED, proven
from edge_gate.tools.evaluation.metrics import curve
from edge_gate.tools.evaluation.protocol import Embedded, People, Vectors
from recipe.trials import Sides

FPIRS = (1e-1, 1e-2, 1e-3)
SPLITS = 20
Searches = tuple[np.ndarray, np.ndarray]  # scores of the mated ones, lost ones -inf, and of the strangers'


@dataclass(frozen=True, slots=True)
class Identification:
    """How many people have mated searches, how many searches there are of both kinds, each in the first draw, and the
    FNIR of each draw at each FPIR, None if a draw has too few strangers' searches to prove it."""

    n_people: int
    n_mated: int
    n_nonmated: int
    fnir: dict[float, list[float] | None]


def halves(pictures: Sides, enrolled: int, template: int, probe: int) -> Identification:
    """Enrol `enrolled` people with templates of several pictures, and search for their other pictures and for all of
    the rest's, fused in probes of several. For networks that compare by cosine."""
    everyone, rng = Embedded(pictures.probe, pictures.subject), np.random.default_rng(SEED)
    people = np.unique(everyone.subject)

    def draws() -> Iterator[tuple[Searches, int]]:
        for _ in range(SPLITS):
            known = np.isin(everyone.subject, rng.permutation(people)[:enrolled])
            mine, strangers = everyone.take(np.flatnonzero(known)), everyone.take(np.flatnonzero(~known))
            gallery, rest = protocol.templates(mine, template)
            mated, others = protocol.probes(mine.take(rest), probe), protocol.probes(strangers, probe)
            found = searched(
                mated.vectors @ gallery.vectors.T, others.vectors @ gallery.vectors.T, mated.subject, gallery.subject
            )
            yield found, len(np.unique(mated.subject))

    return summary(list(draws()))


def single_pictures(pictures: Sides, enrolled: int) -> Identification:
    """Enrol one picture each of `enrolled` people, and search for their other pictures and for all of the rest's."""
    rng = np.random.default_rng(SEED)

    def draws() -> Iterator[tuple[Searches, int]]:
        for _ in range(SPLITS):
            gallery, mated, others = draw(pictures.subject, enrolled, rng)
            who = pictures.subject[mated]
            found = searched(
                pictures.score(mated, gallery), pictures.score(others, gallery), who, pictures.subject[gallery]
            )
            yield found, len(np.unique(who))

    return summary(list(draws()))


def draw(subject: People, enrolled: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the gallery (a picture each of `enrolled` people), of the mated searches, of the strangers'.

    People of whom there are other pictures are enrolled first; where there are too few of them, others fill the
    gallery. Raises ValueError where there are not so many people and somebody left.
    """
    people, count = np.unique(subject, return_counts=True)
    if len(people) <= enrolled:
        raise ValueError(f"{len(people)} people leave no stranger to a gallery of {enrolled}")
    order = np.concatenate([rng.permutation(people[count > 1]), rng.permutation(people[count == 1])])
    known = np.isin(subject, order[:enrolled])
    gallery = np.array([rng.choice(np.flatnonzero(subject == person)) for person in order[:enrolled]])
    mated = np.setdiff1d(np.flatnonzero(known), gallery)
    return gallery, mated, np.flatnonzero(~known)


def searched(mated: Vectors, others: Vectors, who: People, gallery: People) -> Searches:
    """The best scores of mated searches, -inf where another's template is best, and of the strangers'. `mated` and
    `others` are scores, (searches, gallery)."""
    right = gallery[mated.argmax(axis=1)] == who
    return np.where(right, mated.max(axis=1), np.float32(-np.inf)), others.max(axis=1)


def summary(draws: list[tuple[Searches, int]]) -> Identification:
    """The rates of all draws."""
    curves = [curve(mated, others) for (mated, others), _ in draws]
    fewest = min(len(others) for (_, others), _ in draws)
    fnir = {
        fpir: [each.at_fmr(fpir)[1] for each in curves] if proven(fpir, fewest) else None for fpir in FPIRS
    }  # fmt: skip
    (mated, others), people = draws[0]
    return Identification(people, len(mated), len(others), fnir)
