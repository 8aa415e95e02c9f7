# SPDX-License-Identifier: Apache-2.0
"""What renewing templates without their residents costs, and what the product's thresholds come to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edge_gate.provenance.cards import Card
from edge_gate.rules.protection import BITS, SiteTransform, correct_threshold
from edge_gate.tools.evaluation.metrics import curve
from edge_gate.tools.evaluation.protection.accuracy import AtThreshold, Trial, at_threshold
from edge_gate.tools.evaluation.protection.transforms import Plain, Signs, key_bytes
from edge_gate.tools.evaluation.protocol import Embedded

RENEWALS = (0, 1, 2, 4, 8)
_FIRST_KEY = 200


@dataclass(frozen=True, slots=True)
class Renewed:
    """Templates that were recovered and encoded again so many times, against fresh probes."""

    renewals: int
    cosine_50: float
    cosine_05: float
    eer: float
    at_gate: AtThreshold
    n_genuine: int
    n_impostor: int


def renewed(trial: Trial, threshold: float) -> list[Renewed]:
    """Renew the first side of a trial again and again with the product's own code. ``threshold`` is the gate's."""
    if trial.there is None:
        raise ValueError("a trial of templates against probes is needed")
    dimensions = trial.here.vectors.shape[1]
    vectors, found = trial.here.vectors, []
    for generation in range(max(RENEWALS) + 1):
        transform = SiteTransform(key_bytes(_FIRST_KEY + generation))
        if generation in RENEWALS:
            signs = Signs(transform.axes(dimensions))
            compared = replace(trial, here=Embedded(vectors, trial.here.subject)).compare(signs)
            cosine = np.einsum("ij,ij->i", vectors, trial.here.vectors)
            found.append(
                Renewed(
                    generation,
                    float(np.median(cosine)),
                    float(np.quantile(cosine, 0.05)),
                    curve(compared.genuine, compared.impostor).eer(),
                    at_threshold(compared, threshold),
                    len(compared.genuine),
                    len(compared.impostor),
                )
            )
        vectors = transform.recover(transform.encode(vectors), dimensions)
    return found


@dataclass(frozen=True, slots=True)
class Shift:
    """One of the card's thresholds on one trial: without protection, with it at the same threshold, and with it at
    the threshold that the gate uses."""

    trial: str
    fmr: float
    plain: AtThreshold
    same: AtThreshold
    used: AtThreshold


def shifts(trial: Trial, card: Card, key: int = 0) -> list[Shift]:
    """Count errors at every threshold that the card has for this kind of comparison."""
    kind = "fused" if trial.fused else "single"
    dimensions = trial.here.vectors.shape[1]
    plain = trial.compare(Plain(dimensions))
    protected = trial.compare(Signs.orthogonal(BITS)(key, dimensions))
    points = [point for point in card.operating_points if point.kind == kind]
    return [
        Shift(
            trial.name,
            point.fmr,
            at_threshold(plain, point.threshold),
            at_threshold(protected, point.threshold),
            at_threshold(protected, correct_threshold(card.operating_points, point).threshold),
        )
        for point in points
    ]
