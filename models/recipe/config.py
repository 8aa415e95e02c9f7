# SPDX-License-Identifier: Apache-2.0
"""One TOML file per model: everything that decides what comes out, apart from the data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from recipe.strips import Floats, Split, Strips, split, unit


@dataclass(frozen=True, slots=True)
class Config:
    """`steps` batches of `batch` pictures; `*_share` are shares of pictures; `*_every` in steps.

    `mirrored`: the shipped model adds the embeddings of a picture and of its mirror image. The rest regularise:
    `frozen` first layers stay as they start, `dropout` before the full layer, `mix_share` of the pictures are blended
    with another one (mixup, Zhang et al. 2018), `erase_share` lose a patch (random erasing, Zhong et al. 2020).
    `eyes_weight`: the network is to say what SFace says of the whole face plus so many times what it says of the eyes
    alone; without labels, what the eyes cannot tell is only to be learned by heart. `view_weight`: how much it is to
    say what SFace says of the very same view, mask, weather, blends and all (Beyer et al., "Knowledge distillation: A
    good teacher is patient and consistent", 2022). `width`: the share of SFace's channels that a narrower network
    keeps. `learn_from`: the sources trained on. `begin`: a released model, beside the folder of this file, to go on
    from instead of SFace; its name may have the first digits of its SHA-256 behind an @.
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
    eyes_weight: float = 0.0
    view_weight: float = 0.0
    width: float = 1.0
    learn_from: tuple[str, ...] = ()
    begin: str = ""

    def target(self, strips: Strips) -> Floats:
        """What the network is to say of each strip, (n, 128), unit length. Raises ValueError where a file of those to
        be learned from does not have it."""
        if not self.eyes_weight:
            return strips.teacher
        if not strips.eyes.any(axis=1).all():
            raise ValueError("eyes_weight needs eyes_embedding in every file of learn_from (recipe.collect)")
        return unit(strips.teacher + self.eyes_weight * strips.eyes)

    def split(self, strips: Strips) -> Split:
        """Who is trained on and who is held out."""
        return split(strips, self.validation_people, self.single_share, self.seed, learn_from=self.learn_from)


def load(path: Path) -> Config:
    """Raises TypeError for a key that is missing or unknown."""
    fields = tomllib.loads(path.read_text(encoding="utf-8"))
    return Config(**fields | {"learn_from": tuple(fields.get("learn_from", ()))})
