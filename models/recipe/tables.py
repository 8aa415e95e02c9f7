# SPDX-License-Identifier: Apache-2.0
"""The report's tables, as Markdown, from what was compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np

from edge_gate.tools.evaluation import intervals, protocol
from edge_gate.tools.evaluation.protocol import Embedded
from edge_gate.tools.evaluation.report import FMRS, Rates, rates_of
from recipe import search, trials
from recipe.search import Identification
from recipe.trials import Trial, Tried
from recipe.ways import Kind, Way

LEAST_LIKENESS = 0.98  # mean cosine of int8 and float: 0.986 and 0.995 for ours, 0.984 for another run of a recipe
NOT_PROVEN = "not proven"
SIZES = (1, 3, 5)  # pictures in a template, and in a probe
SEARCHES = ((1, 1), (5, 1), (5, 3), (5, 5))  # template, probe
HALF = 25  # of the Georgia Tech people are enrolled
GALLERIES = (50, 200, 1000)

TITLES = {
    trials.LFW: "LFW View 2, folds 6 to 10: listed pairs",
    trials.MFR2: "MFR2, real masks: all pairs",
    trials.ROF: "ROF, real masks: masked against unmasked",
    trials.GATECH: "Georgia Tech faces: all pairs",
}
SHORT = {trials.LFW: "LFW", trials.MFR2: "MFR2", trials.ROF: "ROF", trials.GATECH: "Georgia Tech"}
ABOUT = {
    trials.LFW: "News photographs of celebrities, published in 2007 and taken before: unmasked against unmasked.",
    trials.MFR2: "Web photographs of celebrities, with and without masks. The strips do not say which, so their pairs "
    "mix masked with masked, masked with unmasked and unmasked with unmasked: no figure for either.",
    trials.ROF: "Web photographs of celebrities, each masked picture against each unmasked one: the report's figure "
    "for masks. Low quality, and some of the set's names are wrong.",
    trials.GATECH: "One camera, glasses, turned heads, no masks: unmasked against unmasked. Nobody famous: the nearest "
    "to what a gate sees.",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A way and what came of it on all sets."""

    way: Way
    tried: Tried


def of_kinds(found: list[Found], *kinds: Kind) -> list[Found]:
    """Those of some kinds, in their order."""
    return [each for each in found if each.way.kind in kinds]


def text(file: str, /, **words: object) -> str:
    """A text of this folder with its words put in."""
    return Template(Path(__file__).with_name(file).read_text(encoding="utf-8")).substitute(words)


def power(rate: float) -> str:
    """0.001 as 1e-3."""
    return f"{rate:.0e}".replace("e-0", "e-")


def percent(rate: float, span: tuple[float, float] | None = None) -> str:
    return f"{100 * rate:.2f}" + (f" ({100 * span[0]:.2f} to {100 * span[1]:.2f})" if span else "")


def fnmr(rates: Rates, key: str) -> str:
    """FNMR at one FMR with its interval, or that it is not proven."""
    if not intervals.proven(FMRS[key], rates.n_impostor):
        return NOT_PROVEN
    return percent(rates.fnmr[key], rates.intervals[f"fnmr_at_fmr_{key}"])


def cells(rates: Rates) -> list[str]:
    """EER and FNMR at each FMR."""
    return [percent(rates.eer, rates.intervals["eer"]), *(fnmr(rates, key) for key in FMRS)]


RATES = ("EER", *(f"FNMR at FMR {power(fmr)}" for fmr in FMRS.values()))


