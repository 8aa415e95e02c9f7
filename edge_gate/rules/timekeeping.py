# SPDX-License-Identifier: Apache-2.0
"""What time it is for the gate: a time that never goes back, and whether the machine's date is to be trusted.

The date can be set, or lost with a battery. What has run since the machine was switched on cannot. So the newest date
that was believed is a *floor*, which outlives restarts. A date below it is not trusted: time is then counted on from
the newest time that was known. A date above it is believed at once, though it may be wrong: that lets nobody in.

    date        ____/ 12:00 .. 12:10   set back to 09:00 .. 12:10   12:11 ..
    trusted          yes               no                           yes
    gate's time      the date          counted on: 12:10 .. 15:20   half as fast, until the date has come to 15:20 or so

A clock that is corrected backwards, by two minutes, is so trusted again after two minutes. Numbers are microseconds,
dates since 1970 (UTC).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

SECOND_US: Final = 1_000_000
# By less than this a clock is corrected in passing: by a time server, or by a leap second.
SLACK_US: Final = 2 * SECOND_US
# A date that was set forward is doubted for as much running time as it went forward, and for this at most.
LONGEST_DOUBT_US: Final = 24 * 3600 * SECOND_US


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What is known of the time at one reading of the machine's two clocks.

    ``newest``: the gate's time. ``floor``: the newest date that was trusted. ``wall`` and ``boot``: the date that was
    read, and CLOCK_BOOTTIME. ``ran``: how long the gate's machines were known to run, over all restarts; never more
    than has passed. ``stepped``: by how much the date was set, all in all. ``doubt``: see LONGEST_DOUBT_US.
    """

    newest: int
    floor: int
    wall: int
    boot: int
    ran: int = 0
    doubt: int = 0
    stepped: int = 0

    @property
    def trusted(self) -> bool:
        """Whether the machine's date may be right."""
        return self.wall >= self.floor - SLACK_US

    @property
    def settled(self) -> bool:
        """Whether what cannot be taken back may be done by this time: not while it is ahead of the date either."""
        return self.trusted and not self.doubt and self.newest <= self.wall + SLACK_US


def begin(known: int, wall: int, boot: int) -> Reckoning:
    """Return the first reckoning of a store. ``known``: no date before it can be right."""
    return advance(Reckoning(known, known, wall, boot), wall, boot)


def advance(before: Reckoning, wall: int, boot: int) -> Reckoning:
    """Return what is known now: at the next look, or after a restart, of which only the two clocks tell.

    Where CLOCK_BOOTTIME is behind, the machine was started since: what it has run by now has passed at least. Where it
    is ahead it may be another start all the same, and at least the difference has passed.
    """
    passed = boot - before.boot if boot >= before.boot else boot
    step = wall - before.wall - passed
    believed = replace(before, wall=wall).trusted
    # Behind its own newest time the gate waits for a date that is trusted, and does not stand still for it.
    counted = before.newest + ((passed + 1) // 2 if believed else passed)
    doubt = max(0, before.doubt - passed + max(0, step))  # also of many small steps
    return Reckoning(
        newest=max(counted, wall),
        floor=max(before.floor, wall) if believed else before.floor,
        wall=wall,
        boot=boot,
        ran=before.ran + passed,
        stepped=before.stepped + step,
        doubt=min(doubt, LONGEST_DOUBT_US),
    )


def accept(before: Reckoning) -> Reckoning:
    """Return the reckoning by which the machine's date is the right one, though later dates were believed before."""
    return replace(before, newest=before.wall, floor=before.wall, doubt=0)
