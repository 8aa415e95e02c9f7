# SPDX-License-Identifier: Apache-2.0
"""Strips of eyes and brows in memory, and which people are kept out of training.

A strip is 72 x 160 x 3, BGR, uint8; the eyes of an average face lie at (56, 46) and (104, 46). Files are `.npz` with
`webp`, `offset`, `subject`, and for training `teacher_embedding`, `masked_warp`, `mask_edge` and `eyes_embedding`
(README.md in this folder).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

STRIP_H, STRIP_W = 72, 160
GENERATED = "people"  # the source of recipe.people's files

Pictures = NDArray[np.uint8]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Strips:
    """n strips: `bgr` (n, 72, 160, 3), `subject` and `source` (n, str), and where the files have them `teacher` (n,
    128, unit length), `masked_warp` (n, 2, 3), `mask_edge` (n, 5, 2), and `eyes` (n, 128, unit length; 0 where not
    known)."""

    bgr: Pictures
    subject: NDArray[np.str_]
    source: NDArray[np.str_]
    teacher: Floats
    masked_warp: Floats
    mask_edge: Floats
    eyes: Floats

    def __len__(self) -> int:
        return len(self.subject)

    @classmethod
    def joined(cls, parts: Sequence[Strips]) -> Strips:
        return cls(*(np.concatenate([getattr(p, f) for p in parts]) for f in cls.__slots__))

    def take(self, rows: Ints | Flags) -> Strips:
        return Strips(*(getattr(self, field)[rows] for field in self.__slots__))


def unit(vectors: Floats) -> Floats:
    """Rows scaled to length 1."""
    scaled: Floats = (vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)).astype(np.float32)
    return scaled


def decode(
    path: Path, webps: str = "webp", offsets: str = "offset", size: tuple[int, int] = (STRIP_H, STRIP_W)
) -> Pictures:
    """All pictures of one kind in one file, (n, height, width, 3): the strips, if not said otherwise."""
    with np.load(path) as z:
        webp, offset = z[webps], z[offsets]
    pictures = np.empty((len(offset) - 1, *size, 3), np.uint8)

    def one(i: int) -> None:
        picture = cv2.imdecode(webp[offset[i] : offset[i + 1]], cv2.IMREAD_COLOR)
        if picture is None:
            raise ValueError(f"{path}: picture {i} cannot be decoded")
        pictures[i] = picture

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(len(pictures))))
    return pictures


def load_file(path: Path) -> Strips:
    with np.load(path) as z:
        subject, n = z["subject"].astype(str), len(z["subject"])
        teacher, eyes = (
            unit(z[name].astype(np.float32)) if name in z else np.zeros((n, 128), np.float32)
            for name in ("teacher_embedding", "eyes_embedding")
        )
        warp = z["masked_warp"].astype(np.float32) if "masked_warp" in z else np.full((n, 2, 3), np.nan, np.float32)
        edge = z["mask_edge"].astype(np.float32) if "mask_edge" in z else np.full((n, 5, 2), np.nan, np.float32)
    return Strips(decode(path), subject, np.full(n, path.stem.partition("-")[0]), teacher, warp, edge, eyes)


def load_folders(folders: Sequence[Path]) -> Strips:
    """Every `.npz` in the folders, folder by folder in the order of their names. What stands behind a hyphen in a
    file's name numbers the parts of one source."""
    return Strips.joined([load_file(p) for folder in folders for p in sorted(folder.glob("*.npz"))])


def add_data(parser: argparse.ArgumentParser) -> None:
    """The option `--data`, which all steps share: `args.data` are folders for load_folders."""
    text = "folder of strips (.npz); give it once for each folder, in the same order in every step"
    parser.add_argument("--data", type=Path, required=True, action="append", help=text)


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to train on, rows of validation people with several pictures, and single pictures of other people
    (impostors)."""

    train: Ints
    people: Ints
    singles: Ints


def centroids(teacher: Floats, label: Ints) -> Floats:
    """Mean direction of each label's teacher embeddings, (labels, 128), unit length."""
    total = np.zeros((int(label.max()) + 1, teacher.shape[1]), np.float32)
    np.add.at(total, label, teacher)
    return unit(total)


def split(
    strips: Strips,
    people: dict[str, int],
    single_share: float,
    seed: int,
    min_pictures: int = 4,
    same_person: float = 0.5,
    learn_from: Sequence[str] = (),
) -> Split:
    """Hold out `people[source]` labelled people with at least `min_pictures` pictures, and `single_share` of the
    pictures of the sources where every picture is its own subject. Whoever in training resembles one of them
    (teacher, whole face, cosine above `same_person`) is left out altogether: the sets share public figures under
    different names. Only the sources in `learn_from` are trained on, all where it is empty; who is held out does not
    depend on it, and generated people never are: figures are to be of people who exist."""
    rng = np.random.default_rng(seed)
    names, label, count = np.unique(strips.subject, return_inverse=True, return_counts=True)
    first_source = strips.source[np.unique(label, return_index=True)[1]]
    held = np.zeros(len(names), bool)
    single = np.zeros(len(names), bool)
    for source in sorted(set(strips.source.tolist()) - {GENERATED}):
        here = np.flatnonzero(first_source == source)
        if source in people:
            pool = here[count[here] >= min_pictures]
            held[rng.choice(pool, min(people[source], len(pool)), replace=False)] = True
        elif len(here) and int(count[here].max()) == 1:
            single[rng.choice(here, int(single_share * len(here)), replace=False)] = True
    centre = centroids(strips.teacher, label)
    alike = (centre @ centre[held].T > same_person).any(axis=1)
    wanted = np.isin(strips.source, learn_from) if learn_from else np.ones(len(strips), bool)
    return Split(
        np.flatnonzero(wanted & ~(held | single | alike)[label]),
        np.flatnonzero(held[label]),
        np.flatnonzero((single & ~alike)[label]),
    )
