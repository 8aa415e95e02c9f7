# SPDX-License-Identifier: Apache-2.0
"""What an evaluation found: one value, as a table for people and as a dictionary for scripts.

A rate that the number of comparisons cannot support is still a number in the dictionary, named in ``not_proven``; the
table says "not proven" in its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from rich.table import Table

from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.tools.evaluation import intervals
from edge_gate.tools.evaluation.metrics import Curve, curve, dprime
from edge_gate.tools.evaluation.protocol import Comparisons

FMRS: Final = {"1e2": 1e-2, "1e3": 1e-3, "1e4": 1e-4}

Interval = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A picture from which no strip could be acquired, and why."""

    picture: str
    reason: str


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What was read. ``quality_refused`` counts the pictures that the site's quality gate refuses, None where the data
    are strips and there is nothing to judge; where the gate was ``applied`` they are among the failures."""

    n_subjects: int
    n_images: int
    failures: tuple[Failure, ...]
    quality_refused: int | None
    applied: bool = False

    @property
    def fta(self) -> float:
        """The failure-to-acquire rate: the share of pictures that gave no strip to compare."""
        return len(self.failures) / self.n_images if self.n_images else math.nan


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Mean accuracy over folds; the interval is Clopper and Pearson's over all pairs."""

    mean: float
    interval: tuple[float, float]
    folds: int
    folds_from_file: bool


