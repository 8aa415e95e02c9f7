# SPDX-License-Identifier: Apache-2.0
"""The camera is lent, to an enrolment or a field test, and nobody is let in meanwhile: for a share of the time alone.

Two minutes at once, then a third of the time: whatever operators ask for, residents have the other two. An operator
begins so many enrolments at once, and so many an hour.
"""

from __future__ import annotations

import math
from typing import Final

from edge_gate.core.errors import CameraLent
from edge_gate.core.token_bucket import TokenBucket

AT_ONCE_NS: Final = 120 * 10**9
# However short a field test is, whoever stands there has to step away and come again.
LEAST_NS: Final = 10 * 10**9
# For each second that it was lent, the residents have it for so many.
FOR_RESIDENTS: Final = 2
MOST_ENROLMENTS: Final = 20
ENROLMENTS_PER_S: Final = 15 / 3600


class Lending:
    """One for a camera. Times are CLOCK_BOOTTIME, in nanoseconds."""

    def __init__(self) -> None:
        self._even_ns: int | None = None  # when the residents will have had their share of what was lent
        self._began_ns: int | None = None
        self._least_ns = 0
        self._loans = 0  # that are under way: an enrolment may begin during a field test
        self._enrolments: dict[int, TokenBucket] = {}

    def check(self, now_ns: int) -> None:
        """Raise CameraLent where it may not be lent now."""
        if self._even_ns is not None:
            wait_ns = self._even_ns - now_ns - FOR_RESIDENTS * AT_ONCE_NS
            if wait_ns > 0:
                raise CameraLent(_whole(wait_ns / 1e9))

    def check_enrolments(self, uid: int, now_ns: int) -> None:
        """Raise CameraLent where this user may not begin an enrolment now."""
        self.check(now_ns)
        if (wait_s := self._of(uid, now_ns).due_s(now_ns)) > 0:
            raise CameraLent(_whole(wait_s))

    def lend(self, now_ns: int, *, enrolling: int | None = None) -> None:
        """Note that it was lent; ``enrolling``: to the enrolment that this user began."""
        self._began_ns = now_ns if self._began_ns is None else self._began_ns
        self._loans += 1
        if enrolling is None:
            self._least_ns = LEAST_NS
        else:
            self._of(enrolling, now_ns).spend(now_ns)

    def give_back(self, now_ns: int) -> None:
        """Note that the residents have it again."""
        self._loans = max(0, self._loans - 1)
        if self._began_ns is not None and not self._loans:
            even_ns = self._began_ns if self._even_ns is None else max(self._began_ns, self._even_ns)
            self._even_ns = even_ns + (1 + FOR_RESIDENTS) * max(self._least_ns, now_ns - self._began_ns)
            self._began_ns, self._least_ns = None, 0

    def _of(self, uid: int, now_ns: int) -> TokenBucket:
        return self._enrolments.setdefault(uid, TokenBucket(MOST_ENROLMENTS, ENROLMENTS_PER_S, now_ns))


def _whole(seconds: float) -> int:
    """Return whole seconds, after which it is time."""
    return math.ceil(round(seconds, 3)) or 1
