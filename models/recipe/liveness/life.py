# SPDX-License-Identifier: Apache-2.0
"""Do people blink and pictures not? And how often would a film pass a challenge by luck?

    python -m recipe.liveness.life FILMS
    python -m recipe.liveness.life STILLS.npz
    python -m recipe.liveness.life --tilted PEOPLE

Films go through the gate's own eye (edge_gate.tools.pad.seeing), plain and with painted masks. A blink is a dip of the
eyes' openness to `challenge.CLOSED` of their median, for no longer than a blink lasts, of a face that looks straight.
A challenge begins at a moment drawn from those at which the eye has an embedding; the film then plays over and over.
Of stills: how far the mesh says that faces are turned, of people and of what is held in a hand.
`--tilted`: simulated prints and screens, turned to the side, and how far the mesh says the face on them is turned.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_gate.eye.pipeline import acquire
from edge_gate.rules.challenge import CLOSED, FEWEST_ACTS, STRAIGHT_DEG, TURNED_DEG, Challenge, Doubt, Outcome, Script
from edge_gate.settings.config import Config, QualityLimits
from edge_gate.tools.attacks.panel import Stand, hold
from edge_gate.tools.demo.cast import Cast
from edge_gate.tools.demo.walk import FOCAL_PX
from edge_gate.tools.pad.data import open_presentations
from edge_gate.tools.pad.masking import style
from edge_gate.tools.pad.seeing import Eyes, Seen
from edge_gate.tools.pad.simulated import HELD, PEOPLE, Show
from edge_gate.wire.eye import AcquisitionFailure, Sighting
from recipe.liveness.followed import models

BLINK_S = 0.05, 0.4
TRIES = 2000
ACTS = (1, FEWEST_ACTS, FEWEST_ACTS + 1, FEWEST_ACTS + 2)
TURNS_DEG = range(-60, 61, 10)


def blinks(sightings: Sequence[Sighting]) -> tuple[int, float]:
    """How many blinks, and in how many seconds of looking straight."""
    straight = [each for each in sightings if abs(each.quality.yaw_deg) <= STRAIGHT_DEG]
    if not straight:
        return 0, 0.0
    shut = CLOSED * float(np.median([each.quality.eyes_open for each in straight]))
    found, seconds, since, before = 0, 0.0, None, straight[0]
    for each in straight:
        step_s = (each.captured_ns - before.captured_ns) / 1e9
        seconds += step_s if step_s < 0.3 else 0.0
        closed = each.quality.eyes_open <= shut
        if closed and since is None:
            since = each.captured_ns
        elif not closed and since is not None:
            found += BLINK_S[0] <= (each.captured_ns - since) / 1e9 <= BLINK_S[1]
            since = None
        before = each
    return found, seconds


def play(seen: Seen, begin: int, acts: int, rng: random.Random) -> str:
    """How a challenge ends that begins in the middle of a film, which plays over and over."""
    sightings, round_ns = seen.sightings, seen.length_ns + 40_000_000
    first = sightings[begin]
    challenge = Challenge(Script.drawn(rng.randrange, acts), "somebody", Doubt.ALARM, first.captured_ns)
    last_ns, at, rounds = first.captured_ns, begin, 0
    while challenge.running:
        each = sightings[at]
        now_ns = each.captured_ns + rounds * round_ns
        if now_ns - last_ns > 1_000_000_000 or (not rounds and each.track != first.track):
            return "approach over"
        challenge, last_ns = challenge.seen(replace(each, captured_ns=now_ns)), now_ns
        at = (at + 1) % len(sightings)
        rounds += at == 0
    return challenge.outcome.value


def films(folder: Path) -> None:
    eyes, rng = Eyes(Config()), random.Random(1)
    print("| film | mask | blinks, seconds straight | " + " | ".join(f"{acts} acts" for acts in ACTS) + " |")
    for number, shown in enumerate(open_presentations(folder)):
        for worn in (None, style(number)):
            seen = eyes.see(shown, worn)
            known = [at for at, each in enumerate(seen.sightings) if each.refusal is AcquisitionFailure.NONE]
            count, seconds = blinks(seen.sightings)
            passed = []
            for acts in ACTS:
                ends = Counter(play(seen, rng.choice(known), acts, rng) for _ in range(TRIES if known else 0))
                passed.append(f"{ends[Outcome.PASSED.value] / TRIES:.1%}")
            masked = "painted" if worn else "none"
            print(
                f"| {shown.origin.name} | {masked} | {count}, {seconds:.1f} | " + " | ".join(passed) + " |", flush=True
            )


def stills(path: Path) -> None:
    of, limits = models(), QualityLimits()
    turned: dict[str, list[float]] = defaultdict(list)
    for shown in open_presentations(path):
        for picture, _ in shown.pictures():
            found = None if picture is None else acquire(of, picture, limits)
            if found is not None:
                turned[str(shown.origin.label)].append(abs(found.quality.yaw_deg))
    for label, values in turned.items():
        middle, high, most = np.percentile(values, (50, 95, 100))
        past = sum(value >= TURNED_DEG for value in values)
        print(f"| {path.stem} | {label} | {len(values)} | {middle:.0f}, {high:.0f}, {most:.0f} | {past} |", flush=True)


def tilted(people: int) -> None:
    of, cast, limits = models(), Cast(), QualityLimits()
    print("| person | held | " + " | ".join(map(str, TURNS_DEG)) + " |")
    for number, who in enumerate(PEOPLE[:people]):
        show = Show(cast, number, who)
        for name, prop in HELD.items():
            said = []
            for turn in TURNS_DEG:
                corners = Stand(320, 240, FOCAL_PX / 0.5, 0.5, float(turn), -5.0).corners(prop.width_m, prop.height_m)
                panel = show._panel(prop, corners, np.random.default_rng(1))
                found = acquire(of, hold(show._street[0], panel, corners), limits)
                said.append("-" if found is None else f"{found.quality.yaw_deg:.0f}")
            print(f"| {who} | {name} | " + " | ".join(said) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", type=Path, nargs="?")
    parser.add_argument("--tilted", type=int, default=0, metavar="PEOPLE")
    args = parser.parse_args()
    if args.films:
        (stills if args.films.suffix == ".npz" else films)(args.films)
    if args.tilted:
        tilted(args.tilted)


if __name__ == "__main__":
    main()
