# SPDX-License-Identifier: Apache-2.0
"""Time, passed in wherever it is needed, so that tests can hold it and no part mixes the two clocks.

Durations and deadlines use the monotonic clock, which a wrong date cannot move; only what people read uses the wall
clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What every timed part asks."""

    def monotonic_ns(self) -> int:
        """Return CLOCK_MONOTONIC in nanoseconds: the same in every process of this machine."""
        ...

    def now(self) -> datetime:
        """Return the date and time with its zone (UTC)."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's own clocks."""

    def monotonic_ns(self) -> int:
        """Return CLOCK_MONOTONIC in nanoseconds."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def now(self) -> datetime:
        """Return the machine's date and time in UTC."""
        return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Return the form in which the store and the CLI write a moment: UTC, milliseconds, `2026-03-01T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
