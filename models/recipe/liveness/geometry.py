# SPDX-License-Identifier: Apache-2.0
"""Does it move like a head or like a plane? Corners of real pixels are tracked (KLT) from picture to picture.

A flat picture follows one homography; a head that turns does not. What lies beside a face on a print or a screen moves
with it; a room does not. The mesh says only where to look: its own points draw a head on a flat photograph.

    python -m recipe.liveness.geometry SETS...

Each row: the AUC of looks, and of the medians of presentations, live over attacks; in brackets how many of each.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.align import interocular_px, placing
from recipe.liveness.followed import Shot, compare, follow, is_live, models, open_sets

APART_S = 0.25
MOST = 80
FEWEST = 12
LEAST_MOTION = 0.03  # of the distance between the eyes
EYES_PX = 40.0  # between the eyes, in the picture that is tracked: less work, and sizes are comparable
AROUND = 1.25, 2.2  # of the face's hull: where its surroundings begin and end
KLT = {"winSize": (11, 11), "maxLevel": 3}

Points = NDArray[np.float32]
Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Motion:
    """Of one pair of pictures, in distances between the eyes.

    `residual`: how far corners of the face are from where one homography puts them, in the median; `explained`: the
    same by the residual of a similarity, so that large motions do not count more; `around`: how far the surroundings
    are from where the face's homography puts them, by how far the face moved.
    """

    residual: float
    explained: float
    around: float


def pairs(shots: Iterator[Shot], stills: bool) -> Iterator[tuple[Shot, Shot]]:
    """Pictures of one track a moment apart; successive ones of stills."""
    recent: list[Shot] = []
    for shot in shots:
        recent = [each for each in recent if each.track == shot.track and shot.moment_s - each.moment_s < 1.0]
        before = [each for each in recent if stills or shot.moment_s - each.moment_s >= APART_S]
        if before:
            yield before[-1], shot
            recent = [each for each in recent if each.moment_s > before[-1].moment_s]
        recent.append(shot)


def small(shot: Shot) -> tuple[Grey, Points]:
    """The picture in grey at a size at which eyes are `EYES_PX` apart, and the hull of the mesh in it."""
    scale = min(EYES_PX / interocular_px(placing(shot.mesh.five)), 1.0)
    grey = cv2.resize(
        cv2.cvtColor(shot.bgr, cv2.COLOR_BGR2GRAY), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
    )
    hull = cv2.convexHull((shot.mesh.points[:, :2] * scale).astype(np.float32))[:, 0]
    return np.asarray(grey, np.uint8), np.asarray(hull, np.float32)


def tracked(one: Grey, other: Grey, mask: Grey, apart_px: float) -> tuple[Points, Points]:
    """Corners of one picture and where they are in the other, but for those that do not come back."""
    found = cv2.goodFeaturesToTrack(one, MOST, 0.01, max(apart_px * 0.05, 2.0), mask=mask)
    if found is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    there, ok, _ = cv2.calcOpticalFlowPyrLK(one, other, found, None, **KLT)
    back, also, _ = cv2.calcOpticalFlowPyrLK(other, one, there, None, **KLT)
    kept = (ok & also).ravel().astype(bool) & (np.linalg.norm(back - found, axis=2).ravel() < 0.5)
    return found[kept, 0], there[kept, 0]


def motion(before: Shot, now: Shot) -> Motion | None:
    """What moved how between two pictures; None where too little did, or too little could be tracked."""
    (one, hull), (other, _) = small(before), small(now)
    if one.shape != other.shape:
        size = one.shape[::-1]
        other = np.asarray(cv2.resize(other, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    face, ring = np.zeros_like(one), np.zeros_like(one)
    middle = hull.mean(0)
    cv2.fillConvexPoly(face, np.int32(hull), 255)
    cv2.fillConvexPoly(ring, np.int32(middle + AROUND[1] * (hull - middle)), 255)
    cv2.fillConvexPoly(ring, np.int32(middle + AROUND[0] * (hull - middle)), 0)
    start, end = tracked(one, other, face, EYES_PX)
    if len(start) < FEWEST:
        return None
    moved = float(np.median(np.linalg.norm(end - start, axis=1))) / EYES_PX
    plane, _ = cv2.findHomography(start, end, cv2.LMEDS)
    alike, _ = cv2.estimateAffinePartial2D(start, end, method=cv2.LMEDS)
    if moved < LEAST_MOTION or plane is None or alike is None:
        return None
    residual = _residual(plane, start, end)
    simple = _residual(np.vstack([alike, (0, 0, 1)]), start, end)
    beside, went = tracked(one, other, ring, EYES_PX)
    around = _residual(plane, beside, went) / moved if len(beside) >= FEWEST else float("nan")
    return Motion(residual, residual / max(simple, 1e-3), around)


def _residual(matrix: NDArray[np.float64], start: Points, end: Points) -> float:
    put = cv2.perspectiveTransform(start[:, None], matrix)[:, 0]
    return float(np.median(np.linalg.norm(put - end, axis=1))) / EYES_PX


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+", help="films in a folder, or a file of pictures")
    parser.add_argument("--masked", action="store_true", help="with painted masks")
    args = parser.parse_args()
    of, took = models(), []
    for name, shown in open_sets(args.data):
        found: dict[str, dict[bool, list[list[float]]]] = defaultdict(lambda: {True: [], False: []})
        for number, each in enumerate(shown):
            seen: list[Motion] = []
            for before, now in pairs(
                follow(of, each, number if args.masked else None), stills=not hasattr(each, "path")
            ):
                began = time.perf_counter()
                moved = motion(before, now)
                took.append(time.perf_counter() - began)
                seen += [moved] if moved is not None else []
            for figure in Motion.__slots__:
                values = [getattr(moved, figure) for moved in seen]
                found[figure][is_live(each)].append([value for value in values if np.isfinite(value)])
        for figure, values in found.items():
            print(f"| {name}{', masked' if args.masked else ''} | {figure} | {compare(values)} |", flush=True)
    print(f"{1000 * float(np.median(took)):.1f} ms a pair in the median")


if __name__ == "__main__":
    main()
