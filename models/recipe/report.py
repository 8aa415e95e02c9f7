# SPDX-License-Identifier: Apache-2.0
"""Writes docs/evaluation: `python -m recipe.report --eval STRIPS --out ../docs/evaluation [--float F.float.tflite]`.

Tables and DET curves of the shipped model, of its float form, and of SFace shown the eyes alone, on the same strips in
one run. Counts, rates and intervals are those of `edge-gate evaluate`. Run it once for each model that is released.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from string import Template

import numpy as np

from edge_gate.cards import Card
from edge_gate.config import Config
from edge_gate.evaluation import intervals, protocol
from edge_gate.evaluation.eyes import PipelineEyes
from edge_gate.evaluation.report import FMRS, Rates, rates_of
from edge_gate.eye.embed import Embedder
from edge_gate.eye.runtime import TfliteModel
from recipe import trials
from recipe.curves import draw
from recipe.trials import Embed, Identification, Trial, Tried
from recipe.zeroshot import EYES, STRIP, ZeroShot

SHIPPED, FLOAT = "shipped, int8", "the same in float"
PEER_STRIP, PEER_EYES = "SFace, same rows", "SFace, eyes only"
LEAST_LIKENESS = 0.99  # mean cosine of int8 and float; float models of other runs of the recipe have 0.984
NOT_PROVEN = "not proven"
RATES = ("EER", *(f"FNMR at FMR {fmr:.0e}".replace("e-0", "e-") for fmr in FMRS.values()))
SEARCHES = ((1, 1), (5, 1), (5, 3), (5, 5))  # pictures in a template, and in a probe

TITLES = {
    trials.LFW: "LFW View 2, folds 6 to 10: listed pairs",
    trials.MFR2: "MFR2, real masks: all pairs",
    trials.ROF: "ROF, real masks: masked against unmasked",
    trials.GATECH: "Georgia Tech faces: all pairs",
}
ABOUT = {
    trials.LFW: "News photographs of celebrities.",
    trials.MFR2: "Web photographs of celebrities, with and without masks.",
    trials.ROF: "Web photographs of celebrities. Low quality, and some of the set's names are wrong.",
    trials.GATECH: "One camera, glasses, turned heads, no masks. Nobody famous: the nearest to what a gate sees.",
}
ONE_TO_MANY = """\
## Georgia Tech faces: one to many

$size people are enrolled and the other $size come as strangers; who is enrolled is drawn $splits times. A mated search
fails (FNIR) where the best template is another's, or is below the threshold at which a share of at most FPIR of the
strangers' searches finds somebody. Shown is the mean of the draws, and in brackets the least and the most of them:
a spread, not a confidence interval. No error among $size people still leaves up to $bound %, by the rule of three.
Searches are counted in one draw.
"""


def percent(rate: float, span: tuple[float, float] | None = None) -> str:
    return f"{100 * rate:.2f}" + (f" ({100 * span[0]:.2f} to {100 * span[1]:.2f})" if span else "")


def cells(rates: Rates) -> list[str]:
    """EER and FNMR at each FMR, with intervals, or that it is not proven."""
    out = [percent(rates.eer, rates.intervals["eer"])]
    for key, fmr in FMRS.items():
        shown = percent(rates.fnmr[key], rates.intervals[f"fnmr_at_fmr_{key}"])
        out.append(shown if intervals.proven(fmr, rates.n_impostor) else NOT_PROVEN)
    return out


def table(head: list[str], body: list[list[str]]) -> str:
    """A Markdown table; all columns but the first to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def one_set(ways: dict[str, Trial]) -> str:
    """The section of one set."""
    first = ways[SHIPPED]
    head, body = ["", *RATES], []
    for name, trial in ways.items():
        body.append([name, *cells(rates_of(trial.comparisons))])
        if trial.accuracy is not None:
            body[-1].insert(1, percent(trial.accuracy))
    if first.accuracy is not None:
        head.insert(1, "accuracy, 5 folds")
    return (
        f"## {TITLES[first.name]}\n\n{ABOUT[first.name]}\n\n"
        f"{first.n_subjects:,} people, {first.n_images:,} pictures, {len(first.comparisons.genuine):,} genuine and "
        f"{len(first.comparisons.impostor):,} impostor comparisons.\n\n"
        f"{table(head, body)}\n![DET curves](det-{first.name}.svg)\n"
    )


