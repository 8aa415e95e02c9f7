# SPDX-License-Identifier: Apache-2.0
"""How long the gate takes to compare one probe with everybody: run as a process of its own, in one thread.

numpy's BLAS takes its number of threads from the environment when it is loaded, so the measuring process is started
afresh with OPENBLAS_NUM_THREADS=1. On a busy machine one thread is also the faster way: two wait for each other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict

import numpy as np

from edge_gate.core.isolation import module_command
from edge_gate.rules.comparison import Gallery
from edge_gate.rules.protection import KEY_BYTES, SiteTransform
from edge_gate.tools.bench.timing import Timing, measure


def search(templates: int, dimensions: int, probes: int, seed: int = 1) -> Timing:
    """Search ``templates`` random templates for ``probes`` random probes, as the gate does it, in this process."""
    draw = np.random.default_rng(seed)
    vectors = draw.standard_normal((templates, dimensions), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    transform = SiteTransform(seed.to_bytes(KEY_BYTES, "big"))
    codes = [code.tobytes() for start in range(0, templates, 1000) for code in transform.encode(vectors[start:][:1000])]
    gallery = Gallery.of([f"{k:08x}" for k in range(templates)], codes, transform)
    asked = draw.standard_normal((probes, dimensions), np.float32)
    return measure(gallery.search, list(asked / np.linalg.norm(asked, axis=1, keepdims=True)))


def search_alone(templates: int, dimensions: int, probes: int) -> Timing:
    """Do the same in a fresh process with one thread."""
    command = [*module_command("edge_gate.tools.bench.search"), str(templates), str(dimensions), str(probes)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603
    return Timing(**json.loads(done.stdout))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(search(*map(int, sys.argv[1:4])))))
