# SPDX-License-Identifier: Apache-2.0
"""One evaluation from what is asked to the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_gate.core.errors import BadEvaluationData
from edge_gate.tools.evaluation import protocol
from edge_gate.tools.evaluation.acquire import Acquired, Eyes, acquire
from edge_gate.tools.evaluation.at_card import judge
from edge_gate.tools.evaluation.data import DataSet, Pairs, open_data, read_pairs
from edge_gate.tools.evaluation.folds import accuracies, folds_of
from edge_gate.tools.evaluation.intervals import SEED, clopper_pearson
from edge_gate.tools.evaluation.protocol import Comparisons
from edge_gate.tools.evaluation.report import Accuracy, Report, rates_of
from edge_gate.tools.evaluation.sides import Participation, enrol

# Asked for the number of pictures, returns what is called after each of them.
Progress = Callable[[int], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Request:
    """What to compare. ``pairs`` goes with nothing else; ``template`` is how many pictures of a person are enrolled
    as one (0: compare single pictures), ``probes`` how many are fused into a probe. ``at_card``: count the errors at
    the card's operating points too; the site decides by the one of this FMR."""

    data: Path
    pairs: Path | None = None
    against: Path | None = None
    template: int = 0
    probes: int = 1
    quality_gate: bool = False
    at_card: float | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """The data of a request, and the people in all of it by number."""

    here: DataSet
    there: DataSet | None
    pairs: Pairs | None
    people: dict[str, int]

    def numbers(self, data: DataSet) -> NDArray[np.int32]:
        """Return the number of the person in each picture."""
        return np.array([self.people[name] for name in data.subjects], np.int32)


def open_request(ask: Request) -> Opened:
    """Open and check everything that was named. Raises BadEvaluationData."""
    here = open_data(ask.data)
    there = open_data(ask.against) if ask.against else None
    if there and ask.against and ask.against.resolve() == ask.data.resolve():
        raise BadEvaluationData(ask.against, "it is compared with itself; leave --against out to compare all its pairs")
    pairs = read_pairs(ask.pairs, here) if ask.pairs else None
    names = sorted({*here.subjects, *(there.subjects if there else ())})
    return Opened(here, there, pairs, {name: number for number, name in enumerate(names)})


def evaluate(ask: Request, eyes: Eyes, progress: Progress) -> Report:
    """Acquire every picture that takes part, compare, and compute all figures. Raises BadEvaluationData."""
    opened = open_request(ask)
    wanted = range(len(opened.here.names))
    asked = wanted if opened.pairs is None else sorted({*opened.pairs.first.tolist(), *opened.pairs.second.tolist()})
    tick = progress(len(asked) + (len(opened.there.names) if opened.there else 0))
    here = acquire(opened.here, eyes, asked, ask.quality_gate, tick)
    there = (
        acquire(opened.there, eyes, range(len(opened.there.names)), ask.quality_gate, tick) if opened.there else None
    )
    accuracy = None
    if opened.pairs is not None:
        comparisons, accuracy = _listed(opened, opened.pairs, here)
    else:
        comparisons = _compared(ask, opened, here, there)
    return Report(
        data=str(ask.data),
        against=str(ask.against) if ask.against else None,
        protocol=describe(ask),
        model=eyes.card.name,
        model_sha256=str(eyes.card.fields["sha256"]),
        acquisition=_participation(ask, opened, here, there),
        rates=rates_of(comparisons),
        accuracy=accuracy,
        at_card=None if ask.at_card is None else tuple(judge(comparisons, eyes.card.operating_points, ask.at_card)),
    )


def describe(ask: Request) -> str:
    """Return in words what is compared with what."""
    where = f" of {ask.against}" if ask.against else ""
    if ask.pairs:
        return f"the pairs of {ask.pairs}"
    if ask.template:
        probe = "every single picture" if ask.probes == 1 else f"every probe of {ask.probes} fused pictures"
        size = "1 picture" if ask.template == 1 else f"{ask.template} pictures"
        return f"templates of {size} against {probe}{where or ' that is left'}"
    return f"every picture against every one{where}" if ask.against else "all pairs of pictures"


def _compared(ask: Request, opened: Opened, here: Acquired, there: Acquired | None) -> Comparisons:
    n = len(opened.people)
    mine = here.embedded(opened.numbers(opened.here))
    theirs = there.embedded(opened.numbers(opened.there)) if there and opened.there else None
    if ask.template:
        return protocol.template_against_probes(mine, theirs, n, ask.template, ask.probes)
    return protocol.against(mine, theirs, n) if theirs else protocol.all_pairs(mine, n)


def _listed(opened: Opened, pairs: Pairs, here: Acquired) -> tuple[Comparisons, Accuracy | None]:
    """Compare the listed pairs of which both pictures were acquired; folds are those of the whole list."""
    first, second = here.row[pairs.first], here.row[pairs.second]
    usable = (first >= 0) & (second >= 0)
    first, second, same = first[usable], second[usable], pairs.same[usable]
    pictures = here.embedded(opened.numbers(opened.here))
    comparisons = protocol.listed(pictures, first, second, same, len(opened.people))
    folds = folds_of(pairs.same, SEED)
    parts = accuracies(protocol.pair_scores(pictures, first, second), same, folds.fold[usable])
    if not len(parts):
        return comparisons, None
    mean = float(parts.mean())
    bounds = clopper_pearson(round(mean * len(same)), len(same))
    return comparisons, Accuracy(mean, bounds, len(parts), folds.from_file)


def _participation(ask: Request, opened: Opened, here: Acquired, there: Acquired | None) -> Participation:
    first = here.side(_TITLES[bool(ask.template), there is not None][0], opened.here)
    sides = [first]
    if there is not None and opened.there is not None:
        sides.append(there.side(_TITLES[bool(ask.template), True][1], opened.there))
    second = sides[1] if len(sides) > 1 else None
    enrolment = enrol(first, second, ask.template, ask.probes) if ask.template else None
    people = {person for side in sides for person in side.asked}
    return Participation(len(people), tuple(sides), ask.quality_gate, enrolment)


# What each side is called, with templates or without, and with other data or without.
_TITLES: Final = {
    (False, False): ("pictures",),
    (True, False): ("templates and probes",),
    (False, True): ("pictures here", "pictures there"),
    (True, True): ("templates", "probes"),
}
