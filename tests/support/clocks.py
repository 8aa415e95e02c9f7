# SPDX-License-Identifier: Apache-2.0
"""Clocks that a test moves: one that stands still, and one that runs and can be wound forward."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self


@dataclass(slots=True)
class HeldClock:
    """A clock that stands still until a test moves it: both times, or the date alone by ``moment``."""

    at_ns: int = 5_000_000_000
    moment: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))
    earliest: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic_ns(self) -> int:
        return self.at_ns

    def now(self) -> datetime:
        return self.moment

    def pass_ns(self, nanoseconds: int) -> None:
        """Let so much time pass at once."""
        self.at_ns += nanoseconds
        self.moment += timedelta(microseconds=nanoseconds / 1000)

    def pass_s(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self.pass_ns(round(seconds * 1e9))

    def pass_ms(self, ms: int) -> None:
        """Let so many milliseconds pass at once."""
        self.pass_ns(ms * 1_000_000)


@dataclass(slots=True)
class WindableClock:
    """The machine's clock, so much later than it is: a gate in a thread needs real time for its relay and its callers.

    A test winds it forward instead of waiting.
    """

    ahead_ns: int = 0
    date_back: timedelta = timedelta()
    earliest: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Return the clock that was left in a folder, or a new one."""
        left = folder / "clock.json"
        ahead_ns, back_s = json.loads(left.read_text()) if left.exists() else (0, 0.0)
        return cls(ahead_ns, timedelta(seconds=back_s))

    def leave_in(self, folder: Path) -> None:
        """Have another one go on from here, in a gate that is started again."""
        (folder / "clock.json").write_text(json.dumps([self.ahead_ns, self.date_back.total_seconds()]))

    def monotonic_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) + self.ahead_ns

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(microseconds=self.ahead_ns / 1000) - self.date_back

    def wind(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self.ahead_ns += round(seconds * 1e9)

    def set_back(self, seconds: float) -> None:
        """Set the date back, as somebody does who mends a clock; what runs evenly runs on."""
        self.date_back += timedelta(seconds=seconds)
