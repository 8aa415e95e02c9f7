# SPDX-License-Identifier: Apache-2.0
"""Times a model on this machine, one thread, and notes it in its card: `python -m recipe.speed MODEL.tflite --float
F.tflite`.

Beside it, in turn, so that a busy machine is unfair to all: its own float32 form, and whole-face SFace in float32.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tomli_w

from recipe.export import LiteRt
from recipe.sface import HEIGHT, WIDTH
from recipe.whole import SIDE, packaged_sface, runnable_sface, session


def sface() -> Callable[[], object]:
    peer, data = session(runnable_sface(packaged_sface())), np.zeros((1, 3, SIDE, SIDE), np.float32)
    return lambda: peer.run(["fc1"], {"data": data})


def medians_ms(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - start)
    return {name: round(float(np.median(times)) * 1e3, 2) for name, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--float", type=Path, required=True)
    parser.add_argument("--machine", default="x86-64 with AVX-512 and VNNI", help="what ran it, in words")
    args = parser.parse_args()
    picture = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
    model, fp32 = LiteRt(args.model), LiteRt(args.float)
    runs = {"int8_ms": lambda: model(picture), "float_ms": lambda: fp32(picture), "sface_float_ms": sface()}
    medians_ms(runs, 10)
    card = tomllib.loads(args.model.with_suffix(".toml").read_text())
    card["speed"] = {"machine": args.machine, "threads": 1, "statistic": "median of 200", **medians_ms(runs, 200)}
    args.model.with_suffix(".toml").write_text(tomli_w.dumps(card, indent=2))
    print(card["speed"])


if __name__ == "__main__":
    main()
