# SPDX-License-Identifier: Apache-2.0
"""How much of an embedding comes back from a protected template, and which doors it would open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_gate.provenance.cards import Card
from edge_gate.tools.evaluation import protocol
from edge_gate.tools.evaluation.metrics import curve
from edge_gate.tools.evaluation.protection.attacks import Habit, likeness, recover, rehearsed, stored
from edge_gate.tools.evaluation.protection.people import LISTED, People
from edge_gate.tools.evaluation.protection.transforms import Floats, Method, Transform
from edge_gate.tools.evaluation.protocol import Embedded

STOLEN, OTHER, GUESSED = 7, 8, 9  # keys: that of the stolen store, another site's, and one that a thief made up
MOST = 60
REHEARSAL = 20
BLIND = 30  # templates that are attacked with a guessed key
GATE_FMR = 1e-4
OTHER_FMR = 1e-3


@dataclass(frozen=True, slots=True)
class Targets:
    """Templates to attack, another picture (or probe) of the same person for each, and the card's threshold."""

    name: str
    templates: Floats
    others: Floats
    subject: np.ndarray[tuple[int], np.dtype[np.int32]]
    threshold: float


@dataclass(frozen=True, slots=True)
class Thief:
    """What a thief knows beforehand: how embeddings are spread, and some people of their own to rehearse on."""

    habit: Habit
    own: Floats


@dataclass(frozen=True, slots=True)
class Inversion:
    """Quantiles of the cosine of recovered to true embedding; shares of recovered embeddings that pass as their
    person: ``pass_plain`` in a system without protection, ``pass_other`` in one with another key. ``control_*`` are
    the same shares for the true embedding: what a perfect attack would reach."""

    cosine_05: float
    cosine_50: float
    cosine_95: float
    pass_plain: float
    pass_other: float
    control_plain: float
    control_other: float
    guessed_50: float
    guessed_95: float
    guessed_pass: float
    n: int


def targets(people: list[People], card: Card) -> tuple[list[Targets], Thief]:
    """Return fused templates of a set near to a gate, single pictures of another, and a thief who knows neither."""
    by_name = {each.name: each for each in people}
    students, public = by_name["gatech"].pictures, by_name[LISTED]
    enrolled, rest = protocol.templates(students, 4)
    second, rest_of_rest = protocol.templates(students.take(rest), 4)
    probe, _ = protocol.templates(students.take(rest).take(rest_of_rest), 4)
    fused = Targets(
        "gatech, 4 fused",
        np.concatenate([enrolled.vectors, second.vectors]),
        np.concatenate([probe.vectors, probe.vectors]),
        np.concatenate([enrolled.subject, second.subject]),
        card.threshold("fused", GATE_FMR).threshold,
    )
    if public.pairs is None:
        raise ValueError("the public set lists pairs")
    same = public.pairs.same
    first, other = public.pairs.first[same], public.pairs.second[same]
    _, once = np.unique(public.pictures.subject[first], return_index=True)
    first, other = first[once[:MOST]], other[once[:MOST]]
    subject = public.pictures.subject[first]
    vectors = public.pictures.vectors
    single = Targets(
        "lfw, single", vectors[first], vectors[other], subject, card.threshold("single", GATE_FMR).threshold
    )
    free = vectors[~np.isin(public.pictures.subject, subject)]
    return [fused, single], Thief(Habit.of(free[REHEARSAL:]), free[:REHEARSAL])


def invert(method: Method, goal: Targets, thief: Thief) -> Inversion:
    """Attack every template with the stolen key, and with a guessed one."""
    dimensions = goal.templates.shape[1]
    transform, other, guess = (method.make(key, dimensions) for key in (STOLEN, OTHER, GUESSED))
    found = stored(transform, goal.templates)
    sharpness = rehearsed(transform, thief.own, thief.habit)
    recovered = recover(transform, found, thief.habit, sharpness)
    blind = recover(guess, found[:BLIND], thief.habit, sharpness)
    close, far = likeness(recovered, goal.templates), likeness(blind, goal.templates[:BLIND])
    threshold = _threshold(other, goal)
    low, middle, high = np.quantile(close, (0.05, 0.5, 0.95))
    return Inversion(
        cosine_05=float(low),
        cosine_50=float(middle),
        cosine_95=float(high),
        pass_plain=float((likeness(recovered, goal.others) >= goal.threshold).mean()),
        pass_other=float((_scores(other, recovered, goal.others) >= threshold).mean()),
        control_plain=float((likeness(goal.templates, goal.others) >= goal.threshold).mean()),
        control_other=float((_scores(other, goal.templates, goal.others) >= threshold).mean()),
        guessed_50=float(np.median(far)),
        guessed_95=float(np.quantile(far, 0.95)),
        guessed_pass=float((likeness(blind, goal.others[:BLIND]) >= goal.threshold).mean()),
        n=len(goal.templates),
    )


def _scores(transform: Transform, here: Floats, there: Floats) -> Floats:
    return transform.score(likeness(transform.features(here), transform.features(there)))


def _threshold(transform: Transform, goal: Targets) -> float:
    """Return the threshold that another system of this method would have, from its own impostors."""
    here = Embedded(transform.features(goal.templates), goal.subject)
    there = Embedded(transform.features(goal.others), goal.subject)
    found = protocol.against(here, there, int(goal.subject.max()) + 1)
    return curve(transform.score(found.genuine), transform.score(found.impostor)).at_fmr(OTHER_FMR)[0]
