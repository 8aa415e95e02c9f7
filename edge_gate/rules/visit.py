# SPDX-License-Identifier: Apache-2.0
"""One person who stands there is one event, however often the eye loses them and gives them another number.

A visit lasts while somebody is seen, whatever their track, and ends when nobody was seen for the gap. What is told of
it is the gravest that came of it: an attack, or nobody who is enrolled, told at once; or that nobody was seen well,
which can be told at the end alone.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from edge_gate.rules.fusion import Approach
from edge_gate.wire.eye import AcquisitionFailure

# At a busy street somebody is always seen. Something is told of it all the same, now and then.
LONGEST_NS: Final = 600 * 10**9


class Told(enum.IntEnum):
    """What was told of a visit, from the least to the gravest."""

    NOTHING = 0
    SEEN = 1
    NO_MATCH = 2
    ATTACK = 3


@dataclass(slots=True, eq=False)
class Visit:
    """What came of one so far. ``unproven``: why a person was not told from a picture of one, where it came to that."""

    began_ns: int
    last_ns: int
    told: Told = Told.NOTHING
    accepted: int = 0
    unproven: str = ""
    refusals: Counter[AcquisitionFailure] = field(default_factory=Counter)

    def over(self, now_ns: int, gap_ns: int) -> bool:
        """Tell whether whoever came has left."""
        return now_ns - self.last_ns > gap_ns or now_ns - self.began_ns > LONGEST_NS

    def graver(self, told: Told) -> bool:
        """Tell whether this is to be told: nothing as grave was yet. It then was."""
        if told <= self.told:
            return False
        self.told = told
        return True

    def add(self, approach: Approach) -> None:
        """Count what was seen of an approach."""
        self.accepted += approach.accepted
        self.refusals += approach.refusals

    @property
    def missed(self) -> str:
        """Why somebody left without having been seen well; empty where that is not worth telling."""
        if self.told is not Told.NOTHING:
            return ""
        if self.unproven:
            return self.unproven
        if self.accepted + self.refusals.total() < 2:
            return ""
        commonest = self.refusals.most_common(1)
        return commonest[0][0].name.lower() if commonest else "left too soon"