@dataclass(frozen=True, slots=True)
class Rates:
    """Error rates of one set of comparisons, with 95 % intervals under the same keys as in the dictionary."""

    n_genuine: int
    n_impostor: int
    eer: float
    dprime: float
    fnmr: dict[str, float]
    threshold: dict[str, float]
    intervals: dict[str, Interval]
    operating_points: tuple[OperatingPoint, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole evaluation."""

    data: str
    against: str | None
    protocol: str
    model: str
    model_sha256: str
    acquisition: Acquisition
    rates: Rates
    accuracy: Accuracy | None

    def not_proven(self) -> list[str]:
        """Return the keys whose figure the number of impostor comparisons cannot support."""
        return [f"fnmr_at_fmr_{key}" for key, fmr in FMRS.items() if not intervals.proven(fmr, self.rates.n_impostor)]

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; rates are fractions, None stands for what cannot be computed."""
        seen, rates, accuracy = self.acquisition, self.rates, self.accuracy
        spans = rates.intervals | {"fta": intervals.clopper_pearson(len(seen.failures), seen.n_images)}
        if accuracy:
            spans["accuracy"] = accuracy.interval
        return {
            "n_subjects": seen.n_subjects,
            "n_images": seen.n_images,
            "fta": _number(seen.fta),
            "n_genuine": rates.n_genuine,
            "n_impostor": rates.n_impostor,
            "eer": _number(rates.eer),
            **{f"fnmr_at_fmr_{key}": _number(rates.fnmr[key]) for key in FMRS},
            "dprime": _number(rates.dprime),
            "accuracy": accuracy.mean if accuracy else None,
            "accuracy_folds": accuracy.folds if accuracy else None,
            "accuracy_folds_from_file": accuracy.folds_from_file if accuracy else None,
            "intervals": {key: None if span is None else list(span) for key, span in spans.items()},
            "not_proven": self.not_proven(),
            **{f"threshold_at_fmr_{key}": _number(rates.threshold[key]) for key in FMRS},
            "operating_points": [
                {name: getattr(point, name) for name in OperatingPoint.__slots__} for point in rates.operating_points
            ],
            "quality_refused": seen.quality_refused,
            "failures": [{"picture": each.picture, "reason": each.reason} for each in seen.failures],
            "data": self.data,
            "against": self.against,
            "protocol": self.protocol,
            "model": self.model,
            "model_sha256": self.model_sha256,
        }


def rates_of(comparisons: Comparisons) -> Rates:
    """Compute every rate and interval of these comparisons."""
    genuine, impostor = comparisons.genuine, comparisons.impostor
    points = curve(genuine, impostor)
    found = {key: points.at_fmr(fmr) for key, fmr in FMRS.items()}
    eer, fnmr = points.eer(), {key: found[key][1] for key in FMRS}
    drawn = intervals.bootstrap(comparisons, tuple(FMRS.values()))
    people = len(np.unique(comparisons.genuine_a))
    spans = {
        "eer": _never_zero(intervals.interval(drawn.eer), eer, people),
        "dprime": intervals.interval(drawn.dprime),
    }
    for key, fmr in FMRS.items():
        spans[f"fnmr_at_fmr_{key}"] = _never_zero(intervals.interval(drawn.fnmr[fmr]), fnmr[key], people)
    return Rates(
        n_genuine=len(genuine),
        n_impostor=len(impostor),
        eer=eer,
        dprime=dprime(genuine, impostor),
        fnmr=fnmr,
        threshold={key: found[key][0] for key in FMRS},
        intervals=spans,
        operating_points=tuple(_operating_points(comparisons, points)),
    )


def _operating_points(comparisons: Comparisons, points: Curve) -> Iterator[OperatingPoint]:
    """Yield what a model's card may state: the proven points only, in the card's own form."""
    n = len(comparisons.impostor)
    for fmr in FMRS.values():
        threshold, _ = points.at_fmr(fmr)
        if intervals.proven(fmr, n) and math.isfinite(threshold):
            false_matches = int((comparisons.impostor >= threshold).sum())
            kind = "fused" if comparisons.fused else "single"
            yield OperatingPoint(kind, fmr, threshold, n, intervals.upper_bound(false_matches, n))


def _never_zero(span: Interval, rate: float, people: int) -> Interval:
    """Resampling cannot show an error that nobody made: then the rule of three over the people bounds the rate."""
    return (0.0, max(span[1], intervals.rule_of_three(people))) if span and rate == 0 else span


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def heading(report: Report) -> str:
    """Return what was compared, and by which model."""
    return f"{report.data}: {report.protocol}\nmodel {report.model}, SHA-256 {report.model_sha256[:12]}…\n"


def table(report: Report) -> Table:
    """Return the report for a terminal."""
    rates, seen = report.rates, report.acquisition
    shown = Table(box=None, pad_edge=False)
    for heading in ("", "value", "95 % interval", ""):
        shown.add_column(heading, justify="right" if heading else "left")
    shown.add_row("people", f"{seen.n_subjects:,}")
    shown.add_row("pictures", f"{seen.n_images:,}")
    shown.add_row("failure to acquire", _percent(seen.fta), "", f"{len(seen.failures):,} of {seen.n_images:,} pictures")
    if seen.quality_refused is not None:
        effect = "of these by" if seen.applied else "more, if it were applied, by"
        shown.add_row("", "", "", f"{seen.quality_refused:,} {effect} the quality gate")
    shown.add_row("genuine comparisons", f"{rates.n_genuine:,}")
    shown.add_row("impostor comparisons", f"{rates.n_impostor:,}")
    if report.accuracy is not None:
        of = report.accuracy
        folds = f"{of.folds} folds, {'as in the list' if of.folds_from_file else 'drawn'}"
        shown.add_row("accuracy", _percent(of.mean), _span(of.interval), folds)
    shown.add_row("EER", _percent(rates.eer), _span(rates.intervals["eer"]))
    for key, fmr in FMRS.items():
        label, name = f"FNMR at FMR {fmr:.0e}".replace("e-0", "e-"), f"fnmr_at_fmr_{key}"
        if name in report.not_proven():
            shown.add_row(label, "not proven", "", f"needs {intervals.needed(fmr):,} impostor comparisons")
        else:
            threshold = f"threshold {rates.threshold[key]:.4f}"
            shown.add_row(label, _percent(rates.fnmr[key]), _span(rates.intervals[name]), threshold)
    spread = rates.intervals["dprime"]
    distance = "nothing to compute" if math.isnan(rates.dprime) else f"{rates.dprime:.2f}"
    shown.add_row("d'", distance, f"{spread[0]:.2f} to {spread[1]:.2f}" if spread else "")
    return shown


def _percent(rate: float) -> str:
    return "nothing to compute" if math.isnan(rate) else f"{100 * rate:.2f} %"


def _span(span: Interval) -> str:
    return f"{100 * span[0]:.2f} to {100 * span[1]:.2f} %" if span else ""
