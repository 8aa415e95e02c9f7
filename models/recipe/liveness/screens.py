# SPDX-License-Identifier: Apache-2.0
"""Does a screen show itself by its pixels? Peaks in the spectrum, bands over time, and how black its black is.

    python -m recipe.liveness.screens SETS... [--masked]
    python -m recipe.liveness.screens --simulated PEOPLE

At the picture's own resolution: nothing is made smaller before it is measured. The films at hand are compressed, which
takes a grid away; the simulated ones are not (edge_gate.tools.attacks: optics of a lens, a sensor's samples, noise).

Each row: the AUC of looks, and of the medians of presentations, live over attacks; in brackets how many of each. Far
from 0.5 to either side tells something, though not always of screens.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.track import Tracker
from edge_gate.eye.liveness.surroundings import face_box
from edge_gate.eye.pipeline import Models
from edge_gate.store.pad_trials import LIVE
from edge_gate.tools.pad.simulated import SCREEN, films
from recipe.liveness.followed import Shot, compare, follow, is_live, models, open_sets

EVERY_S = 0.2
SIDE_PX = 192
LOWEST = 0.12  # cycles a pixel: below it a face has structure of its own
NEIGHBOURS = 9  # of the spectrum, to which a peak is compared
ENLARGED = 1.6
SCREENS = ("phone", "tablet", SCREEN)

Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Marks:
    """`peak`: the highest point of the spectrum over its neighbourhood, as a logarithm; `bands`: the same of the rows'
    means in what changed since the picture before; `black`: the darkest hundredth in and beside the face, 0 to 255."""

    peak: float
    bands: float
    black: float


def marks(shot: Shot, before: Shot | None) -> Marks | None:
    now = around(shot)
    if now is None:
        return None
    bands = float("nan")
    if before is not None and before.bgr.shape == shot.bgr.shape:
        change = cv2.cvtColor(cv2.subtract(shot.bgr, before.bgr, dtype=cv2.CV_32F), cv2.COLOR_BGR2GRAY)
        rows = change.mean(axis=1)
        power = np.abs(np.fft.rfft((rows - rows.mean()) * np.hanning(len(rows)))) ** 2
        bands = float(np.log10(power[3:40].max() / (np.median(power[3:]) + 1e-9)))
    return Marks(peak(now), bands, float(np.percentile(now, 1)))


def around(shot: Shot) -> Grey | None:
    """The face with what is next to it, in grey, not resized; None where it is too small."""
    left, top, width, height = face_box(shot.mesh.points)
    across, down = left + width / 2, top + height / 2
    half = ENLARGED * max(width, height) / 2
    x0, y0 = max(round(across - half), 0), max(round(down - half), 0)
    part = shot.bgr[y0 : round(down + half), x0 : round(across + half)]
    if min(part.shape[:2]) < SIDE_PX // 2:
        return None
    return np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), np.float32)


def peak(grey: Grey) -> float:
    side = min(*grey.shape, SIDE_PX * 2)
    y, x = ((size - side) // 2 for size in grey.shape)
    patch = grey[y : y + side, x : x + side]
    window = np.hanning(side)[:, None] * np.hanning(side)[None]
    spectrum = np.log10(np.abs(np.fft.fftshift(np.fft.fft2((patch - patch.mean()) * window))) ** 2 + 1e-3)
    spectrum = spectrum.astype(np.float32)
    rise = spectrum - cv2.blur(spectrum, (NEIGHBOURS, NEIGHBOURS))
    turn = np.fft.fftshift(np.fft.fftfreq(side))
    # Compression's own grid lies on the axes.
    wanted = (
        (np.hypot(turn[:, None], turn[None]) > LOWEST) & (np.abs(turn)[:, None] > 0.02) & (np.abs(turn)[None] > 0.02)
    )
    return float(np.percentile(rise[wanted], 99.99))


def looks(shots: Iterator[Shot]) -> Iterator[Marks]:
    before: Shot | None = None
    measured_s = -EVERY_S
    for shot in shots:
        if shot.moment_s - measured_s >= EVERY_S - 1e-6 and (found := marks(shot, before)) is not None:
            measured_s = shot.moment_s
            yield found
        before = shot


def simulated(of: Models, people: int) -> Iterator[tuple[bool, Iterator[Shot]]]:
    for film in films(people, SCREENS):
        tracker = Tracker(of.detector, of.mesh)
        shots = []
        for picture, moment_ns in film.pictures(scene_known=False):
            mesh = tracker.locate(picture, moment_ns)
            shots += [Shot(picture, moment_ns / 1e9, mesh, tracker.number)] if mesh is not None else []
        yield film.origin.label == LIVE, iter(shots)


def table(name: str, shown: Iterator[tuple[bool, Iterator[Shot]]]) -> None:
    found: dict[str, dict[bool, list[list[float]]]] = defaultdict(lambda: {True: [], False: []})
    for live, shots in shown:
        seen = list(looks(shots))
        for figure in Marks.__slots__:
            values = [getattr(each, figure) for each in seen]
            found[figure][live].append([value for value in values if np.isfinite(value)])
    for figure, values in found.items():
        print(f"| {name} | {figure} | {compare(values)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="*", help="films in a folder, or a file of pictures")
    parser.add_argument("--masked", action="store_true", help="with painted masks")
    parser.add_argument("--simulated", type=int, default=0, metavar="PEOPLE", help="people who do not exist")
    args = parser.parse_args()
    of = models()
    for name, shown in open_sets(args.data):
        numbered = enumerate(shown)
        rows = ((is_live(each), follow(of, each, number if args.masked else None)) for number, each in numbered)
        table(name + (", masked" if args.masked else ""), rows)
    if args.simulated:
        table("simulated", simulated(of, args.simulated))


if __name__ == "__main__":
    main()
