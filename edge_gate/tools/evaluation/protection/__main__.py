# SPDX-License-Identifier: Apache-2.0
"""`python -m edge_gate.tools.evaluation.protection DATA OUT`: measure what OUT/results.json lacks, write
OUT/README.md."""

from __future__ import annotations

from pathlib import Path

import click

from edge_gate.settings.config import Config
from edge_gate.tools.evaluation.eyes import PipelineEyes
from edge_gate.tools.evaluation.notebook import Notebook
from edge_gate.tools.evaluation.protection.measure import measure
from edge_gate.tools.evaluation.protection.people import load
from edge_gate.tools.evaluation.protection.report import render

DESCRIPTION = """Measure what protecting templates costs and stops, on strips in DATA, and write the report into OUT.

    DATA holds gatech.npz, mfr2.npz, lfw_folds_6_10.npz and lfw_folds_6_10.pairs.txt. What OUT/results.json has is not
    measured again: remove it to start afresh.
    """


@click.command(help=DESCRIPTION)
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--cache", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Where to keep embeddings between runs: a private folder outside the project.",
)  # fmt: skip
def main(data: Path, out: Path, cache: Path) -> None:
    """Run it."""
    eyes = PipelineEyes(Config())
    out.mkdir(parents=True, exist_ok=True)
    results = measure(load(data, eyes, cache), eyes.card, Notebook(out / "results.json"))
    (out / "README.md").write_text(render(results), encoding="utf-8")


if __name__ == "__main__":
    main()
