# SPDX-License-Identifier: Apache-2.0
"""Operating points, measured on the held-out people and pictures, never on the evaluation sets.

`single`: one masked picture against one unmasked picture. `fused`: a template of four unmasked pictures against a
fused probe of four masked ones (mean of unit vectors, normalised), as the gate decides. A probe is made in both ways
that an approach can go, and the higher threshold of the two is kept: four different pictures of a person, and four
frames of one moment (one picture under one mask with the small differences of successive frames), whose errors do not
average out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from recipe.metrics import threshold_at, upper95
from recipe.strips import Floats, Ints, Pictures, Split, Strips, unit
from recipe.validation import Embed, a_few_each, masked_inputs, plain_inputs
from recipe.weather import INPUT_TO_STRIP, cut, jitter, masked, sensor, soften, square

FMRS = (1e-2, 1e-3, 1e-4, 1e-5)
FUSED = 4
LEAST_ERRORS = 10


def frames(strips: Strips, seed: int, count: int = FUSED) -> Pictures:
    """`count` frames of each strip's moment under one mask, (n * count, 48, 112, 3): jitter, softness and noise
    differ."""
    out = []
    for i in range(len(strips)):
        rng = np.random.default_rng((seed, 7, i))
        painted, back = masked(strips.bgr[i], strips.mask_edge[i], strips.masked_warp[i], rng, 1.0)
        for _ in range(count):
            affine = (back @ jitter(rng, 0.012, 0.7, 0.6) @ square(INPUT_TO_STRIP))[:2]
            out.append(sensor(cut(soften(painted, rng), affine).astype(np.float32), rng))
    return np.stack(out)


def fused(vectors: Floats, groups: Ints) -> Floats:
    """Mean direction of each group, (groups, d), where a longer vector weighs more; `groups` numbers the rows from 0,
    -1 for rows in none."""
    total = np.zeros((int(groups.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(total, groups[groups >= 0], vectors[groups >= 0])
    return unit(total)


def sharing(probe_group: Ints, group: Ints) -> np.ndarray:
    """Which fused probes share a picture with which templates (probes x templates)."""
    shared = np.zeros((int(probe_group.max()) + 1, int(group.max()) + 1), bool)
    both = (group >= 0) & (probe_group >= 0)
    shared[probe_group[both], group[both]] = True
    return shared


def disjoint_groups(label: Ints, size: int, seed: int) -> Ints:
    """Numbers rows into groups of `size` of one label, as many as there are; -1 for what is left over."""
    rng, group, following = np.random.default_rng(seed), np.full(len(label), -1), 0
    for value in np.unique(label):
        rows = rng.permutation(np.flatnonzero(label == value))
        for start in range(0, len(rows) - size + 1, size):
            group[rows[start : start + size]] = following
            following += 1
    return group


@dataclass(frozen=True, slots=True)
class Trial:
    """Probes compared with references: scores (probes x references), whose they are (-1: nobody's, an impostor to
    all), and which comparisons do not count, a picture in the template that it is compared with."""

    kind: str
    probes: str
    score: Floats
    probe_label: Ints
    reference_label: Ints
    void: np.ndarray

    def split(self) -> tuple[Floats, Floats]:
        same = self.probe_label[:, None] == self.reference_label
        return self.score[same & ~self.void], self.score[~same & ~self.void]


def trials(strips: Strips, rows: Split, embed: Embed, seed: int, most: int = 40) -> list[Trial]:
    """All trials of one model. Held-out people give templates and probes; the singles are probes that nobody may
    match."""
    people = a_few_each(strips, rows.people, most, seed)
    known, everyone = strips.take(people), strips.take(np.concatenate([people, rows.singles]))
    n = len(people)
    _, label = np.unique(known.subject, return_inverse=True)
    probe_label = np.concatenate([label, np.full(len(rows.singles), -1)])
    plain = unit(embed(plain_inputs(known)))
    covered = unit(embed(masked_inputs(everyone, seed)))
    moment = fused(unit(embed(frames(everyone, seed))), np.repeat(np.arange(len(everyone)), FUSED))
    group = disjoint_groups(label, FUSED, seed)
    template, template_label = fused(plain, group), label_of(group, label)
    inside = np.zeros((len(everyone), len(template)), bool)
    inside[np.flatnonzero(group >= 0), group[group >= 0]] = True
    probe_group = disjoint_groups(label, FUSED, seed + 1)
    probe = fused(covered[:n], probe_group)
    shared = sharing(probe_group, group)
    itself = np.eye(len(everyone), n, dtype=bool)
    four = label_of(probe_group, label)
    return [
        Trial("single", "one masked picture", covered @ plain.T, probe_label, label, itself),
        Trial("fused", "four masked pictures", probe @ template.T, four, template_label, shared),
        Trial("fused", "four frames of one masked picture", moment @ template.T, probe_label, template_label, inside),
    ]


def label_of(group: Ints, label: Ints) -> Ints:
    out = np.zeros(int(group.max()) + 1, np.int64)
    out[group[group >= 0]] = label[group >= 0]
    return out


def points(found: list[Trial]) -> list[dict[str, object]]:
    """[[operating_point]] entries: for each kind and FMR the highest threshold that any of the kind's trials asks
    for, with that trial's counts; `by_probe` has what each trial alone would ask for, and its FNMR at the threshold
    that was kept. A rate that one of the kind's trials cannot support (LEAST_ERRORS false matches) is left out."""
    out: list[dict[str, object]] = []
    for kind in dict.fromkeys(t.kind for t in found):
        scores = [(t.probes, *t.split()) for t in found if t.kind == kind]
        for fmr in FMRS:
            if any(fmr * len(impostor) < LEAST_ERRORS for _, _, impostor in scores):
                continue
            probes, genuine, impostor = max(scores, key=lambda s: threshold_at(s[2], fmr))
            threshold = math.ceil(threshold_at(impostor, fmr) * 1e4) / 1e4
            errors = int((impostor >= threshold).sum())
            out.append(
                {
                    "kind": kind,
                    "fmr": fmr,
                    "threshold": float(threshold),
                    "n_impostor": len(impostor),
                    "false_matches": errors,
                    "fmr_upper95": float(f"{upper95(errors, len(impostor)):.3g}"),
                    "n_genuine": len(genuine),
                    "fnmr": fnmr(genuine, threshold),
                    "probe": probes,
                    "by_probe": [
                        {
                            "probe": name,
                            "threshold": round(threshold_at(i, fmr), 4),
                            "n_impostor": len(i),
                            "n_genuine": len(g),
                            "fnmr": fnmr(g, threshold),
                        }
                        for name, g, i in scores
                    ],
                }
            )
    return out


def fnmr(genuine: Floats, threshold: float) -> float:
    return round(float((genuine < threshold).mean()), 4)
