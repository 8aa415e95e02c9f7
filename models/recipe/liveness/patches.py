# SPDX-License-Identifier: Apache-2.0
"""Draws what the network learns from: `python -m recipe.liveness.patches CONFIG --data FOLDER --out FOLDER`.

Writes `patches.npz`: 80 x 80 pictures of faces with their surroundings, live, real attacks, and imitations of attacks
made of live pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from rich.progress import track

from edge_gate.eye.face.geometry import Picture, Points
from edge_gate.eye.liveness.surroundings import SIDE_PX, cut_surroundings, surroundings
from recipe.liveness.camera import taken
from recipe.liveness.config import Config, load
from recipe.liveness.optics import on_paper, on_screen
from recipe.liveness.regions import Region, regions
from recipe.liveness.scenes import exchanged, held_up

FILE = "patches.npz"

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """`bgr` (n, 80, 80, 3); for each, whether it is `live`, who it is (`source/name`), whether they wear a mask."""

    bgr: NDArray[np.uint8]
    live: NDArray[np.bool_]
    person: NDArray[np.str_]
    masked: NDArray[np.bool_]

    def write(self, folder: Path) -> None:
        """Whole or not at all."""
        unfinished = folder / f"new-{FILE}"
        np.savez(unfinished, **{name: getattr(self, name) for name in self.__slots__})
        unfinished.replace(folder / FILE)

    def of(self, fold: int | None, folds: int) -> NDArray[np.bool_]:
        """Which patches show people of one of `folds` folds; people are counted in the order of their names. An
        imitation is of the person in it."""
        if fold is None:
            return np.zeros(len(self.person), np.bool_)
        return np.isin(self.person, np.unique(self.person)[fold::folds])

    @classmethod
    def read(cls, folder: Path) -> Patches:
        with np.load(folder / FILE, allow_pickle=False) as z:
            return cls(*(z[name] for name in cls.__slots__))


class Supply:
    """What patches are drawn from. Sources, and within them masks, are equally likely, whatever their size."""

    def __init__(self, found: Sequence[Region], imitations: Sequence[Region]) -> None:
        self.all, self.imitations = found, imitations
        self.live = [region for region in found if region.live]
        self.attacks = grouped([region for region in found if not region.live])
        self.people = grouped(self.live)

    def draw(self, rng: Generator, config: Config) -> Region:
        """A person, an attack or an imitation, some in other surroundings."""
        kind = rng.random()
        if kind < config.live_share + config.attack_share:
            region = chosen(chosen(self.people if kind < config.live_share else self.attacks, rng), rng)
            if rng.random() >= config.exchanged_share:
                return region
            return replace(region, bgr=exchanged(region.bgr, region.points, chosen(self.all, rng).bgr, rng))
        region = chosen(self.imitations, rng)
        if rng.random() >= config.panel_share:
            return region
        return replace(region, bgr=held_up(region.bgr, region.points, chosen(self.live, rng).bgr, rng))


def grouped(found: Sequence[Region]) -> list[list[Region]]:
    groups: dict[tuple[str, bool], list[Region]] = {}
    for region in found:
        groups.setdefault((region.source, region.masked), []).append(region)
    return list(groups.values())


def chosen(among: Sequence[Item], rng: Generator) -> Item:
    return among[int(rng.integers(len(among)))]


def imitated(live: Sequence[Region], count: int, rng: Generator, config: Config) -> Iterator[Region]:
    """Live regions as they would look on a screen or on paper."""
    for _ in range(count):
        region = chosen(live, rng)
        shown = on_screen if rng.random() < config.screen_share else on_paper
        yield replace(region, live=False, bgr=shown(region.bgr, rng))


def patch(region: Region, rng: Generator) -> Picture:
    """The network's view, through some camera, mirrored half of the time, the face a little beside its place."""
    bgr, points = taken(region.bgr, rng), region.points
    if rng.random() < 0.5:
        bgr = np.ascontiguousarray(bgr[:, ::-1])
        points = points * np.array([-1, 1], np.float32) + np.array([bgr.shape[1] - 1, 0], np.float32)
    points = misplaced(points, rng)
    if rng.random() < 0.8:
        return cut_surroundings(bgr, points)
    side = (SIDE_PX, SIDE_PX)
    return np.asarray(cv2.resize(surroundings(bgr, points), side, interpolation=cv2.INTER_AREA), np.uint8)


def misplaced(points: Points, rng: Generator) -> Points:
    moved = points + rng.normal(0, 0.04, 2) * np.ptp(points[:, 0])
    middle = moved.mean(0)
    return np.asarray(middle + (moved - middle) * np.exp(rng.normal(0, 0.08)), np.float32)


def shares(count: int, parts: int) -> list[int]:
    """`count` in `parts` parts that differ by one at most."""
    return [count // parts + (part < count % parts) for part in range(parts)]


def imitations(found: Sequence[Region], config: Config) -> list[Region]:
    live = [region for region in found if region.live]
    out: list[Region] = []
    for part, count in enumerate(shares(config.imitations, config.parts)):
        rng = np.random.default_rng((config.imitation_seed, part))
        out.extend(track(imitated(live, count, rng, config), description="imitations", total=count))
    return out


def patches(supply: Supply, config: Config) -> Patches:
    drawn: list[tuple[Picture, Region]] = []
    for part, count in enumerate(shares(config.patches, config.parts)):
        rng = np.random.default_rng((config.patch_seed, part))
        for _ in track(range(count), description="patches"):
            region = supply.draw(rng, config)
            drawn.append((patch(region, rng), region))
    return Patches(
        np.stack([bgr for bgr, _ in drawn]),
        np.array([region.live for _, region in drawn]),
        np.array([region.person for _, region in drawn]),
        np.array([region.masked for _, region in drawn]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for patches.npz, which shows faces: never commit it"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    config = load(args.config)
    found = regions(args.data, config)
    made = patches(Supply(found, imitations(found, config)), config)
    made.write(args.out)
    print(f"{len(found)} regions of {len({region.person for region in found})} people")
    print(f"{len(made.live)} patches, {made.live.sum()} of them live, in {args.out / FILE}")


if __name__ == "__main__":
    main()
