# SPDX-License-Identifier: Apache-2.0
"""What was measured, as one value: a dictionary for scripts, tables for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from rich.table import Table

from edge_gate.tools.pad.findings import WITHIN_S, Findings, Openings, Part, Ruled, Rules
from edge_gate.tools.pad.rates import Rate


class Split(StrEnum):
    """What a report tells apart; the value is its name in the dictionary and at the head of the column."""

    MASKED = "masked"  # masks painted on live faces and attacks alike
    SCENE = "scene"  # whether the eye saw the scene empty before


# The head of the column that says which.
_HEAD: Final = {Split.MASKED: "faces", Split.SCENE: "scene"}


@dataclass(frozen=True, slots=True)
class Report:
    """A whole evaluation. ``found`` has the findings by the state of ``split``; the first are those on top."""

    data: str
    simulated: bool
    model: str
    model_sha256: str
    rules: Rules
    split: Split
    found: Mapping[str, Findings]
    controls: Mapping[str, Rate] | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        point, first = self.rules.point, next(iter(self.found.values()))
        both = {state: each.as_dict() for state, each in self.found.items()} if len(self.found) > 1 else None
        return {
            "data": self.data,
            "simulated": self.simulated,
            "model": self.model,
            "model_sha256": self.model_sha256,
            "threshold": point.threshold,
            "fewest": point.fewest,
            "margin": point.margin,
            "comparison_threshold": self.rules.policy.point.threshold,
            **first.as_dict(),
            **{each.value: both if each is self.split else None for each in Split},
            "controls": self.controls,
        }


def lines(report: Report) -> Iterator[str]:
    """Yield what was measured and by what, for people."""
    point = report.rules.point
    what = f"SIMULATED: {report.data}" if report.simulated else f"Data: {report.data}"
    yield f"{what}. Model: {report.model}, threshold {point.threshold:g} on the PAD score."
    yield (
        f"An approach is live by {point.fewest} looks or more whose mean is {point.margin:g} / sqrt(looks) above the"
        f" threshold. A person has {WITHIN_S:g} s for it; an attack never may."
    )
    yield "Approaches are whole films, or successive stills at 5 a second. In brackets: upper bounds at 95 %."


def looks(report: Report) -> Table:
    """Return the rates of single looks, by species."""
    heads = (_attack(report), _HEAD[report.split], "live, attacks", "AUC", "APCER", "BPCER", "APCER at BPCER 5 %")
    return _table(heads, [(*names, *_looks(each)) for *names, each in _parts(report)])


def approaches(report: Report) -> Table:
    """Return the rates of approaches, by species, with their bounds over approaches."""
    heads = (_attack(report), _HEAD[report.split], "live, attacks", "APCER (95 %)", "BPCER (95 %)", "IAPMR (95 %)")
    return _table(heads, [(*names, *_approaches(each)) for *names, each in _parts(report)])


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    shown = Table(box=None, pad_edge=False)
    for number, head in enumerate(heads):
        shown.add_column(head, justify="right" if number > 1 else "left")
    for row in rows:
        shown.add_row(*row)
    return shown


def _parts(report: Report) -> Iterator[tuple[str, str, Part]]:
    for state, found in report.found.items():
        several = len(found.species) > 1
        for name, each in found.species.items() if several else ():
            yield name, state, each
        yield "all" if several else next(iter(found.species), "none"), state, found.whole


def _looks(part: Part) -> tuple[str, ...]:
    found = part.frames
    auc = "-" if found.auc is None else f"{found.auc:.3f}"
    rates = (percent(each) for each in (found.apcer, found.bpcer, found.apcer_at_bpcer_5))
    return f"{found.n_live}, {found.n_attack}", auc, *rates


def _approaches(part: Part) -> tuple[str, ...]:
    found, bounds = part.approaches, part.bounds
    sides = (bounds["attack"]["approaches"], bounds["live"]["approaches"], bounds["iapmr"])
    return f"{found.n_live}, {found.n_attack}", *(bounded(each) for each in sides)


def details(report: Report) -> Iterator[str]:
    """Yield what gave no score, for how many people it went wrong, what opens, and the control rows."""
    for state, found in report.found.items():
        where = _where(report, state)
        for side in ("live", "attack"):
            silent, people = found.whole.non_response[side], found.whole.bounds[side]["people"]
            if silent["n"]:
                reasons = ", ".join(f"{count} {why}" for why, count in silent["reasons"].items())
                told = f" ({reasons})" if reasons else ""
                wrong = f" People for whom an approach went wrong: {bounded(people)}." if people["n"] else ""
                yield f"{side}{where}: {silent['not_scored']} of {silent['n']} looks gave no score{told}.{wrong}"
        if found.whole.opens is not None:
            yield f"single frames that open{where}: {opened(found.whole.opens)}"
    for name, found_auc in (report.controls or {}).items():
        yield f"control, AUC of {name}: {'-' if found_auc is None else f'{found_auc:.3f}'}"


def presentations(report: Report) -> Table:
    """Return each presentation with its verdict."""
    shown = Table(box=None, pad_edge=False)
    for heading in (
        f"presentation{_simulated(report)}",
        "label",
        _HEAD[report.split],
        "scored",
        "mean",
        "found live",
        "verdict at its end",
    ):
        shown.add_column(heading)
    for state, found in report.found.items():
        for each in found.presentations:
            told = each.as_dict()
            mean = "-" if told["mean"] is None else f"{told['mean']:.2f}"
            scored = f"{told['scored']} of {told['scored'] + told['not_scored']}"
            shown.add_row(told["name"], told["label"] or "-", state, scored, mean, when(each), told["verdict"])
    return shown


def when(each: Ruled) -> str:
    """Return when a presentation was found live, in words."""
    return "never" if each.judged.live_s is None else f"after {each.judged.live_s:.1f} s"


def opened(found: Openings) -> str:
    """Return the openings in words."""
    return (
        f"{found.attack_opened} of {found.n_attack} attacks ({found.attack_opened_without_liveness} without liveness),"
        f" {found.live_opened} of {found.n_live} live ({found.live_opened_without_liveness} without liveness)"
    )


def percent(rate: Rate) -> str:
    """Return a rate as people read it."""
    return "-" if rate is None or math.isnan(rate) else f"{100 * rate:.1f} %"


def bounded(found: Mapping[str, Any]) -> str:
    """Return errors among trials, with the upper bound."""
    return f"{found['errors']} of {found['n']} (≤ {percent(found['upper95'])})" if found["n"] else "-"


def _attack(report: Report) -> str:
    return f"attack{_simulated(report)}"


def _where(report: Report, state: str) -> str:
    """Return of which findings a line speaks, where there are several, and whether they are simulated."""
    scene = f"scene {state}" if report.split is Split.SCENE else state
    told = [scene] * (len(report.found) > 1) + ["simulated"] * report.simulated
    return f" ({', '.join(told)})" if told else ""


def _simulated(report: Report) -> str:
    return " (simulated)" if report.simulated else ""
