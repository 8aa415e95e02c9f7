# SPDX-License-Identifier: Apache-2.0
"""The figure that a run is steered by: held-out people, plain and masked, single pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipe.metrics import against, all_pairs, eer, fnmr_at
from recipe.strips import Floats, Ints, Pictures, Strips, unit
from recipe.weather import INPUT_TO_STRIP, cut, masked, square

Embed = Callable[[Pictures], Floats]


def plain_inputs(strips: Strips) -> Pictures:
    return np.stack([cut(s) for s in strips.bgr])


def masked_inputs(strips: Strips, seed: int, warp_share: float = 1.0) -> Pictures:
    """Each strip under a painted mask, aligned as the device would have aligned the masked face."""
    out = []
    for i in range(len(strips)):
        rng = np.random.default_rng((seed, i))
        painted, back = masked(strips.bgr[i], strips.mask_edge[i], strips.masked_warp[i], rng, warp_share)
        out.append(cut(painted, (back @ square(INPUT_TO_STRIP))[:2]))
    return np.stack(out)


def a_few_each(strips: Strips, rows: Ints, most: int, seed: int) -> Ints:
    """At most `most` of each person's rows."""
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(rows[strips.subject[rows] == s])[:most] for s in np.unique(strips.subject[rows])]
    return np.sort(np.concatenate(chosen))


@dataclass(frozen=True, slots=True)
class Watch:
    """Held-out people's pictures, made into inputs once."""

    strips: Strips
    plain: Pictures
    masked: Pictures

    def measure(self, embed: Embed) -> dict[str, float]:
        """EER and FNMR at FMR 1e-3: plain to plain (`pp_`), masked to plain (`mp_`)."""
        plain, covered = unit(embed(self.plain)), unit(embed(self.masked))
        pp = all_pairs(plain, self.strips.subject).split()
        mp = against(covered, self.strips.subject, plain, self.strips.subject)
        other = ~np.eye(len(self.strips), dtype=bool).ravel()  # never a picture with its own masked copy
        genuine, impostor = mp.score[mp.same & other], mp.score[~mp.same]
        return {
            "pp_eer": eer(*pp),
            "pp_fnmr_1e3": fnmr_at(*pp, 1e-3),
            "mp_eer": eer(genuine, impostor),
            "mp_fnmr_1e3": fnmr_at(genuine, impostor, 1e-3),
        }


def watch(strips: Strips, people: Ints, seed: int, most: int = 8) -> Watch:
    chosen = strips.take(a_few_each(strips, people, most, seed))
    return Watch(chosen, plain_inputs(chosen), masked_inputs(chosen, seed))
