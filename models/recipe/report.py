# SPDX-License-Identifier: Apache-2.0
"""Writes docs/evaluation: `python -m recipe.report --eval STRIPS --out ../docs/evaluation`.

Tables and DET curves of our models, of SFace and dlib shown the eyes alone, and of a painted face, on the same strips
in one run. Counts, rates and intervals are those of `edge-gate evaluate`. Run it once for each model that is released.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edge_gate.provenance.cards import Card
from edge_gate.settings.config import Config
from edge_gate.tools.evaluation import intervals
from edge_gate.tools.evaluation.data import open_data
from edge_gate.tools.evaluation.protocol import Vectors
from recipe import cache, search, tables, trials, ways
from recipe.curves import draw
from recipe.tables import NOT_PROVEN, TITLES, Found
from recipe.trials import Embed
from recipe.ways import Kind, Way


def embedded(folder: Path, way: Way, kept: Path | None, shown: Progress) -> dict[str, Vectors]:
    """The embeddings of all sets' strips, from the cache where it has them; the network is opened where one lacks."""
    opened: list[Embed] = []
    out = {}
    for name in trials.FILES:
        file = folder / f"{name}.npz"
        task = shown.add_task(f"{way.name}: {name}", total=len(open_data(file).names))

        def make(name: str = name, task: int = task) -> Vectors:
            if not opened:
                opened.append(way.open())
            return trials.embed_all(folder, name, opened[0], lambda: shown.advance(task))

        out[name] = cache.kept(kept, cache.key(way.parts, file.read_bytes()), make)
        shown.remove_task(task)
    return out


def trained_on(card: Card) -> str:
    """One line: what the model saw, by its card."""
    return f"- `{card.name}`: {'; '.join(str(each['name']) for each in card.fields['training_data'])}."


def page(models: list[Card], found: list[Found]) -> str:
    """The whole report."""
    painted = bool(tables.of_kinds(found, Kind.PAINT))
    people, pictures = np.unique(found[0].tried.lfw.subject, return_counts=True)
    return tables.text(
        "report.template.md",
        name=models[0].name,
        ways="\n".join(f"- **{each.way.name}**: {each.way.about}." for each in found),
        weigh=ways.WEIGH,
        eyes_only=ways.EYES_ONLY,
        not_proven=NOT_PROVEN,
        trained="\n".join(trained_on(card) for card in models),
        three=tables.side_by_side(found),
        unpainted="" if painted else "- Painting the face before comparing it: not measured here.\n",
        sets="\n".join(tables.one_set(name, found) for name in TITLES),
        fp32=tables.float_against_int8(found),
        fused=tables.fused(found),
        splits=search.SPLITS,
        people=f"{len(people):,}",
        several=f"{int((pictures > 1).sum()):,}",
        large=tables.large_galleries(found),
        half=tables.HALF,
        bound=tables.percent(intervals.rule_of_three(tables.HALF)),
        small=tables.small_gallery(found),
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--eval", type=Path, required=True, help="folder of the evaluation sets")
    parser.add_argument("--out", type=Path, required=True, help="where README.md and det-*.svg go")
    parser.add_argument(
        "--model", action="append", metavar="NAME[=FLOAT.tflite]",
        help="a model of ours, by its card's name, and its float form; again for another. The first is the shipped one "
        "(default: the one that edge-gate loads)",
    )  # fmt: skip
    parser.add_argument("--painter", type=Path, help="network that paints a face (recipe.painter); left out without")
    parser.add_argument("--cache", type=Path, help="folder in which embeddings are kept for the next run")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    models, ours = ways.models(args.model or [Config().models.eyes])
    found, console = [], Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    for way in [*ours, *ways.others(args.painter)]:
        console.print(way.name)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
            vectors = embedded(args.eval, way, args.cache, shown)
        found.append(Found(way, trials.compare(args.eval, vectors, way.sides)))
    console.print("several pictures, one to many")
    text = page(models, found)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, title in TITLES.items():
        curves = {each.way.name: (each.way.kind, each.tried.trials[name].comparisons) for each in found}
        draw(args.out / f"det-{name}.svg", title, curves)
    (args.out / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
