# SPDX-License-Identifier: Apache-2.0
"""What was measured, as one value: a dictionary for scripts, tables for people."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from rich.table import Table

from edge_gate.rules.liveness import LivenessPoint
from edge_gate.rules.policy import Policy
from edge_gate.store.pad_trials import LIVE
from edge_gate.tools.pad.judging import Judged, Residents, judge_presentation
from edge_gate.tools.pad.rates import FrameRates, Rate, bound, frame_rates, share
from edge_gate.tools.pad.seeing import Frame, Seen

WITHIN_S: Final = 5.0
"""A person is to be found live within so long of being seen first."""


@dataclass(frozen=True, slots=True)
class Rules:
    """By what is judged: the card's point, the site's policy, and when an approach ends."""

    point: LivenessPoint
    policy: Policy
    gap_s: float


@dataclass(frozen=True, slots=True)
class Ruled:
    """A presentation with its verdicts. ``opens`` and ``opens_unchecked``, without liveness, are None where there is no
    template of whose face it shows; ``counts``: it is an approach, and no few stills that never could be found live."""

    seen: Seen
    judged: Judged
    opens: bool | None
    opens_unchecked: bool | None
    counts: bool

    @property
    def wrong(self) -> bool:
        """Whether a person was not found live in time, or an attack was found live at any moment."""
        live_s = self.judged.live_s
        return (live_s is None or live_s > WITHIN_S) if self.seen.origin.label == LIVE else live_s is not None

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        scores = [each.score for each in self.seen.measured]
        return {
            "name": self.seen.origin.name,
            "label": self.seen.origin.label,
            "person": self.seen.origin.person,
            "film": self.seen.is_film,
            "seconds": self.seen.length_ns / 1e9,
            "scored": len(scores),
            "not_scored": len(self.seen.frames) - len(scores),
            "mean": sum(scores) / len(scores) if scores else None,
            "approaches": self.judged.approaches,
            "live_after_s": self.judged.live_s,
            "verdict": self.judged.verdict.value,
            "opens": self.opens,
        }


@dataclass(frozen=True, slots=True)
class ApproachRates:
    """Of whole presentations. ``iapmr``: of the attacks with an enrolled person's picture, those that open."""

    n_live: int
    n_attack: int
    apcer: Rate
    bpcer: Rate
    iapmr: Rate


@dataclass(frozen=True, slots=True)
class Openings:
    """Single frames of enrolled people that would open, recognised and found live in that frame."""

    n_attack: int
    attack_opened: int
    attack_opened_without_liveness: int
    n_live: int
    live_opened: int
    live_opened_without_liveness: int


@dataclass(frozen=True, slots=True)
class Part:
    """The figures of some presentations."""

    frames: FrameRates
    approaches: ApproachRates
    opens: Openings | None
    non_response: dict[str, Any]
    bounds: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "frames": asdict(self.frames),
            "approaches": asdict(self.approaches),
            "opens": self.opens and asdict(self.opens),
            "non_response": self.non_response,
            "bounds": self.bounds,
        }


