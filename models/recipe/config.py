# SPDX-License-Identifier: Apache-2.0
"""One TOML file per model: everything that decides what comes out, apart from the data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Config:
    """`steps` batches of `batch` pictures; `*_share` are shares of pictures; `*_every` in steps.

    `mirrored`: the shipped model adds the embeddings of a picture and of its mirror image. The rest regularise:
    `frozen` first layers stay as they start, `dropout` before the full layer, `mix_share` of the pictures are blended
    with another one (mixup, Zhang et al. 2018), `erase_share` lose a patch (random erasing, Zhong et al. 2020).
    """

    name: str
    seed: int
    steps: int
    batch: int
    learning_rate: float
    warmup: int
    weight_decay: float
    average: float
    identity_weight: float
    scale: float
    margin: float
    teacher_weight: float
    mask_share: float
    warp_share: float
    validation_people: dict[str, int]
    single_share: float
    checkpoint_every: int
    validate_every: int
    mirrored: bool = False
    frozen: int = 0
    dropout: float = 0.0
    mix_share: float = 0.0
    erase_share: float = 0.0


def load(path: Path) -> Config:
    """Raises TypeError for a key that is missing or unknown."""
    return Config(**tomllib.loads(path.read_text()))
