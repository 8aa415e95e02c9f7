# SPDX-License-Identifier: Apache-2.0
"""The evaluation sets' protocols, single pictures. To be run once for each model that is released.

LFW View 2 folds 6 to 10 (Huang et al. 2007): the accuracy of each fold at the threshold that is best on the other four.
MFR2 (Anwar and Raychowdhury 2020) and the Georgia Tech face set: all pairs. ROF (Erakin et al. 2021): each masked
picture against each unmasked one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from recipe.metrics import Compared, against, all_pairs, eer, fnmr_at, people_interval
from recipe.operating import LEAST_ERRORS
from recipe.strips import Flags, Floats, Strips, load_file, unit
from recipe.validation import Embed, plain_inputs

FMRS = ((1e-2, "fnmr_at_fmr_1e2"), (1e-3, "fnmr_at_fmr_1e3"), (1e-4, "fnmr_at_fmr_1e4"))
FOLDS = 5


def best_threshold(score: Floats, same: Flags) -> float:
    """The threshold with the most right answers."""
    order = np.argsort(score)
    right = np.concatenate([[same.sum()], same.sum() + np.cumsum(np.where(same[order], -1, 1))])
    best = int(np.argmax(right))
    ends = np.concatenate([[-1.0], score[order], [1.0]])
    return float((ends[best] + ends[best + 1]) / 2)


def fold_accuracy(score: Floats, same: Flags) -> float:
    """Mean over folds (equal runs of the pairs, in their order) of the accuracy at the other folds' threshold."""
    fold = np.arange(len(score)) * FOLDS // len(score)
    chosen = [best_threshold(score[fold != k], same[fold != k]) for k in range(FOLDS)]
    return float(np.mean([((score[fold == k] >= chosen[k]) == same[fold == k]).mean() for k in range(FOLDS)]))


@dataclass(frozen=True, slots=True)
class Protocol:
    """One set compared in one way: a name, what was compared, and how many people and pictures it takes."""

    name: str
    compared: Compared
    subjects: int
    images: int

    def figures(self, rounds: int) -> dict[str, object]:
        """Counts and rates (fractions) with 95 % intervals, as a card's [[evaluation]] entry; no rate that the number
        of impostor comparisons cannot support (LEAST_ERRORS false matches)."""
        genuine, impostor = self.compared.split()
        out: dict[str, object] = {
            "data": self.name,
            "n_subjects": self.subjects,
            "n_images": self.images,
            "n_genuine": len(genuine),
            "n_impostor": len(impostor),
        }
        wanted = [("eer", eer)] + [
            (key, partial(fnmr_at, fmr=fmr)) for fmr, key in FMRS if fmr * len(impostor) >= LEAST_ERRORS
        ]
        for key, figure in wanted:
            out[key] = round(figure(genuine, impostor), 5)
            if rounds:
                out[f"{key}_ci95"] = [round(x, 5) for x in people_interval(self.compared, figure, rounds)]
        return out


def lfw(strips: Strips, embedding: Floats, pairs: Path) -> Protocol:
    """The pairs file's pairs: `index_a index_b same`."""
    a, b, same = np.loadtxt(pairs, dtype=np.int64).T
    _, label = np.unique(strips.subject, return_inverse=True)
    score = (embedding[a] * embedding[b]).sum(1)
    return Protocol(
        "LFW View 2, folds 6 to 10",
        Compared(score, same == 1, label[a], label[b]),
        len(np.unique(label[np.r_[a, b]])),
        len(np.unique(np.r_[a, b])),
    )


def protocols(folder: Path, embed: Embed) -> list[Protocol]:
    """All of `folder`'s protocols with one model. LFW comes first."""

    def one(name: str) -> tuple[Strips, Floats]:
        strips = load_file(folder / f"{name}.npz")
        return strips, unit(embed(plain_inputs(strips)))

    out = [lfw(*one("lfw_folds_6_10"), folder / "lfw_folds_6_10.pairs.txt")]
    for name, title in (("mfr2", "MFR2 (real masks), all pairs"), ("gatech", "Georgia Tech faces, all pairs")):
        strips, embedding = one(name)
        out.append(
            Protocol(title, all_pairs(embedding, strips.subject), len(set(strips.subject.tolist())), len(strips))
        )
    (probe, p), (reference, r) = one("rof_masked"), one("rof_unmasked")
    out.append(
        Protocol(
            "ROF (real masks), masked to unmasked",
            against(p, probe.subject, r, reference.subject),
            len(set(probe.subject.tolist())),
            len(probe) + len(reference),
        )
    )
    return out


def table(folder: Path, embed: Embed, rounds: int = 0) -> list[dict[str, object]]:
    """[[evaluation]] entries of one model; LFW's also has `accuracy`."""
    entries = []
    for index, protocol in enumerate(protocols(folder, embed)):
        entry = protocol.figures(rounds)
        if index == 0:
            entry["accuracy"] = round(fold_accuracy(protocol.compared.score, protocol.compared.same), 5)
        entries.append(entry)
    return entries
