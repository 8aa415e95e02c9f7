# SPDX-License-Identifier: Apache-2.0
"""The evaluation sets as embeddings of the shipped model, through the gate's own code, kept in a cache file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_gate.core.errors import BadEvaluationData
from edge_gate.core.plain_files import open_plain, read_plain
from edge_gate.tools.evaluation.acquire import Eyes, acquire
from edge_gate.tools.evaluation.data import LARGEST_PACKED, Pairs, open_data, read_pairs
from edge_gate.tools.evaluation.protocol import Embedded

SETS = ("gatech", "mfr2", "lfw_folds_6_10")
LISTED = "lfw_folds_6_10"


@dataclass(frozen=True, slots=True)
class People:
    """One set: ``pictures``, how many people they show, and the pairs that its protocol lists (None: all pairs)."""

    name: str
    pictures: Embedded
    n_subjects: int
    pairs: Pairs | None


def load(folder: Path, eyes: Eyes, cache: Path) -> list[People]:
    """Embed every strip of the sets in ``folder``, or take the embeddings from ``cache``.

    The cache is a folder outside the project; a file in it is named by the model and the strips that it came from.
    Raises BadEvaluationData, also for a strip that gave no embedding: the pairs count them.
    """
    found = []
    for name in SETS:
        data = open_data(folder / f"{name}.npz")
        names = sorted(set(data.subjects))
        number = {person: index for index, person in enumerate(names)}
        subject = np.array([number[each] for each in data.subjects], np.int32)
        vectors = _vectors(folder / f"{name}.npz", eyes, cache)
        pairs = read_pairs(folder / f"{name}.pairs.txt", data) if name == LISTED else None
        found.append(People(name, Embedded(vectors, subject), len(names), pairs))
    return found


def _vectors(file: Path, eyes: Eyes, cache: Path) -> NDArray[np.float32]:
    model = bytes.fromhex(str(eyes.card.fields["sha256"]))
    digest = hashlib.sha256(read_plain(file, LARGEST_PACKED) + model).hexdigest()[:16]
    kept = cache / f"{file.stem}-{digest}.npy"
    if kept.is_file():
        with open_plain(kept, LARGEST_PACKED) as opened:
            return np.asarray(np.load(opened), np.float32)
    data = open_data(file)
    acquired = acquire(data, eyes, range(len(data.names)), False, lambda: None)
    if acquired.failures:
        raise BadEvaluationData(file, f"{acquired.failures[0].picture}: {acquired.failures[0].reason}")
    cache.mkdir(parents=True, exist_ok=True)
    np.save(kept, acquired.vectors)
    return acquired.vectors
