# SPDX-License-Identifier: Apache-2.0
"""The TOML file of the attack network: everything that decides what comes out, apart from the data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Config:
    """`*_share` are shares of 1.

    `sources`: the files to learn from, without `.npz`. `parts`: imitations and patches are drawn in so many parts, each
    from a seed of its own. Regions reach `enlarged` times the face's box and are at most `largest_px` wide or high;
    each is there as it is and `painted` times with a painted mask. `imitations` of live regions are made,
    `screen_share` of them as on a screen, the rest on paper. Of the `patches`, `live_share` show live people and
    `attack_share` real attacks, the rest imitations; `exchanged_share` of the real ones get another scene around the
    face, `panel_share` of the imitations are a panel that is held up in another scene. `smoothing`: labels are so far
    from 0 and 1. `keep_weight`: of the squared distance to the weights that it began with. `tuned_share`: of the tuned
    weights in the average with those. `folds`: people are held out by every so many.
    """

    name: str
    sources: tuple[str, ...]
    mask_seed: int
    imitation_seed: int
    patch_seed: int
    batch_seed: int
    parts: int
    enlarged: float
    largest_px: int
    painted: int
    imitations: int
    screen_share: float
    patches: int
    live_share: float
    attack_share: float
    exchanged_share: float
    panel_share: float
    steps: int
    batch: int
    learning_rate: float
    warmup_share: float
    smoothing: float
    keep_weight: float
    tuned_share: float
    folds: int


def load(path: Path) -> Config:
    """Raises TypeError for a key that is missing or unknown."""
    fields = tomllib.loads(path.read_text(encoding="utf-8"))
    return Config(**fields | {"sources": tuple(fields["sources"])})