def table(head: list[str], body: list[list[str]]) -> str:
    """A Markdown table; all columns but the first to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def one_set(name: str, found: list[Found]) -> str:
    """The section of one set."""
    first: Trial = found[0].tried.trials[name]
    head, body = ["", *RATES], []
    for each in found:
        trial = each.tried.trials[name]
        body.append([each.way.name, *cells(trial.rates)])
        if trial.accuracy is not None:
            body[-1].insert(1, percent(trial.accuracy))
    if first.accuracy is not None:
        head.insert(1, "accuracy, 5 folds")
    return (
        f"## {TITLES[name]}\n\n{ABOUT[name]}\n\n"
        f"{first.n_subjects:,} people, {first.n_images:,} pictures, {len(first.comparisons.genuine):,} genuine and "
        f"{len(first.comparisons.impostor):,} impostor comparisons.\n\n"
        f"{table(head, body)}\n![DET curves](det-{name}.svg)\n"
    )


def side_by_side(found: list[Found]) -> str:
    """The ways of going about it, on the same strips: EER, and FNMR where three sets can prove it."""
    shown = of_kinds(found, Kind.WEIGH, Kind.PAINT, Kind.OURS)
    shown.sort(key=lambda each: (Kind.WEIGH, Kind.PAINT, Kind.OURS).index(each.way.kind))

    def rows(names: Iterable[str], cell: str) -> str:
        head, body = ["", "", *(f"{SHORT[name]}" for name in names)], []
        for each in shown:
            rates = [each.tried.trials[name].rates for name in names]
            values = [percent(r.eer, r.intervals["eer"]) if cell == "eer" else fnmr(r, cell) for r in rates]
            body.append([each.way.kind.value, each.way.name, *values])
        return table(head, body)

    return f"EER:\n\n{rows(TITLES, 'eer')}\nFNMR at FMR 1e-3:\n\n{rows(TITLES, '1e3')}"


def float_against_int8(found: list[Found]) -> str:
    """What quantizing did to each model that came with its float form; stops where that is plainly another's."""
    int8, body = {each.way.name: each for each in found}, []
    for each in of_kinds(found, Kind.FLOAT):
        own = int8[each.way.of].tried
        vectors = zip(own.vectors.values(), each.tried.vectors.values(), strict=True)
        cosine = np.concatenate([(a * b).sum(axis=1) for a, b in vectors])
        if cosine.mean() < LEAST_LIKENESS:
            raise SystemExit(f"not the float form of {each.way.of}: mean cosine {cosine.mean():.3f}")
        likeness = [f"{cosine.mean():.4f}", f"{cosine.min():.4f}"]
        for name in TITLES:
            here, there = own.trials[name].rates, each.tried.trials[name].rates
            points = [f"{100 * (here.eer - there.eer):+.2f}"]
            for key, fmr in FMRS.items():
                shown = f"{100 * (here.fnmr[key] - there.fnmr[key]):+.2f}"
                points.append(shown if intervals.proven(fmr, here.n_impostor) else NOT_PROVEN)
            body.append([each.way.of, SHORT[name], *points, *likeness])
    if not body:
        return ""
    head = ["", "set", *RATES, "cosine, mean", "cosine, least"]
    return text("report.float.md", table=table(head, body))


def fused(found: list[Found]) -> str:
    """Templates and probes of several pictures, on the set that has enough of them."""
    body = []
    for template in SIZES:
        for probe in SIZES:
            for each in of_kinds(found, Kind.OURS, Kind.WEIGH):
                pictures = Embedded(each.tried.gatech.probe, each.tried.gatech.subject)
                people = len(np.unique(pictures.subject))
                rates = rates_of(protocol.template_against_probes(pictures, None, people, template, probe))
                counts = [str(template), str(probe), f"{rates.n_genuine:,}", f"{rates.n_impostor:,}"]
                body.append([each.way.name, *counts, *cells(rates)])
    return table(["", "template", "probe", "genuine", "impostor", *RATES], body)


def found_in(searched: Identification) -> list[str]:
    """Counts, and for each FPIR the mean over the draws, the least and the most of them."""
    out = [f"{searched.n_people:,}", f"{searched.n_mated:,}", f"{searched.n_nonmated:,}"]
    for values in searched.fnir.values():
        out.append(NOT_PROVEN if values is None else percent(float(np.mean(values)), (min(values), max(values))))
    return out


FOUND = ("people", "mated", "non-mated", *(f"FNIR at FPIR {power(fpir)}" for fpir in search.FPIRS))


def large_galleries(found: list[Found]) -> str:
    """One picture of each of many people, who are celebrities."""
    body = []
    for size in GALLERIES:
        for each in of_kinds(found, Kind.OURS, Kind.WEIGH, Kind.PAINT, Kind.OTHER):
            body.append([each.way.name, f"{size:,}", *found_in(search.single_pictures(each.tried.lfw, size))])
    return table(["", "gallery", *FOUND], body)


def small_gallery(found: list[Found]) -> str:
    """Templates of several pictures of people who are not famous."""
    body = []
    for template, probe in SEARCHES:
        for each in of_kinds(found, Kind.OURS, Kind.WEIGH):
            searched = search.halves(each.tried.gatech, HALF, template, probe)
            body.append([each.way.name, str(HALF), str(template), str(probe), *found_in(searched)])
    return table(["", "gallery", "template", "probe", *FOUND], body)
