# SPDX-License-Identifier: Apache-2.0
"""`python -m edge_gate.tools.pad DATA OUT`: measure what OUT/results.json lacks, write OUT/README.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from edge_gate.provenance import cards
from edge_gate.settings.config import Config
from edge_gate.tools.evaluation.notebook import Notebook
from edge_gate.tools.pad.data import open_presentations
from edge_gate.tools.pad.document import CLIPS, SETS, SIZES_PX, render
from edge_gate.tools.pad.run import Request, evaluate, look, simulate
from edge_gate.tools.pad.seeing import Eyes, Seen

CROPS: Final = "crops_train.npz"
MASKED_FACES: Final = ("mfr2.npz", "rof_masked.npz")
DESCRIPTION = """Measure attack detection on recordings in DATA and on simulated attacks, and write the report into OUT.

    DATA holds pad/ (nuaa_eval.npz, pourfard_eval.npz, crops_train.npz, videos/) and acquire/ (mfr2.npz,
    rof_masked.npz). What OUT/results.json has is not measured again, unless the model is another.
    """


@click.command(help=DESCRIPTION)
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--people", type=click.IntRange(1), default=6, show_default=True, help="How many are simulated.")
def main(data: Path, out: Path, people: int) -> None:
    """Run it."""
    settings = Config()
    out.mkdir(parents=True, exist_ok=True)
    notebook = _notebook(out / "results.json", settings)
    for name in SETS:
        ask = Request(data / "pad" / name, mask=True, controls=True)
        notebook.note("recordings", name, partial(_measured, ask, settings, name))
    notebook.note("crops", CROPS, partial(_unscored, Request(data / "pad" / CROPS), settings))
    for name in MASKED_FACES:
        notebook.note("masked faces", name, partial(_refused, data / "acquire" / name, settings))
    notebook.note("simulated", "people", lambda: _without_rows(simulate(people, settings, _quietly).as_dict(), ""))
    (out / "README.md").write_text(render(notebook.results), encoding="utf-8")


def _notebook(path: Path, settings: Config) -> Notebook:
    """Open the results, afresh where they are another model's."""
    card = cards.read(settings.models, settings.models.liveness)
    model = {"name": card.name, "sha256": str(card.fields["sha256"])}
    notebook = Notebook(path)
    if notebook.results.get("about", {}).get("model") != model:
        path.unlink(missing_ok=True)
        notebook = Notebook(path)
    notebook.note("about", "model", lambda: model)
    return notebook


def _measured(ask: Request, settings: Config, name: str) -> dict[str, Any]:
    return _without_rows(evaluate(ask, settings, _quietly).as_dict(), name)


def _without_rows(found: dict[str, Any], name: str) -> dict[str, Any]:
    """Return figures without a row for each presentation, but for the clips, which the report names one by one."""
    for part in (found, *((found["masked"] or found["scene"] or {}).values())):
        if part is found or name != CLIPS:
            del part["presentations"]
    return found


def _unscored(ask: Request, settings: Config) -> dict[str, int]:
    sides = _measured(ask, settings, CROPS)["non_response"].values()
    return {key: sum(side[key] for side in sides) for key in ("n", "not_scored")}


def _refused(path: Path, settings: Config) -> dict[str, Any]:
    """Return how many single pictures of people in real masks are refused, by the pixels between their eyes."""
    eyes = Eyes(settings)
    worn = [each for each in open_presentations(path, "live") if each.origin.source != "unmasked"]
    seen = look(eyes, worn, lambda: None)
    frames = [frame for each in seen for frame in each.frames]
    found: dict[str, Any] = {"pictures": len(frames), "people": len({each.origin.person for each in seen})}
    for (low, high), scores in zip(SIZES_PX, _by_size(seen), strict=True):
        refused = sum(each < eyes.point.threshold for each in scores)
        found[f"{low}-{high}"] = {"scored": len(scores), "refused": refused}
    return found


def _by_size(seen: Sequence[Seen]) -> Iterator[list[float]]:
    scored = [frame for each in seen for frame in each.measured]
    sizes = np.array([each.sighting.quality.interocular_px if each.sighting else 0.0 for each in scored])
    for low, high in SIZES_PX:
        yield [each.score for each, size in zip(scored, sizes, strict=True) if low <= size < high]


def _quietly(_total: int) -> Any:
    return lambda: None


if __name__ == "__main__":
    main()
