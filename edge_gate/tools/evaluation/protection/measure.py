# SPDX-License-Identifier: Apache-2.0
"""Every figure of the report, each measured once: what is in the results file already is taken from there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from edge_gate.provenance.cards import Card
from edge_gate.rules.protection import BITS, correct_threshold
from edge_gate.tools.evaluation.notebook import Notebook, Results
from edge_gate.tools.evaluation.protection.accuracy import Baseline, crossed, trials
from edge_gate.tools.evaluation.protection.inversion import GATE_FMR, invert, targets
from edge_gate.tools.evaluation.protection.people import LISTED, People
from edge_gate.tools.evaluation.protection.renewal import renewed, shifts
from edge_gate.tools.evaluation.protection.speed import measured
from edge_gate.tools.evaluation.protection.transforms import Method, Plain, Stored, methods
from edge_gate.tools.evaluation.protection.unlinkability import linked_by_neighbours, unlinkability

KNOWN = (8, 32, 128)
IN_BOTH = 500
CHOSEN = "signs, rotations, 2048 bits"
STORED = "as stored: sealed under a key for each enrolment"
LINKED = ("none (float16)", "rotation", "BioHashing, 128 bits", CHOSEN, "PolyProtect, overlap 4", STORED)


def measure(people: list[People], card: Card, notebook: Notebook) -> Results:
    """Measure everything. Bounded: a few hundred templates are attacked, 24 pairs of keys compared."""
    dimensions = people[0].pictures.vectors.shape[1]
    notebook.note("about", "model", lambda: {"name": card.name, "sha256": card.fields["sha256"]})
    notebook.note("size", "bytes", lambda: {each.name: each.make(0, dimensions).size for each in methods()})
    for trial in trials(people):
        baseline = Baseline.of(trial, Plain(dimensions))
        for method in methods():
            notebook.note("accuracy", f"{trial.name}|{method.name}", partial(_plain, baseline.rates, method))
    _thresholds(people, card, notebook)
    _links(people, notebook)
    goals, thief = targets(people, card)
    for method in sorted(methods(), key=lambda each: each.name not in LINKED):  # the longest part: what matters first
        for goal in goals:
            notebook.note("inversion", f"{goal.name}|{method.name}", partial(_plain, invert, method, goal, thief))
    notebook.note("speed", "ms", measured)
    return notebook.results


def _thresholds(people: list[People], card: Card, notebook: Notebook) -> None:
    plan = list(trials(people))
    gate = correct_threshold(card.operating_points, card.threshold("fused", GATE_FMR))
    notebook.note("threshold", "gate", lambda: gate.threshold)
    for trial in (*(each for each in plan if each.pairs is None), *(crossed(p) for p in people if p.name == LISTED)):
        notebook.note("shift", trial.name, partial(_plain, shifts, trial, card))
    for trial in plan:
        if trial.there is not None:
            notebook.note("renewal", trial.name, partial(_plain, renewed, trial, gate.threshold))


def _links(people: list[People], notebook: Notebook) -> None:
    public = next(each for each in people if each.name == LISTED)
    if public.pairs is None:
        raise ValueError("the public set lists pairs")
    first, second = public.pairs.first[public.pairs.same], public.pairs.second[public.pairs.same]
    _, once = np.unique(public.pictures.subject[first], return_index=True)
    here, there = (public.pictures.vectors[side[once[:IN_BOTH]]] for side in (first, second))
    shown = (*methods(), Method(STORED, Stored.of(BITS)))
    for method in shown:
        if method.name in LINKED:
            for known in KNOWN:
                notebook.note(
                    "neighbours",
                    f"{method.name}|{known}",
                    partial(linked_by_neighbours, method, here, there, known),
                )
    apart = [each for each in people if each.name != LISTED]
    vectors = np.concatenate([each.pictures.vectors for each in apart])
    subject = np.concatenate([each.pictures.subject + 1000 * k for k, each in enumerate(apart)]).astype(np.int32)
    for method in shown:
        notebook.note("unlinkability", method.name, partial(_plain, unlinkability, method, vectors, subject))


def _plain(figure: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a measurement gives as JSON knows it."""
    found = figure(*arguments)
    return [asdict(each) for each in found] if isinstance(found, list) else asdict(found)
