# SPDX-License-Identifier: Apache-2.0
"""How long one thread takes to compare a probe with 100,000 templates: run as a process of its own.

The figure is the thread's processor time, which other work on the machine moves less than the clock on the wall.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from edge_gate.core.isolation import module_command
from edge_gate.rules.protection import BITS, differing, words

TEMPLATES = 100_000
SEARCHES = 60
DIMENSIONS = 128


def measured() -> dict[str, dict[str, float]]:
    """Return p50 and p95 in milliseconds for each kind of code, measured in a fresh process with one thread."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = module_command("edge_gate.tools.evaluation.protection.speed")
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def _time(search: Callable[[int], object]) -> dict[str, float]:
    taken = []
    for number in range(SEARCHES):
        began = time.thread_time()
        search(number)
        taken.append((time.thread_time() - began) * 1e3)
    return {"p50": float(np.median(taken)), "p95": float(np.quantile(taken, 0.95))}


def _best(scores: np.ndarray[tuple[int], np.dtype[np.generic]]) -> object:
    return np.argpartition(scores, -2)[-2:]


def _floats(dimensions: int, draw: np.random.Generator) -> dict[str, float]:
    vectors = draw.standard_normal((TEMPLATES, dimensions), np.float32)
    return _time(lambda number: _best(vectors @ vectors[number]))


def _bits(bits: int, draw: np.random.Generator) -> dict[str, float]:
    codes = draw.integers(0, 256, (TEMPLATES, bits // 8), np.uint8)
    columns = words(codes)
    return _time(lambda number: np.argpartition(differing(columns, codes[number]), 1)[:2])


def _indices(m: int, draw: np.random.Generator) -> dict[str, float]:
    columns = draw.integers(0, 16, (m, TEMPLATES), np.uint8)

    def search(number: int) -> object:
        equal = np.zeros(TEMPLATES, np.uint16)
        for column, index in zip(columns, columns[:, number], strict=True):
            equal += column == index
        return _best(equal)

    return _time(search)


def _own_keys(residents: int, draw: np.random.Generator) -> dict[str, float]:
    """A key for each resident: the probe is turned for each (swapped, negated), projected and compared."""
    axes = draw.standard_normal((DIMENSIONS, BITS)).astype(np.float32)
    order = np.argsort(draw.random((residents, DIMENSIONS)), axis=1)
    flip = draw.choice(np.array([-1, 1], np.float32), (residents, DIMENSIONS))
    codes = draw.integers(0, 256, (residents, BITS // 8), np.uint8).view(np.uint64)
    probes = draw.standard_normal((SEARCHES, DIMENSIONS)).astype(np.float32)

    def search(number: int) -> object:
        mine = np.packbits((probes[number][order] * flip) @ axes >= 0, axis=1).view(np.uint64)
        return _best(-np.bitwise_count(mine ^ codes).sum(axis=1, dtype=np.int32))

    return _time(search)


def _all() -> dict[str, dict[str, float]]:
    draw = np.random.default_rng(1)
    found = {f"floats {dimensions}": _floats(dimensions, draw) for dimensions in (DIMENSIONS, 124)}
    found |= {f"bits {bits}": _bits(bits, draw) for bits in (64, 128, 256, 512, 1024, 2048, 4096)}
    found |= {f"indices {m}": _indices(m, draw) for m in (128, 512)}
    return found | {f"own keys {residents}": _own_keys(residents, draw) for residents in (200, 1000)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_all()))
