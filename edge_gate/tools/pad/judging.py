# SPDX-License-Identifier: Apache-2.0
"""From sightings to verdicts as the gate comes to them: approaches, and each judged at every look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from edge_gate.rules.comparison import Gallery, Vector, normalise, unit_vector
from edge_gate.rules.fusion import Approach, ApproachTracker
from edge_gate.rules.liveness import Liveness, LivenessPoint, judge
from edge_gate.rules.policy import Policy, Verdict
from edge_gate.rules.protection import KEY_BYTES, SiteTransform
from edge_gate.store.pad_trials import LIVE
from edge_gate.tools.pad.seeing import Frame, Seen

TEMPLATE: Final = 4
"""How many live frames make a template."""
# One site's key. Codes of another key differ, and what they are compared at is the same.
_KEY: Final = bytes(range(KEY_BYTES))


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gate makes of a presentation. Seconds count from the first moment at which somebody was seen.

    ``live_s``: when it was first found live, None for never; ``verdict`` of the last approach in it."""

    approaches: int
    live_s: float | None
    verdict: Liveness


def judge_presentation(seen: Seen, point: LivenessPoint, gap_s: float) -> Judged:
    """Judge each approach in a presentation at every look."""
    tracker, approaches = ApproachTracker(gap_s), 0
    live_ns: int | None = None
    verdict = Liveness.UNSURE
    for sighting in seen.sightings:
        before = tracker.current
        approach, _ = tracker.add(sighting)
        approaches += approach is not before
        verdict = judge(approach.looks, point)
        if live_ns is None and verdict is Liveness.LIVE:
            live_ns = sighting.captured_ns - seen.sightings[0].captured_ns
    return Judged(approaches, None if live_ns is None else live_ns / 1e9, verdict)


@dataclass(frozen=True, slots=True, eq=False)
class Residents:
    """Everybody of whom there are live frames enough. ``enrolled``: which frames of which presentations, by name, are
    in the templates, and therefore no probes, with a mask painted on them or without."""

    gallery: Gallery
    enrolled: frozenset[tuple[str, int]]

    @classmethod
    def of(cls, presentations: Sequence[Seen]) -> Residents:
        """Enrol each known person by TEMPLATE frames, spread over their first live presentation that has more."""
        chosen: dict[str, list[Frame]] = {}
        enrolled: set[tuple[str, int]] = set()
        for seen in presentations:
            person, usable = seen.origin.person, [each for each in seen.frames if _embedding(each)]
            if seen.origin.label == LIVE and person is not None and person not in chosen and len(usable) > TEMPLATE:
                places = np.linspace(0, len(usable) - 1, TEMPLATE).round().astype(int)
                chosen[person] = [usable[place] for place in places]
                enrolled |= {(seen.origin.name, each.moment_ns) for each in chosen[person]}
        transform = SiteTransform(_KEY)
        codes = [transform.encode(_template(frames)).tobytes() for frames in chosen.values()]
        return cls(Gallery.of(list(chosen), codes, transform), frozenset(enrolled))

    def knows(self, seen: Seen) -> bool:
        """Tell whether the person of a presentation is enrolled."""
        return seen.origin.person in self.gallery.ids

    def enrols(self, seen: Seen, frame: Frame) -> bool:
        """Tell whether a frame of a presentation is in a template."""
        return (seen.origin.name, frame.moment_ns) in self.enrolled

    def recognises(self, frame: Frame, threshold: float) -> bool:
        """Tell whether the eyes of one frame alone are near enough to a template."""
        if not _embedding(frame):
            return False
        return self.gallery.search(unit_vector(_embedding(frame)), 1)[0].comparison_score >= threshold

    def opens(self, seen: Seen, policy: Policy, point: LivenessPoint | None, gap_s: float) -> bool:
        """Tell whether a presentation would have opened the door: recognised and, by ``point``, found live.

        The gate's order: a person who is recognised and not yet found live waits; a window that is over is an attempt.
        """
        tracker = ApproachTracker(gap_s)
        for sighting in seen.sightings:
            approach, _ = tracker.add(sighting)
            verdict = policy.decide(approach, self.gallery, sighting.captured_ns).verdict
            live = point is None or judge(approach.looks, point) is Liveness.LIVE
            if verdict is Verdict.OPEN and live:
                return True
            if verdict is not Verdict.WAIT and policy.window_over(approach, sighting.captured_ns):
                _next_attempt(approach, policy)
        return False


def _next_attempt(approach: Approach, policy: Policy) -> None:
    approach.settled = approach.attempt >= policy.settings.attempts
    approach.next_attempt()


def _embedding(frame: Frame) -> bytes:
    return b"" if frame.sighting is None else frame.sighting.embedding


def _template(frames: Sequence[Frame]) -> Vector:
    return normalise(np.mean([unit_vector(_embedding(each)) for each in frames], axis=0, dtype=np.float32))
