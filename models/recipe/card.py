# SPDX-License-Identifier: Apache-2.0
"""Writes a model's card: `python -m recipe.card CONFIG --data FOLDER --model MODEL.tflite --float FLOAT.tflite
[--eval FOLDER]`.

What people have to say about the model (CONFIG's name with `.card.toml`) is joined with what is counted and measured
here: the hash, the tensors, how many pictures of each source it learned from, operating points on the held-out
people, the evaluation.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from recipe.config import Config, load
from recipe.evaluation import table
from recipe.export import LiteRt
from recipe.operating import points, trials
from recipe.strips import Strips, add_data, load_folders, unit
from recipe.validation import plain_inputs, watch

ROUNDS = 200


def tensor(details: dict[str, Any]) -> dict[str, object]:
    """Name, shape, type and quantization of an input or output as the file has them."""
    scale, zero_point = details["quantization"]
    return {
        "tensor": details["name"],
        "shape": [int(n) for n in details["shape"]],
        "dtype": np.dtype(details["dtype"]).name,
        "scale": float(scale),
        "zero_point": int(zero_point),
    }


def recipe_commit() -> str:
    """The commit that holds the recipe as it was run. Stops where the recipe has changes that no commit holds."""
    folder = Path(__file__).parent
    git = ["git", "-C", str(folder)]
    changed = subprocess.run([*git, "status", "--porcelain", "--", "."], capture_output=True, text=True, check=True)
    if changed.stdout.strip():
        raise SystemExit(f"commit the recipe first; not committed:\n{changed.stdout}")
    head = subprocess.run([*git, "log", "-1", "--format=%H", "--", "."], capture_output=True, text=True, check=True)
    return head.stdout.strip()


def with_counts(sources: list[dict[str, Any]], strips: Strips, config: Config) -> list[dict[str, Any]]:
    """Each `[[training_data]]` entry with the pictures and people learned from; entries name their files in `files`."""
    rows = config.split(strips).train
    out = []
    for source in sources:
        files = source.pop("files", None)
        if files:
            here = rows[np.isin(strips.source[rows], files)]
            source |= {"count": len(here), "people": len(np.unique(strips.subject[here]))}
        out.append(source)
    return out


def held_out(strips: Strips, config: Config, model: LiteRt, fp32: LiteRt) -> dict[str, Any]:
    """What the validation people say: single pictures, int8 and float, and the operating points of the int8 model."""
    rows = config.split(strips)
    sight = watch(strips, rows.people, config.seed)
    quantized, exact = sight.measure(model.embedder()), sight.measure(fp32.embedder())
    pictures = plain_inputs(sight.strips)[:500]
    likeness = (unit(model.embedder()(pictures)) * unit(fp32.embedder()(pictures))).sum(1)
    return {
        "validation": {
            "people": len(np.unique(strips.subject[rows.people])),
            "pictures": len(rows.people),
            "single_pictures_of_others": len(rows.singles),
            "int8": {k: round(v, 5) for k, v in quantized.items()},
            "float": {k: round(v, 5) for k, v in exact.items()},
            "cosine_int8_to_float": {
                "mean": round(float(likeness.mean()), 4),
                "least": round(float(likeness.min()), 4),
            },
        },
        "operating_point": points(trials(strips, rows, model.embedder(), config.seed)),
    }


def evaluation(folder: Path, model: LiteRt, fp32: LiteRt) -> list[dict[str, object]]:
    """The evaluation sets with the int8 model and intervals; the float model's figures beside them as `float_*`."""
    entries = table(folder, model.embedder(), ROUNDS)
    for entry, exact in zip(entries, table(folder, fp32.embedder()), strict=True):
        entry |= {f"float_{k}": v for k, v in exact.items() if k.startswith(("eer", "fnmr", "accuracy"))}
    return entries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    add_data(parser)
    parser.add_argument("--model", type=Path, required=True, help="the int8 model; the card goes beside it")
    parser.add_argument("--float", type=Path, required=True, help="its float form, in the run's folder")
    parser.add_argument("--eval", type=Path, help="the evaluation sets; opened once for each released model")
    parser.add_argument("--note", action="append", default=[], help="one more line for `not_known`")
    args = parser.parse_args()
    config, model, fp32 = load(args.config), LiteRt(args.model), LiteRt(args.float)
    said = tomllib.loads(args.config.with_suffix(".card.toml").read_text(encoding="utf-8"))
    strips = load_folders(args.data)
    card: dict[str, Any] = {
        "name": config.name,
        "file": args.model.name,
        "sha256": hashlib.sha256(args.model.read_bytes()).hexdigest(),
        "recipe_commit": recipe_commit(),
        **said,
    }
    for listed in ("not_known", "not_known_zh"):  # a note stands on both pages rather than on one
        if listed in card:
            card[listed] = args.note + card[listed]
    card["input"] |= tensor(model.input)
    card["output"] |= tensor(model.output)
    card["training_data"] = with_counts(card["training_data"], strips, config)
    card |= held_out(strips, config, model, fp32)
    card["evaluation"] = (
        evaluation(args.eval, model, fp32)
        if args.eval
        else [
            {
                "data": "held-out people of the training sets",
                "protocol": "see [validation]; the evaluation sets were not opened",
            }
        ]
    )
    args.model.with_suffix(".toml").write_text(tomli_w.dumps(card, indent=2), encoding="utf-8")
    print(args.model.with_suffix(".toml"))


if __name__ == "__main__":
    main()
