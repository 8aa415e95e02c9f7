# SPDX-License-Identifier: Apache-2.0
"""Embeddings kept between runs of the report, so that a rerun takes minutes. Numbers only, no pictures.

The key is a digest of all that decides them: the network's bytes, the code that shows it the strips, and the set's
bytes. Whoever changes the runtime's version empties the folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from edge_gate.tools.evaluation.protocol import Vectors


def key(network: Iterable[bytes], data: bytes) -> str:
    """One digest of the network's parts, in their order, and of the set."""
    out = hashlib.sha256()
    for part in (*network, data):
        out.update(len(part).to_bytes(8, "big"))  # so that no two lists of parts run into the same bytes
        out.update(part)
    return out.hexdigest()


def kept(folder: Path | None, name: str, make: Callable[[], Vectors]) -> Vectors:
    """The array kept in `folder` under `name`, or made and kept now. Without a folder nothing is kept."""
    if folder is None:
        return make()
    file = folder / f"{name}.npy"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        made = make()
        part = file.with_suffix(".part")  # a run that is interrupted leaves no half of an array under the name
        with part.open("wb") as opened:
            np.save(opened, made, allow_pickle=False)
        part.replace(file)
    return np.asarray(np.load(file, allow_pickle=False), np.float32)
