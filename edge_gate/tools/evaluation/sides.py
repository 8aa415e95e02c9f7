# SPDX-License-Identifier: Apache-2.0
"""Who takes part in an evaluation and who does not, on each side of the comparisons, and why.

In the terms of ISO/IEC 19795-1: a picture that gives nothing to compare is a failure to acquire (FTA), a person of whom
no template can be made is a failure to enrol (FTE). Error rates say nothing of either.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from edge_gate.tools.evaluation.intervals import clopper_pearson


@dataclass(frozen=True, slots=True)
class Failure:
    """A picture from which no strip could be acquired, whom it shows, and why."""

    picture: str
    reason: str
    subject: str


@dataclass(frozen=True, slots=True)
class Side:
    """The pictures that were read for one side of the comparisons; ``acquired`` counts them by person.

    ``quality_refused`` counts the pictures that the site's quality gate refuses, None where the data are strips and
    there is nothing to judge; where it was applied they are among the failures.
    """

    title: str
    data: str
    asked: Counter[str]
    acquired: Counter[str]
    failures: tuple[Failure, ...]
    quality_refused: int | None

    @property
    def n_images(self) -> int:
        """How many pictures were read."""
        return self.asked.total()

    @property
    def fta(self) -> float:
        """The failure-to-acquire rate: the share of pictures that gave no strip to compare."""
        return len(self.failures) / self.n_images if self.n_images else math.nan

    @property
    def reasons(self) -> dict[str, int]:
        """How many pictures failed for each reason, the commonest first."""
        return dict(Counter(each.reason for each in self.failures).most_common())

    def without(self, needed: int = 1) -> tuple[Unfit, ...]:
        """Return who has fewer acquired pictures than are needed, and why."""
        return tuple(
            Unfit(person, f"{self.acquired[person]} of {asked} pictures acquired, {needed} needed{self._why(person)}")
            for person, asked in sorted(self.asked.items())
            if self.acquired[person] < needed
        )

    def _why(self, person: str) -> str:
        found = Counter(each.reason for each in self.failures if each.subject == person)
        return "".join(f"; {reason} ({count})" for reason, count in found.most_common())

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "side": self.title,
            "data": self.data,
            "n_subjects": len(self.asked),
            "n_images": self.n_images,
            "fta": None if math.isnan(self.fta) else self.fta,
            "fta_interval": list(clopper_pearson(len(self.failures), self.n_images)),
            "reasons": self.reasons,
            "quality_refused": self.quality_refused,
            "not_acquired": [each.as_dict() for each in self.without()],
        }


@dataclass(frozen=True, slots=True)
class Unfit:
    """A person who does not take part, and why."""

    subject: str
    reason: str

    def as_dict(self) -> dict[str, str]:
        """Return plain JSON values."""
        return {"subject": self.subject, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Who of the people should have got a template, and who did not; and who of them all gives no probe."""

    n_subjects: int
    failures: tuple[Unfit, ...]
    without_probe: tuple[Unfit, ...]

    @property
    def n_enrolled(self) -> int:
        """How many have a template."""
        return self.n_subjects - len(self.failures)

    @property
    def fte(self) -> float:
        """The failure-to-enrol rate: the share of people of whom no template could be made."""
        return len(self.failures) / self.n_subjects if self.n_subjects else math.nan

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "n_subjects": self.n_subjects,
            "n_enrolled": self.n_enrolled,
            "fte": None if math.isnan(self.fte) else self.fte,
            "fte_interval": list(clopper_pearson(len(self.failures), self.n_subjects)),
            "failures": [each.as_dict() for each in self.failures],
            "without_probe": [each.as_dict() for each in self.without_probe],
        }


@dataclass(frozen=True, slots=True)
class Participation:
    """What was read, for both sides: ``n_subjects`` people in all. ``applied``: the quality gate's refusals count as
    failures. ``enrolment`` is None where no templates are made."""

    n_subjects: int
    sides: tuple[Side, ...]
    applied: bool = False
    enrolment: Enrolment | None = None

    @property
    def n_images(self) -> int:
        """How many pictures were read."""
        return sum(each.n_images for each in self.sides)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Every picture that gave nothing to compare."""
        return tuple(failure for each in self.sides for failure in each.failures)

    @property
    def fta(self) -> float:
        """The failure-to-acquire rate of all sides together."""
        return len(self.failures) / self.n_images if self.n_images else math.nan

    @property
    def quality_refused(self) -> int | None:
        """What the quality gate refuses on all sides; None where there is nothing to judge."""
        judged = [each.quality_refused for each in self.sides if each.quality_refused is not None]
        return sum(judged) if judged else None


def enrol(templates: Side, probes: Side | None, template: int, probe: int) -> Enrolment:
    """Tell who gets a template of so many pictures, and who gives no probe of so many.

    Without a side of probes those are the pictures that the templates leave.
    """
    failures = templates.without(template)
    if probes is not None:
        return Enrolment(len(templates.asked), failures, probes.without(probe))
    enrolled = templates.asked.keys() - {each.subject for each in failures}
    left = tuple(each for each in templates.without(template + probe) if each.subject in enrolled)
    return Enrolment(len(templates.asked), failures, left)
