# SPDX-License-Identifier: Apache-2.0
"""The machine's two clocks, passed in wherever they are needed, so that tests can hold them. Nothing else reads them.

Durations, deadlines and limits use CLOCK_BOOTTIME, which a wrong date cannot move, and which counts while the machine
sleeps. The date is for people, and for consents. It can be wrong: whoever decides by it asks the store for the time
(edge_gate/store/trusted_clock.py), never this.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import edge_gate

# No date before this software's own can be right.
RELEASED: Final = datetime.fromisoformat(f"{edge_gate.RELEASED}T00:00:00+00:00")


class Clock(Protocol):
    """What every timed part asks."""

    def monotonic_ns(self) -> int:
        """Return CLOCK_BOOTTIME in nanoseconds: the same in every process of this machine."""
        ...

    def now(self) -> datetime:
        """Return the date and time with its zone (UTC)."""
        ...


class MachineClock(Clock, Protocol):
    """A clock whose date may be wrong."""

    @property
    def earliest(self) -> datetime:
        """No date before this can be right."""


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's own clocks."""

    earliest: datetime = RELEASED

    def monotonic_ns(self) -> int:
        """Return CLOCK_BOOTTIME in nanoseconds."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def now(self) -> datetime:
        """Return the machine's date and time in UTC."""
        return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Return the form in which the store and the CLI write a moment: UTC, milliseconds, `2026-03-01T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
