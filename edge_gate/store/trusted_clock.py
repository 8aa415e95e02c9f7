# SPDX-License-Identifier: Apache-2.0
"""The one clock by which everything in a store is dated and judged: the machine's, as far as it is to be trusted.

What is known of the time (edge_gate/rules/timekeeping.py) is written with each commit, so the newest time that was ever
committed outlives a power cut. This clock never goes back, but where two people agree to it (`accepting`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from edge_gate.core.clock import MachineClock, iso
from edge_gate.rules import timekeeping
from edge_gate.rules.timekeeping import SECOND_US, Reckoning

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NAMES: Final = "newest, floor, wall, boot, ran, doubt"
# No day of a store is after it (edge_gate/core/local_time.py), and Python's years end soon after.
_LATEST: Final = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
# Of a store that was written before time was kept: the newest moment in it.
_LAST_ROW: Final = "SELECT at FROM audit ORDER BY seq DESC LIMIT 1"
_NEWEST_ROW: Final = "SELECT max(at) FROM (SELECT max(at) AS at FROM event UNION ALL SELECT max(at) FROM audit)"


class TrustedClock:
    """A clock of one store. Until `resume` was called it knows nothing of what the store has."""

    def __init__(self, machine: MachineClock) -> None:
        self._machine = machine
        self._earliest = _us(machine.earliest)
        self._known = timekeeping.begin(self._earliest, *self._read())
        self._resumed = False

    def monotonic_ns(self) -> int:
        """Return CLOCK_BOOTTIME in nanoseconds."""
        return self._machine.monotonic_ns()

    def now(self) -> datetime:
        """Return the time, which is never before one that was committed."""
        return _datetime(self.look().newest)

    def look(self) -> Reckoning:
        """Look at the machine's clocks, and return what is known now."""
        self._known = timekeeping.advance(self._known, *self._read())
        return self._known

    @property
    def fault(self) -> str | None:
        """Why the machine's date is not trusted, or None."""
        known = self.look()
        if known.trusted:
            return None
        shown = f"the date of this machine, {iso(_datetime(known.wall))}, cannot be right"
        if known.wall < self._earliest:
            return f"{shown}: this software was made later"
        return f"{shown}: it was {iso(_datetime(known.floor))} before"

    @property
    def too_early(self) -> bool:
        """Whether the machine's date is before this software's own, so that it is wrong whatever was believed."""
        return self.look().wall < self._earliest

    @property
    def date(self) -> datetime:
        """The machine's date, whether it is trusted or not."""
        return _datetime(self.look().wall)

    @property
    def ran_s(self) -> int:
        """For how many seconds the gate's machine was known to run, over all restarts; never more than has passed."""
        return self.look().ran // SECOND_US

    def resume(self, connection: Any) -> None:
        """Go on from what a store has, once its tables are up to date. Raises ValueError for what cannot be."""
        rows = connection.execute(f"SELECT {_NAMES} FROM time_kept").fetchall()  # noqa: S608 - names of ours
        wall, boot = self._read()
        if rows:
            kept = Reckoning(*rows[0])
            others = (kept.wall, kept.boot, kept.ran, kept.doubt)
            if not (0 <= kept.floor <= kept.newest <= _LATEST and min(others) >= 0 and max(others) <= _LATEST):
                raise ValueError("the time that was kept cannot be")
            newest, floor = max(kept.newest, self._earliest), max(kept.floor, self._earliest)
            ((row,),) = connection.execute(_LAST_ROW).fetchall() or [(None,)]
            if row:  # which is signed: with the store's key alone somebody can write another time, but not that
                at = _us(datetime.fromisoformat(row))
                newest = max(newest, at)
                sudden = min(max(newest, wall) - at, timekeeping.LONGEST_DOUBT_US)
                kept = replace(kept, doubt=max(kept.doubt, sudden))
            self._known = timekeeping.advance(replace(kept, newest=newest, floor=floor), wall, boot)
        else:
            ((newest_row,),) = connection.execute(_NEWEST_ROW).fetchall()
            found = _us(datetime.fromisoformat(newest_row)) if newest_row else 0
            doubt = timekeeping.LONGEST_DOUBT_US if newest_row else 0  # nothing tells when it was written last
            self._known = replace(timekeeping.begin(max(self._earliest, found), wall, boot), doubt=doubt)
        self._resumed = True

    def keep(self, connection: Any) -> None:
        """Write down what is known, in the transaction that is open; nothing before `resume`."""
        if self._resumed:
            known = self.look()
            values = (known.newest, known.floor, known.wall, known.boot, known.ran, known.doubt)
            connection.execute(f"REPLACE INTO time_kept (one, {_NAMES}) VALUES (1, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608

    @contextmanager
    def accepting(self) -> Iterator[None]:
        """Take the machine's date for the right one from here on, unless the block raises."""
        before = self.look()
        self._known = timekeeping.accept(before)
        try:
            yield
        except BaseException:
            self._known = before
            raise

    def _read(self) -> tuple[int, int]:
        return _us(self._machine.now()), self._machine.monotonic_ns() // 1000


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _datetime(us: int) -> datetime:
    return _EPOCH + us * _MICROSECOND
