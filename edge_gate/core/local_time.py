# SPDX-License-Identifier: Apache-2.0
"""Days and times of one time zone: the only place that turns moments into them, and them into moments.

The store, JSON and the wire have moments in UTC. People read and write local days and times. A day is counted from its
first instant to the first instant of the next day, however long it is and wherever its clock jumps.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as time_of_day
from typing import Final, Self

from edge_gate.core.errors import BadDate

# A day from here to there has both its ends in UTC, whatever its zone: Python's years are 1 to 9999.
FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(9998, 12, 31)
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_SHOWN_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A time zone and its name. `edge_gate/core/time_zones.py` finds it; here it is passed in."""

    name: str
    zone: tzinfo

    @classmethod
    def utc(cls) -> Self:
        """Return that of UTC."""
        return cls("UTC", UTC)

    def show(self, moment: datetime) -> str:
        """Return `2026-03-01 20:00:00`; where the clock shows that twice in one night, with its offset from UTC."""
        try:
            local = moment.astimezone(self.zone)
            twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
        except (OverflowError, ValueError):  # the year 0 or 10,000 there
            return moment.isoformat(" ", "seconds")
        return (local if twice else local.replace(tzinfo=None)).isoformat(" ", "seconds")

    def show_text(self, moment: str) -> str:
        """Return the same of a moment as the store and JSON have it. A text that is none stays as it is."""
        read = _moment(moment)
        return moment if read is None else self.show(read)

    def show_day(self, moment: str) -> str:
        """Return the day of a moment as the store and JSON have it. A text that is none stays as it is."""
        read = _moment(moment)
        return moment if read is None else self.show(read)[:10]

    def show_until(self, until: str) -> str:
        """Return the last day that is over at ``until``, or the day and the time where no day ends then."""
        read = _moment(until)
        if read is None:
            return until
        try:
            last = self.day(read - _SECOND)
            return last.isoformat() if self.end_of(last) == read else self.show(read)
        except (BadDate, OverflowError, ValueError):
            return self.show(read)

    def day(self, moment: datetime) -> date:
        """Return the day on which a moment is. Raises BadDate where that is out of bounds."""
        try:
            return moment.astimezone(self.zone).date()
        except (OverflowError, ValueError) as error:
            raise BadDate(f"{moment.isoformat()} is no day here") from error

    def end_of(self, day: date) -> datetime:
        """Return the first instant, in UTC, after the whole of a day. Raises BadDate where the day is out of bounds."""
        if not FIRST_DAY <= day <= LAST_DAY:
            raise BadDate(f"{day} is out of bounds. Use a day from {FIRST_DAY} to {LAST_DAY}")
        return self._begin(day + timedelta(days=1))

    def read_until(self, text: str) -> datetime:
        """Return the moment, in UTC, at which something ends that holds until then. Raises BadDate.

        A day is meant whole. A time is a moment; without an offset from UTC, one of this zone.
        """
        if _DAY.fullmatch(text):
            return self.end_of(parse_day(text))
        with suppress(ValueError):  # another form of a day, such as 20270331
            return self.end_of(date.fromisoformat(text))
        try:
            read = datetime.fromisoformat(text)
            moment = (read if read.tzinfo else read.replace(tzinfo=self.zone)).astimezone(UTC)
        except (OverflowError, ValueError) as error:  # the year 10,000 in UTC, or no such time
            raise BadDate(f"{_short(text)} is not a date or time. Write it as 2027-03-31T18:00:00+08:00") from error
        if not FIRST_DAY <= moment.date() <= LAST_DAY + timedelta(days=2):  # wherever that day ends last
            raise BadDate(f"{_short(text)} is out of bounds. Use a time from {FIRST_DAY} to {LAST_DAY}")
        return moment

    def _begin(self, day: date) -> datetime:
        """Return the instant, in UTC, from which on the clock shows no earlier day than this one."""
        midnight = datetime.combine(day, time_of_day())
        first, second = sorted(midnight.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if second.astimezone(self.zone).replace(tzinfo=None) == midnight:
            # Where midnight comes twice, the clock went back over it, or to it: in the second case the day had begun.
            return second if (second - _SECOND).astimezone(self.zone).date() < day else first
        # The clock jumps over midnight, between these two: it showed an earlier day before, and shows this one after.
        while second - first > _SECOND:
            middle = first + (second - first) // 2
            middle = middle.replace(microsecond=0)
            if middle.astimezone(self.zone).date() < day:
                first = middle
            else:
                second = middle
        return second


def parse_day(text: str) -> date:
    """Return the day that is written as `2027-03-31`. Raises BadDate with how to write it."""
    found = _DAY.fullmatch(text.strip())
    if not found:
        raise BadDate(f"{_short(text)} is not a date. Write it as 2027-03-31")
    try:
        day = date(*map(int, found.groups()))
    except ValueError as error:
        raise BadDate(f"{_short(text)} is not a date: there is no such day") from error
    if not FIRST_DAY <= day <= LAST_DAY:
        raise BadDate(f"{_short(text)} is out of bounds. Use a day from {FIRST_DAY} to {LAST_DAY}")
    return day


def year_after(day: date) -> date:
    """Return the same day of the next year; 28 February after a leap day. The last that there may be is LAST_DAY."""
    if day.year >= LAST_DAY.year:
        return LAST_DAY
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return day.replace(year=day.year + 1, day=28)


def _moment(text: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo else None


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")
