# SPDX-License-Identifier: Apache-2.0
"""What an evaluation found: one value, as a table for people and as a dictionary for scripts.

A rate that the comparisons or the people are too few for is still a number in the dictionary, named in ``not_proven``;
the table says "not proven" in its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rich.table import Table

from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.tools.evaluation import intervals
from edge_gate.tools.evaluation.at_card import AtCard, Interval
from edge_gate.tools.evaluation.metrics import Curve, curve, dprime
from edge_gate.tools.evaluation.protocol import Comparisons
from edge_gate.tools.evaluation.sides import Participation

FMRS: Final = {"1e2": 1e-2, "1e3": 1e-3, "1e4": 1e-4}


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Mean accuracy over folds; the interval is Clopper and Pearson's over all pairs."""

    mean: float
    interval: tuple[float, float]
    folds: int
    folds_from_file: bool


@dataclass(frozen=True, slots=True)
class Rates:
    """Error rates of one set of comparisons, with 95 % intervals under the same keys as in the dictionary.

    ``n_subjects_genuine`` and ``n_subjects_impostor`` are the people who take part in comparisons of each kind.
    """

    n_genuine: int
    n_impostor: int
    n_subjects_genuine: int
    n_subjects_impostor: int
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
    acquisition: Participation
    rates: Rates
    accuracy: Accuracy | None
    at_card: tuple[AtCard, ...] | None = None

    def not_proven(self) -> list[str]:
        """Return the keys whose figure too few impostor comparisons, or too few people for an interval, support."""
        rates = self.rates
        figures = {"eer": rates.eer, "dprime": rates.dprime, **{f"fnmr_at_fmr_{key}": rates.fnmr[key] for key in FMRS}}
        unbounded = {key for key, figure in figures.items() if _unbounded(figure, rates.intervals[key])}
        few = {f"fnmr_at_fmr_{key}" for key, fmr in FMRS.items() if not intervals.proven(fmr, rates.n_impostor)}
        return [key for key in figures if key in unbounded | few]

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
            "failures": [
                {"side": side.title, "subject": each.subject, "picture": each.picture, "reason": each.reason}
                for side in seen.sides
                for each in side.failures
            ],
            "sides": [each.as_dict() for each in seen.sides],
            "enrolment": seen.enrolment and seen.enrolment.as_dict(),
            "n_subjects_genuine": rates.n_subjects_genuine,
            "n_subjects_impostor": rates.n_subjects_impostor,
            "at_card": self.at_card and [each.as_dict() for each in self.at_card],
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
    people = comparisons.people_genuine
    spans = {
        "eer": _never_zero(intervals.interval(drawn.eer), eer, people),
        "dprime": intervals.interval(drawn.dprime),
    }
    for key, fmr in FMRS.items():
        spans[f"fnmr_at_fmr_{key}"] = _never_zero(intervals.interval(drawn.fnmr[fmr]), fnmr[key], people)
    return Rates(
        n_genuine=len(genuine),
        n_impostor=len(impostor),
        n_subjects_genuine=people,
        n_subjects_impostor=comparisons.people_impostor,
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
    return intervals.never_certain(span, rate, people) if span and rate == 0 else span


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
    _add_participation(shown, seen)
    shown.add_row("genuine comparisons", f"{rates.n_genuine:,}", "", f"of {rates.n_subjects_genuine:,} people")
    shown.add_row("impostor comparisons", f"{rates.n_impostor:,}", "", f"of {rates.n_subjects_impostor:,} people")
    if report.accuracy is not None:
        of = report.accuracy
        folds = f"{of.folds} folds, {'as in the list' if of.folds_from_file else 'drawn'}"
        shown.add_row("accuracy", _percent(of.mean), _span(of.interval), folds)
    shown.add_row("EER", *_rate(rates.eer, rates.intervals["eer"]))
    for key, fmr in FMRS.items():
        label, name = f"FNMR at FMR {fmr:.0e}".replace("e-0", "e-"), f"fnmr_at_fmr_{key}"
        if not intervals.proven(fmr, rates.n_impostor):
            shown.add_row(label, "not proven", "", f"needs {intervals.needed(fmr):,} impostor comparisons")
        else:
            threshold = f"threshold {rates.threshold[key]:.4f}"
            shown.add_row(label, *_rate(rates.fnmr[key], rates.intervals[name], threshold))
    spread = rates.intervals["dprime"]
    if _unbounded(rates.dprime, spread):
        shown.add_row("d'", *_NO_INTERVAL)
    else:
        distance = "nothing to compute" if math.isnan(rates.dprime) else f"{rates.dprime:.2f}"
        shown.add_row("d'", distance, f"{spread[0]:.2f} to {spread[1]:.2f}" if spread else "")
    if report.at_card == ():
        shown.add_row("card's operating points", "none", "", "for comparisons of this kind")
    for each in report.at_card or ():
        _add_card_point(shown, each)
    return shown


def _add_participation(shown: Table, seen: Participation) -> None:
    for side in seen.sides:
        name = "" if len(seen.sides) == 1 else f", {side.title}"
        lost = f"; nothing of {len(side.without()):,} of {len(side.asked):,} people" if side.without() else ""
        shown.add_row(f"pictures{name}", f"{side.n_images:,}", "", f"of {len(side.asked):,} people")
        bounds = _span(intervals.clopper_pearson(len(side.failures), side.n_images))
        count = f"{len(side.failures):,} of {side.n_images:,} pictures{lost}"
        shown.add_row(f"failure to acquire (FTA){name}", _percent(side.fta), bounds, count)
        for reason, number in side.reasons.items():
            shown.add_row("", "", "", f"{number:,} {reason}")
        if side.quality_refused is not None:
            effect = "of these by" if seen.applied else "more, if it were applied, by"
            shown.add_row("", "", "", f"{side.quality_refused:,} {effect} the quality gate")
    if (of := seen.enrolment) is not None:
        bounds = _span(intervals.clopper_pearson(len(of.failures), of.n_subjects))
        count = f"{len(of.failures):,} of {of.n_subjects:,} people"
        shown.add_row("failure to enrol (FTE)", _percent(of.fte), bounds, count)
        shown.add_row("people with a template", f"{of.n_enrolled:,}")
        shown.add_row("people without a probe", f"{len(of.without_probe):,}")


def _add_card_point(shown: Table, at: AtCard) -> None:
    whose = " (decision.fmr)" if at.configured else ""
    stated = f"card's {at.point.kind} FMR {at.point.fmr:.0e}".replace("e-0", "e-")
    shown.add_row(stated + whose, "", "", f"threshold {at.point.threshold:.4f}, of the card")
    for name, counted, kind in (("FMR", at.false_matches, "impostor"), ("FNMR", at.false_non_matches, "genuine")):
        count = f"{counted.errors:,} of {counted.comparisons:,} {kind} comparisons"
        shown.add_row(f"  {name} here", *_rate(counted.rate, counted.interval, count))


_NO_INTERVAL: Final = ("not proven", "", "too few people for an interval")


def _unbounded(figure: float, span: Interval) -> bool:
    """Tell whether there is a figure and nothing says how far it can be trusted."""
    return span is None and math.isfinite(figure)


def _rate(rate: float, span: Interval, beside: str = "") -> tuple[str, str, str]:
    """Return the cells of a rate: without an interval nothing is claimed."""
    return _NO_INTERVAL if _unbounded(rate, span) else (_percent(rate), _span(span), beside)


def _percent(rate: float) -> str:
    return "nothing to compute" if math.isnan(rate) else f"{100 * rate:.2f} %"


def _span(span: Interval) -> str:
    return f"{100 * span[0]:.2f} to {100 * span[1]:.2f} %" if span else ""