@dataclass(frozen=True, slots=True)
class Findings:
    """One look at all presentations, with masks or without: everything, and by species of attack."""

    whole: Part
    species: Mapping[str, Part]
    presentations: tuple[Ruled, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        by_species = {name: part.as_dict() for name, part in self.species.items()}
        return {
            **self.whole.as_dict(),
            "species": by_species,
            "presentations": [each.as_dict() for each in self.presentations],
        }


class Split(StrEnum):
    """What a report tells apart; the value is its name in the dictionary and at the head of the column."""

    MASKED = "masked"  # masks painted on live faces and attacks alike
    SCENE = "scene"  # whether the eye saw the scene empty before


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


def find(presentations: Sequence[Seen], residents: Residents, rules: Rules) -> Findings:
    """Judge every presentation and compute all figures."""
    ruled = tuple(_rule(each, residents, rules) for each in presentations)
    live = [each for each in ruled if each.seen.origin.label == LIVE]
    attacks = [each for each in ruled if each.seen.origin.label not in (None, LIVE)]
    species = sorted({str(each.seen.origin.label) for each in attacks})
    return Findings(
        part(live, attacks, residents, rules),
        {
            name: part(live, [each for each in attacks if each.seen.origin.label == name], residents, rules)
            for name in species
        },
        ruled,
    )


def part(live: Sequence[Ruled], attacks: Sequence[Ruled], residents: Residents, rules: Rules) -> Part:
    """Return the figures of these people and these attacks."""
    people, others = [each for each in live if each.counts], [each for each in attacks if each.counts]
    known = [each for each in others if each.opens is not None]
    opened = sum(bool(each.opens) for each in known)
    return Part(
        frame_rates(_scores(live), _scores(attacks), rules.point.threshold),
        ApproachRates(
            len(people),
            len(others),
            share(_errors(others), len(others)),
            share(_errors(people), len(people)),
            share(opened, len(known)),
        ),
        _openings(live, attacks, residents, rules),
        {"live": _non_response(live), "attack": _non_response(attacks)},
        {
            "live": _bounds(people),
            "attack": _bounds(others),
            "iapmr": bound(opened, len(known))
            | {"opened_without_liveness": sum(bool(each.opens_unchecked) for each in known)},
        },
    )


def _rule(seen: Seen, residents: Residents, rules: Rules) -> Ruled:
    known = residents.knows(seen)
    return Ruled(
        seen,
        judge_presentation(seen, rules.point, rules.gap_s),
        residents.opens(seen, rules.policy, rules.point, rules.gap_s) if known else None,
        residents.opens(seen, rules.policy, None, rules.gap_s) if known else None,
        seen.is_film or len(seen.frames) >= rules.point.fewest,
    )


def _scores(ruled: Sequence[Ruled]) -> list[float]:
    return [frame.score for each in ruled for frame in each.seen.measured]


def _errors(ruled: Sequence[Ruled]) -> int:
    return sum(each.wrong for each in ruled)


def _bounds(ruled: Sequence[Ruled]) -> dict[str, Any]:
    """Return what the errors of approaches say over approaches, and over people: of whom any approach went wrong."""
    named = [each for each in ruled if each.seen.origin.person is not None]
    people = {each.seen.origin.person for each in named}
    wronged = {each.seen.origin.person for each in named if each.wrong}
    films = sum(each.seen.is_film for each in ruled)
    return {
        "clips": films,
        "approaches": bound(_errors(ruled), len(ruled)),
        "people": bound(len(wronged), len(people)),
    }


def _non_response(ruled: Sequence[Ruled]) -> dict[str, Any]:
    frames = [frame for each in ruled for frame in each.seen.frames]
    reasons = Counter(each.refusal for each in frames if each.refusal)
    silent = sum(not each.seen.measured for each in ruled)
    return {
        "n": len(frames),
        "not_scored": reasons.total(),
        "rate": share(reasons.total(), len(frames)),
        "presentations": len(ruled),
        "presentations_never_scored": silent,
        "reasons": dict(reasons.most_common()),
    }


def _openings(live: Sequence[Ruled], attacks: Sequence[Ruled], residents: Residents, rules: Rules) -> Openings | None:
    if not residents.gallery.ids:
        return None

    def count(ruled: Sequence[Ruled]) -> tuple[int, int, int]:
        probes = [
            frame
            for each in ruled
            if residents.knows(each.seen)
            for frame in each.seen.measured
            if not residents.enrols(each.seen, frame)
        ]
        known = [each for each in probes if residents.recognises(each, rules.policy.point.threshold)]
        return len(probes), sum(_passes(each, rules.point) for each in known), len(known)

    return Openings(*count(attacks), *count(live))


def _passes(frame: Frame, point: LivenessPoint) -> bool:
    return frame.score >= point.threshold


def lines(report: Report) -> Iterator[str]:
    """Yield what was measured and by what, for people."""
    point = report.rules.point
    what = f"SIMULATED: {report.data}" if report.simulated else f"Data: {report.data}"
    yield f"{what}. Model: {report.model}, threshold {point.threshold:g} on the PAD score."
    yield (
        f"An approach is live by {point.fewest} looks or more whose mean is {point.margin:g} / sqrt(looks) above the"
        f" threshold. A person has {WITHIN_S:g} s for it; an attack never may."
    )
    yield "Frames: single looks. Approaches: whole films, or successive stills at 5 a second."


def table(report: Report) -> Table:
    """Return the rates by species and mask, with their bounds over approaches and people."""
    shown = Table(box=None, pad_edge=False, title=None)
    for heading in (_attack(report), report.split.value, "frames", "AUC", "APCER", "BPCER", "APCER at BPCER 5 %"):
        shown.add_column(heading, justify="right" if len(shown.columns) > 1 else "left")
    for heading in ("approaches", "APCER (95 %)", "BPCER (95 %)", "IAPMR (95 %)"):
        shown.add_column(heading, justify="right")
    for state, found in report.found.items():
        rows = dict(found.species) if len(found.species) != 1 else {}
        for name, each in [*rows.items(), (_all(found), found.whole)]:
            shown.add_row(name, state, *row(each))
    return shown


def row(each: Part) -> tuple[str, ...]:
    """Return the cells of one part: frames, then approaches."""
    frames, approaches, bounds = each.frames, each.approaches, each.bounds
    return (
        f"{frames.n_live} live, {frames.n_attack}",
        "-" if frames.auc is None else f"{frames.auc:.3f}",
        percent(frames.apcer),
        percent(frames.bpcer),
        percent(frames.apcer_at_bpcer_5),
        f"{approaches.n_live} live, {approaches.n_attack}",
        bounded(bounds["attack"]["approaches"]),
        bounded(bounds["live"]["approaches"]),
        bounded(bounds["iapmr"]),
    )


def details(report: Report) -> Iterator[str]:
    """Yield what gave no score, what opens, people, and the control rows."""
    for state, found in report.found.items():
        suffix = f" ({report.split} {state})" if len(report.found) > 1 else ""
        for side in ("live", "attack"):
            silent, people = found.whole.non_response[side], found.whole.bounds[side]["people"]
            if not silent["n"]:
                continue
            reasons = ", ".join(f"{count} {why}" for why, count in silent["reasons"].items())
            yield (
                f"{side}{suffix}{_simulated(report)}: {silent['not_scored']} of {silent['n']} looks gave no score"
                f"{f': {reasons}' if reasons else ''}. Wrong for {people['errors']} of {people['n']} known people"
                f" (at most {percent(people['upper95'])} at 95 %)."
            )
        if found.whole.opens is not None:
            yield f"single frames that open{suffix}{_simulated(report)}: {opened(found.whole.opens)}"
    for name, found_auc in (report.controls or {}).items():
        yield f"control, AUC of {name}: {'-' if found_auc is None else f'{found_auc:.3f}'}"


def clips(report: Report) -> Table:
    """Return each presentation with its verdict."""
    shown = Table(box=None, pad_edge=False)
    for heading in (
        f"presentation{_simulated(report)}",
        "label",
        report.split.value,
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


def _simulated(report: Report) -> str:
    return " (simulated)" if report.simulated else ""


def _all(found: Findings) -> str:
    return next(iter(found.species)) if len(found.species) == 1 else "all"