def fused(ways: dict[str, Tried]) -> str:
    """Templates and probes of several pictures, on the set that has enough of them."""
    body = []
    for template in trials.SIZES:
        for probe in trials.SIZES:
            for name, tried in ways.items():
                people = len(np.unique(tried.gatech.subject))
                rates = rates_of(protocol.template_against_probes(tried.gatech, None, people, template, probe))
                counts = [str(template), str(probe), f"{rates.n_genuine:,}", f"{rates.n_impostor:,}"]
                body.append([name, *counts, *cells(rates)])
    return (
        "## Georgia Tech faces: several pictures fused\n\n"
        "Templates are made of each person's first 1, 3 or 5 pictures, probes of 1, 3 or 5 of the others, each used "
        f"once.\n\n{table(['', 'template', 'probe', 'genuine', 'impostor', *RATES], body)}"
    )


def spread(searched: Identification, fpir: float) -> str:
    """Mean over the draws, least and most of them."""
    values = searched.fnir[fpir]
    return NOT_PROVEN if values is None else percent(float(np.mean(values)), (min(values), max(values)))


def one_to_many(ways: dict[str, Tried]) -> str:
    """Identification in the largest gallery that leaves as many strangers."""
    size, body = str(trials.ENROLLED), []
    for template, probe in SEARCHES:
        for name, tried in ways.items():
            searched = trials.identify(tried.gatech, template, probe)
            counts = [size, str(template), str(probe), f"{searched.n_mated:,}", f"{searched.n_nonmated:,}"]
            body.append([name, *counts, *(spread(searched, fpir) for fpir in trials.FPIRS)])
    body += [["any", larger, "", "", "", "", NOT_PROVEN, NOT_PROVEN] for larger in ("200", "1,000")]
    head = ["", "gallery", "template", "probe", "mated", "non-mated", "FNIR at FPIR 1e-1", "FNIR at FPIR 1e-2"]
    text = Template(ONE_TO_MANY).substitute(
        size=size, splits=trials.SPLITS, bound=percent(intervals.rule_of_three(trials.ENROLLED))
    )
    return f"{text}\n{table(head, body)}"


def likeness(ways: dict[str, Tried]) -> str:
    """How alike int8 and float are; stops where the float model is plainly not the shipped one's."""
    if FLOAT not in ways:
        return ""
    cosine = (ways[SHIPPED].vectors * ways[FLOAT].vectors).sum(axis=1)
    if cosine.mean() < LEAST_LIKENESS:
        raise SystemExit(f"not the float form of the shipped model: mean cosine {cosine.mean():.3f}")
    return (
        f"- **{FLOAT}**: what the recipe quantized into the shipped model. The cosine of the two embeddings of a\n"
        f"  strip is {cosine.mean():.4f} on average and {cosine.min():.4f} at least, over {len(cosine):,} strips.\n"
    )


def page(card: Card, ways: dict[str, Tried], sets: list[dict[str, Trial]]) -> str:
    """The whole report. Where several pictures are fused, int8 against SFace on the same rows is enough."""
    two = {name: ways[name] for name in (SHIPPED, PEER_STRIP)}
    return Template(Path(__file__).with_name("report.template.md").read_text(encoding="utf-8")).substitute(
        name=card.name,
        file=card.model_path.name,
        digest=card.fields["sha256"],
        shipped=SHIPPED,
        peer_strip=PEER_STRIP,
        peer_eyes=PEER_EYES,
        not_proven=NOT_PROVEN,
        fp32=likeness(ways),
        sets="\n".join(one_set(each) for each in sets),
        fused=fused(two),
        one_to_many=one_to_many(two),
    )


def networks(eyes: PipelineEyes, fp32: Path | None) -> dict[str, Callable[[], Embed]]:
    """What is compared, each to be opened when its turn comes."""
    out: dict[str, Callable[[], Embed]] = {SHIPPED: lambda: eyes.of_strip}
    if fp32 is not None:
        out[FLOAT] = lambda: Embedder(fp32.stem, TfliteModel(fp32.stem, fp32.read_bytes()), b"").embed_vector
    return out | {PEER_STRIP: lambda: ZeroShot(STRIP), PEER_EYES: lambda: ZeroShot(EYES)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--eval", type=Path, required=True, help="folder of the evaluation sets")
    parser.add_argument("--out", type=Path, required=True, help="where README.md and det-*.svg go")
    parser.add_argument("--float", type=Path, help="the shipped model's float form; without it the report has none")
    args = parser.parse_args()
    eyes, ways = PipelineEyes(Config()), {}
    for name, opened in networks(eyes, args.float).items():
        print(name, flush=True)
        ways[name] = trials.run(args.eval, opened())
    sets = [dict(zip(ways, each, strict=True)) for each in zip(*(tried.trials for tried in ways.values()), strict=True)]
    text = page(eyes.card, ways, sets)
    args.out.mkdir(parents=True, exist_ok=True)
    for each in sets:
        name = each[SHIPPED].name
        draw(args.out / f"det-{name}.svg", TITLES[name], {way: trial.comparisons for way, trial in each.items()})
    (args.out / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
