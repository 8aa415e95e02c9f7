# SPDX-License-Identifier: Apache-2.0
"""An approach: the sightings of one person walking up, fused into one probe.

Single frames of a moving person are a coin with a bias; their mean is a probe. Sightings belong to one approach while
the eye gives them one track number, they follow each other in time, and the eyes do not move further than a head can.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

from edge_gate.rules.challenge import Act, Challenge, Outcome
from edge_gate.rules.comparison import Vector, normalise, unit_vector
from edge_gate.rules.liveness import MOST_LOOKS, Look
from edge_gate.wire.eye import AcquisitionFailure, PadReason, Sighting

# A head that sways or strides moves its eyes by a few inter-ocular distances a second, never by this many (6 cm each).
FASTEST_INTEROCULAR_PER_S = 25.0
# A second of good sightings at 15 pictures a second. More add nothing: neighbours resemble each other.
MOST_SIGHTINGS = 15


@dataclass(slots=True, eq=False)
class Approach:
    """What is known of the person in front of the camera. ``attempt`` counts the windows they have used up.

    ``judged``: in this window they were compared with residents; ``turned_away``: they were not, for want of a token.
    ``challenge`` is what they were asked to do in it, ``failed_at`` what they did not do before: None for a straight
    look, or where nothing could show them what to do.
    """

    last: Sighting
    began_ns: int
    vectors: deque[tuple[float, Vector]] = field(default_factory=lambda: deque(maxlen=MOST_SIGHTINGS))
    refusals: Counter[AcquisitionFailure] = field(default_factory=Counter)
    looks: deque[Look] = field(default_factory=lambda: deque(maxlen=MOST_LOOKS))
    accepted: int = 0
    window_began_ns: int | None = None
    attempt: int = 1
    settled: bool = False
    judged: bool = False
    turned_away: bool = False
    challenge: Challenge | None = None
    failed_at: list[Act | None] = field(default_factory=list)

    def add(self, sighting: Sighting) -> None:
        """Take one more sighting of the same person."""
        self.last = sighting
        excused = self.challenge is not None and self.challenge.excuses(sighting)
        if not excused and (look := Look.of(sighting)) is not None:
            self.looks.append(look)
        if self.challenge is not None and self.challenge.running:
            self.challenge = self.challenge.seen(sighting)
            if self.challenge.outcome is Outcome.PASSED:
                self.window_began_ns = sighting.captured_ns
        if sighting.refusal is not AcquisitionFailure.NONE:
            self.refusals[sighting.refusal] += 1
            return
        self.accepted += 1
        if self.window_began_ns is None:
            self.window_began_ns = sighting.captured_ns
        self.vectors.append((max(sighting.quality.weight, 1e-3), unit_vector(sighting.embedding)))

    def probe(self) -> Vector:
        """Return the quality-weighted mean of the accepted sightings' directions, normalised. Needs at least one."""
        weights = np.array([weight for weight, _ in self.vectors], np.float32)
        return normalise(weights @ np.stack([vector for _, vector in self.vectors]))

    def next_attempt(self) -> None:
        """Forget what was fused and what spoke for a person, so that the next window stands on its own; what spoke
        against one stays."""
        against = [each for each in self.looks if each.reason is not PadReason.NONE]
        self.looks.clear()
        self.looks.extend(against)
        self.vectors.clear()
        self.window_began_ns = None
        self.judged = self.turned_away = False
        self.challenge = None
        self.attempt += 1

    def continues_with(self, sighting: Sighting, gap_ns: int) -> bool:
        """Whether this sighting can be of the same person: same track, close in time, and no faster than a head."""
        seconds = (sighting.captured_ns - self.last.captured_ns) / 1e9
        if (sighting.eye, sighting.track) != (self.last.eye, self.last.track) or not 0 <= seconds <= gap_ns / 1e9:
            return False
        moved = float(np.hypot(sighting.x - self.last.x, sighting.y - self.last.y))
        interocular = max(sighting.quality.interocular_px, self.last.quality.interocular_px, 1.0)
        return moved <= interocular * (0.5 + FASTEST_INTEROCULAR_PER_S * seconds)


class ApproachTracker:
    """Sorts sightings into approaches. The eye follows one person at a time, so there is at most one open approach."""

    def __init__(self, gap_s: float) -> None:
        self._gap_ns = int(gap_s * 1e9)
        self._current: Approach | None = None

    @property
    def current(self) -> Approach | None:
        """The approach under way, if any."""
        return self._current

    def add(self, sighting: Sighting) -> tuple[Approach, Approach | None]:
        """Return the approach this sighting belongs to and, where it began a new one, the approach that thereby
        ended."""
        ended = None
        if self._current is None or not self._current.continues_with(sighting, self._gap_ns):
            ended, self._current = self._current, Approach(sighting, sighting.captured_ns)
        self._current.add(sighting)
        return self._current, ended

    def expire(self, now_ns: int) -> Approach | None:
        """Return the approach that ended because nobody was seen for the gap, or None."""
        if self._current is None or now_ns - self._current.last.captured_ns <= self._gap_ns:
            return None
        ended, self._current = self._current, None
        return ended
