# SPDX-License-Identifier: Apache-2.0
"""Whether an embedding's length says how far to trust a frame: `python -m recipe.weigh CONFIG --data FOLDER --model
MODEL.tflite`.

The network's output is not normalised, so each embedding carries a second number for nothing: its length. In networks
trained on cosines it goes with how well a picture can be recognised (Meng et al., "MagFace", 2021). Asked here of the
held-out people: how it goes with the likeness to the teacher; how error rates differ between short and long; whether
fusion gains by weighing frames with it. Printed as a table for EXPERIMENTS.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from recipe.config import load
from recipe.export import LiteRt
from recipe.metrics import eer, fnmr_at
from recipe.operating import FUSED, disjoint_groups, frames, fused, label_of, sharing
from recipe.strips import Floats, Ints, Strips, add_data, load_folders, unit
from recipe.validation import Embed, a_few_each, masked_inputs, plain_inputs

POWERS = (0.0, 1.0, 2.0, 4.0)
FMRS = (1e-2, 1e-3, 1e-4)


def length(vectors: Floats) -> Floats:
    return np.linalg.norm(vectors, axis=1)


def weighing(vectors: Floats, power: float) -> Floats:
    """The same directions, as long as the lengths to a power: how much fusion will listen to each."""
    return unit(vectors) * (length(vectors) ** power)[:, None]


def rates(genuine: Floats, impostor: Floats) -> str:
    figures = [eer(genuine, impostor), *(fnmr_at(genuine, impostor, fmr) for fmr in FMRS)]
    return " | ".join(f"{100 * f:.2f}" for f in figures)


def report(strips: Strips, people: Ints, embed: Embed, seed: int) -> list[str]:
    """The lines to print."""
    known = strips.take(people)
    _, label = np.unique(known.subject, return_inverse=True)
    plain, covered = embed(plain_inputs(known)), embed(masked_inputs(known, seed))
    moment = embed(frames(known, seed))
    likeness = (unit(covered) * known.teacher).sum(1)
    lines = [f"correlation of length and likeness to the teacher: {np.corrcoef(length(covered), likeness)[0, 1]:.2f}"]
    score, same = unit(covered) @ unit(plain).T, label[:, None] == label
    itself = np.eye(len(label), dtype=bool)
    for quarter, rows in enumerate(np.array_split(np.argsort(length(covered)), 4), 1):
        genuine, impostor = score[rows][same[rows] & ~itself[rows]], score[rows][~same[rows]]
        lines.append(f"quarter {quarter} by length | {rates(genuine, impostor)}")
    group, other = disjoint_groups(label, FUSED, seed), disjoint_groups(label, FUSED, seed + 1)
    alone, four = np.arange(len(label)), np.repeat(np.arange(len(label)), FUSED)
    for power in POWERS:
        template, whose = fused(weighing(plain, power), group), label_of(group, label)
        for name, probe, probe_label, void in (
            ("four pictures", fused(weighing(covered, power), other), label_of(other, label), sharing(other, group)),
            ("four frames", fused(weighing(moment, power), four), label, sharing(alone, group)),
        ):
            score, same = probe @ template.T, probe_label[:, None] == whose
            lines.append(f"{name}, weight length^{power:g} | {rates(score[same & ~void], score[~same & ~void])}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    add_data(parser)
    parser.add_argument("--model", type=Path, required=True)
    args = parser.parse_args()
    config = load(args.config)
    strips = load_folders(args.data)
    people = a_few_each(strips, config.split(strips).people, 40, config.seed)
    print("what | EER | " + " | ".join(f"FNMR at FMR {fmr:g}" for fmr in FMRS))
    for line in report(strips, people, LiteRt(args.model).embedder(), config.seed):
        print(line)


if __name__ == "__main__":
    main()
