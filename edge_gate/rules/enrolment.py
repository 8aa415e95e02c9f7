# SPDX-License-Identifier: Apache-2.0
"""Enrolment: from a consenting person in front of the camera to one template, and no picture.

Collects good sightings of one person, spread over a few seconds so that they differ, refuses when any two of them are
not alike (two people in front of the camera, in whatever order) or too like somebody who is enrolled already, and hands
on their mean.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from edge_gate.core.errors import DuplicateResident, EnrolmentFailed
from edge_gate.rules.comparison import Gallery, Vector, normalise, unit_vector
from edge_gate.rules.liveness import MOST_LOOKS, Liveness, LivenessPoint, Look, judge
from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.wire.eye import AcquisitionFailure, Sighting

WANTED: Final = 16
TIMEOUT_S: Final = 60.0
# So often a picture is found, each time in new looks, as many as it takes to be sure: then it is enough.
MOST_ATTACKS: Final = 5
# Neighbouring frames are nearly the same picture; a template wants the small differences of pose and light.
SPACING_NS: Final = 180_000_000
# Any two views of an enrolment have to be as alike as this false match rate asks of two pictures. Seen with the model
# that ships, at its 0.44: of 605 times 16 views in a row, of 19 people, 14 were refused, all of the same two people; of
# 9,754 times 15 views of one person and one of another none passed (the best had 0.42), of 3,420 times eight and eight
# neither (0.37).
ALIKE_FMR: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an enrolment is: ``taken`` of ``wanted``, and what to tell the person now."""

    taken: int
    wanted: int
    guidance: AcquisitionFailure


@dataclass(slots=True, eq=False)
class Enrolment:
    """One enrolment under way. ``alike`` is the comparison score that any two views must reach. ``point``: how sure it
    must be that a person stands there, and no picture of one; None where nobody asks."""

    began_ns: int
    alike: float
    point: LivenessPoint | None = None
    looks: deque[Look] = field(default_factory=lambda: deque(maxlen=MOST_LOOKS))
    attacks: int = 0
    _fresh: list[Look] = field(default_factory=list)
    _vectors: list[Vector] = field(default_factory=list)
    _last_ns: int = 0
    _refusals: Counter[AcquisitionFailure] = field(default_factory=Counter)

    @property
    def complete(self) -> bool:
        """Whether enough was taken, of a person."""
        return len(self._vectors) >= WANTED and self.alive

    @property
    def alive(self) -> bool:
        """Whether a person is seen, by twice the looks that open a door: who is enrolled comes in for years."""
        return self.point is None or judge(self.looks, self.point, twice=True) is Liveness.LIVE

    @property
    def attacked(self) -> bool:
        """Whether a picture of somebody was found often enough to end it."""
        return self.attacks >= MOST_ATTACKS

    @property
    def taken(self) -> int:
        """How many sightings were taken so far."""
        return len(self._vectors)

    @property
    def commonest_refusal(self) -> AcquisitionFailure | None:
        """Why most of the views that were refused were refused; None where none was."""
        return self._refusals.most_common(1)[0][0] if self._refusals else None

    def add(self, sighting: Sighting) -> Progress:
        """Take one sighting if it is good and new. Raises EnrolmentFailed when it is unlike any that was taken."""
        if sighting.refusal is not AcquisitionFailure.NONE:
            self._refusals[sighting.refusal] += 1
        if (look := Look.of(sighting)) is not None:
            self.looks.append(look)
            self._count_attacks(look)
        if sighting.refusal is AcquisitionFailure.NONE and sighting.captured_ns - self._last_ns >= SPACING_NS:
            vector = unit_vector(sighting.embedding)
            if self._vectors and float(np.min(np.stack(self._vectors) @ vector)) < self.alike:
                raise EnrolmentFailed("the views differ too much. Was one person alone in front of the camera?")
            self._vectors.append(vector)
            del self._vectors[:-WANTED]  # the newest, for as long as it is not sure that a person is seen
            self._last_ns = sighting.captured_ns
        return Progress(self.taken, WANTED, sighting.refusal)

    def overdue(self, now_ns: int) -> bool:
        """Tell whether it has taken too long."""
        return now_ns - self.began_ns > TIMEOUT_S * 1e9

    def template(self) -> Vector:
        """Return the template: the mean direction of all that was taken, float32, unit length."""
        if not self.complete:
            raise EnrolmentFailed(f"only {self.taken} of {WANTED} good views were taken")
        return normalise(np.mean(self._vectors, axis=0, dtype=np.float32))

    def _count_attacks(self, look: Look) -> None:
        self._fresh.append(look)
        found = Liveness.UNSURE if self.point is None else judge(self._fresh, self.point, twice=True)
        self.attacks += found is Liveness.ATTACK
        if found is not Liveness.UNSURE or len(self._fresh) == MOST_LOOKS:
            self._fresh.clear()


def alike_views(points: Sequence[OperatingPoint], plain: OperatingPoint) -> float:
    """Return what any two views of one person must reach: the card's point of single pictures, or ``plain``, the one
    that two templates must reach, where a card has none."""
    fitting = (each.threshold for each in points if each.kind == "single" and abs(each.fmr - ALIKE_FMR) <= 1e-9)
    return next(fitting, plain.threshold)


def refuse_duplicate(template: Vector, gallery: Gallery, threshold: float, names: Mapping[str, str]) -> None:
    """Raises DuplicateResident when the template would be taken for somebody who is enrolled (``names`` by resident
    id)."""
    best = next(iter(gallery.search(template, 1)), None)
    if best is not None and best.comparison_score >= threshold:
        raise DuplicateResident(names.get(best.resident_id, "?"))
