# SPDX-License-Identifier: Apache-2.0
"""Makes strips of eyes and brows from pictures of consenting people: `python -m recipe.collect PICTURES --to FILE.npz`.

PICTURES holds a folder for each person, named as you like, with that person's pictures in it. Faces are found, aligned
and cut by the terminal's own code, so training sees what a gate sees. Of a face the file keeps the strip, what SFace
says of the whole face, and how a painted mask moves the alignment; the face itself is not kept.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from rich.progress import track

from edge_gate.eye.face.align import cut_strip, placing
from edge_gate.eye.face.geometry import Points, cut, fit
from edge_gate.eye.face.mesh import TEMPLATE, Mesh
from edge_gate.tools.demo.cutout import EYES_PX, Figure
from edge_gate.tools.demo.faces import Faces, size_px
from edge_gate.tools.demo.mask import STYLES, put_on
from recipe.strips import Floats, Pictures
from recipe.whole import SIDE, WholeFace
from recipe.zeroshot import STRIP, ZeroShot

MASK_EDGE = (234, 117, 197, 346, 454)  # mesh points along which a mask's upper edge runs
LEAST_INTEROCULAR_PX = 18.0
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True, slots=True)
class Record:
    """What training needs of one picture: `strip` (72 x 160 x 3), `face` (112 x 112 x 3, aligned, unmasked), `teacher`
    (128, unit length), `masked_warp` (2 x 3, NaN where the masked face was not found), `mask_edge` (5 x 2),
    `eyes` (128, unit length: the teacher on the strip's rows alone), `source_iod_px`: the pixels between the eyes in
    the picture."""

    strip: Pictures
    face: Pictures
    teacher: Floats
    masked_warp: Floats
    mask_edge: Floats
    eyes: Floats
    source_iod_px: float


class Collector:
    """The terminal's detector and mesh, and the teacher."""

    def __init__(self) -> None:
        self.faces, self.teacher, self.eyes = Faces(), WholeFace(), ZeroShot(STRIP)

    def record(self, bgr: Pictures, rng: Generator) -> Record | None:
        """What training needs of the largest face in a picture, or None where none is found or it is too small."""
        mesh = self.faces.find(bgr)
        return None if mesh is None else self.record_of(bgr, mesh, rng)

    def record_of(self, bgr: Pictures, mesh: Mesh, rng: Generator) -> Record | None:
        interocular = size_px(mesh.five)
        if interocular < LEAST_INTEROCULAR_PX:
            return None
        to_strip, face = placing(mesh.five), cut(bgr, fit(mesh.five, TEMPLATE), SIDE, SIDE)
        strip = cut_strip(bgr, to_strip)
        return Record(
            strip,
            face,
            self.teacher(face),
            self._masked_warp(bgr, mesh, rng),
            to_strip(mesh.points[list(MASK_EDGE), :2]),
            self.eyes(strip),
            interocular,
        )

    def _masked_warp(self, bgr: Pictures, mesh: Mesh, rng: Generator) -> Floats:
        """The affine map from the strip to the one that is cut after a mask was painted on the face."""
        scale = EYES_PX / size_px(mesh.five)
        size = tuple(max(1, round(side * scale)) for side in bgr.shape[1::-1])
        points: Points = (mesh.points[:, :2] * scale).astype(np.float32)
        small = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        opaque = np.dstack([small, np.full(small.shape[:2], 255, np.uint8)])
        figure = Figure(opaque, points, np.ones(small.shape[:2], np.float32))
        masked = put_on(figure, STYLES[int(rng.integers(len(STYLES)))]).bgra[..., :3]
        found = self.faces.find(np.ascontiguousarray(masked))
        if found is None:
            return np.full((2, 3), np.nan, np.float32)
        before = placing((mesh.five * scale).astype(np.float32))
        return before.inverse().then(placing(found.five)).matrix[:2].astype(np.float32)


def as_int8(vectors: Floats) -> np.ndarray:
    """Rows scaled so that each one's largest component is 127 or -127."""
    return np.rint(vectors * (127 / np.abs(vectors).max(axis=1, keepdims=True))).astype(np.int8)


def packed(pictures: Iterable[Pictures]) -> tuple[np.ndarray, np.ndarray]:
    """All pictures as WebP end to end, and where each begins (n + 1)."""
    coded = [cv2.imencode(".webp", p, [cv2.IMWRITE_WEBP_QUALITY, 92])[1].ravel() for p in pictures]
    return np.concatenate(coded), np.cumsum([0, *(len(c) for c in coded)], dtype=np.int64)


def write(path: Path, records: list[Record], subjects: list[str], faces: bool = False) -> None:
    """One file of strips (README.md), whole or not at all; with `faces` also the aligned faces, for people who do not
    exist."""
    webp, offset = packed(r.strip for r in records)
    arrays = {
        "webp": webp,
        "offset": offset,
        "subject": np.array(subjects),
        "source_iod_px": np.array([r.source_iod_px for r in records], np.float16),
        "teacher_embedding": as_int8(np.stack([r.teacher for r in records])),
        "eyes_embedding": as_int8(np.stack([r.eyes for r in records])),
        "masked_warp": np.stack([r.masked_warp for r in records]),
        "mask_edge": np.stack([r.mask_edge for r in records]).astype(np.float16),
    }
    if faces:
        arrays["face_webp"], arrays["face_offset"] = packed(r.face for r in records)
    unfinished = path.with_suffix(".new.npz")
    np.savez(unfinished, **arrays)
    unfinished.replace(path)


def people_in(folder: Path) -> list[tuple[int, Path]]:
    """Each picture with its person's number; people are numbered in the order of their folders."""
    return [
        (number, picture)
        for number, person in enumerate(sorted(p for p in folder.iterdir() if p.is_dir()))
        for picture in sorted(person.iterdir())
        if picture.suffix.lower() in ENDINGS
    ]


def collect(folder: Path, to: Path, collector: Collector) -> tuple[int, list[Path]]:
    """Write `to`; return how many strips it has, and the pictures in which no usable face was found. The file
    has numbers for people, and no names."""
    records, subjects, lost = [], [], []
    for person, path in track(people_in(folder), description=folder.name):
        bgr = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        rng = np.random.default_rng(zlib.crc32(str(path.relative_to(folder)).encode()))
        record = None if bgr is None else collector.record(np.asarray(bgr, np.uint8), rng)
        if record is None:
            lost.append(path)
            continue
        records.append(record)
        subjects.append(f"{to.stem}/{person}")
    if records:
        write(to, records, subjects)
    return len(records), lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path, help="a folder with a folder for each person")
    parser.add_argument("--to", type=Path, required=True, help="the .npz file to write, outside the repository")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    count, lost = collect(args.pictures, args.to, Collector())
    for path in lost:
        print("no usable face:", path)
    print(f"{count} strips in {args.to}" if count else "nothing written: no usable face in any picture")


if __name__ == "__main__":
    main()
