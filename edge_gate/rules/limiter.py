# SPDX-License-Identifier: Apache-2.0
"""How many tries this camera gives, whoever comes: what is refused makes the gate slower, then stricter, and so on.

Nothing here knows of people or tracks. Each refusal is forgiven after its time, one after the other, so a single moment
says how many still count: the one at which all are forgiven. A refusal moves it on. In any span of time no more are
judged and refused than ``token`` and one for each ``forgiven_ns`` of it, and whoever leaves the gate alone finds it
open again.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Final, Self

from edge_gate.settings.limiter import LimiterSettings

_NEVER: Final = -(10**18)


class State(enum.Enum):
    """What refusals have made of the gate, from the mildest to the strictest.

    SLOWER: the next is judged a moment after the last refusal. STRICTER: twice as much is wanted to go by besides.
    TOKEN: eyes alone do not open, and nobody is judged. REST: nor for a fixed time, whoever comes.
    """

    OPEN = "open"
    SLOWER = "slower"
    STRICTER = "stricter"
    TOKEN = "token"  # noqa: S105 - a state, no secret
    REST = "rest"

    @property
    def rank(self) -> int:
        """How strict it is."""
        return list(State).index(self)


@dataclass(frozen=True, slots=True)
class Limits:
    """Refusals that still count at which the gate becomes ``slower``, ``stricter``, and asks for a ``token``.

    ``rest``: approaches that came all the same while a token was asked for, after which nobody is judged.
    """

    slower: int
    stricter: int
    token: int
    rest: int
    forgiven_ns: int
    wait_ns: int
    rest_ns: int

    @classmethod
    def of(cls, attempts: int, settings: LimiterSettings) -> Self:
        """Return the limits of a site, whose people get so many attempts."""
        stricter = attempts + settings.stricter_after
        times = (round(seconds * 1e9) for seconds in (settings.forgiven_s, settings.wait_s, settings.rest_s))
        return cls(attempts, stricter, stricter + settings.token_after, settings.rest_after, *times)


@dataclass(frozen=True, slots=True)
class Tries:
    """What was refused at one camera, at a moment (CLOCK_BOOTTIME). A new one has nothing against anybody."""

    limits: Limits
    forgiven_at_ns: int = _NEVER
    refused_at_ns: int = _NEVER
    rest_until_ns: int = _NEVER
    turned_away: int = 0

    def counted(self, now_ns: int) -> int:
        """Return how many refusals still count."""
        return max(0, -((now_ns - self.forgiven_at_ns) // self.limits.forgiven_ns))

    def state(self, now_ns: int) -> State:
        """Return what the gate is like now."""
        if now_ns < self.rest_until_ns:
            return State.REST
        counted, limits = self.counted(now_ns), self.limits
        if counted >= limits.token:
            return State.TOKEN
        if counted >= limits.stricter:
            return State.STRICTER
        return State.SLOWER if counted >= limits.slower else State.OPEN

    def until_ns(self, now_ns: int) -> int | None:
        """Return when it becomes milder, if nobody else is refused; None where it is open."""
        limits, state = self.limits, self.state(now_ns)
        if state is State.REST:
            return self.rest_until_ns
        first = {State.SLOWER: limits.slower, State.STRICTER: limits.stricter, State.TOKEN: limits.token}.get(state)
        return None if first is None else self.forgiven_at_ns - (first - 1) * limits.forgiven_ns

    def may_judge(self, now_ns: int) -> bool:
        """Tell whether somebody may be compared with residents now."""
        state = self.state(now_ns)
        if state is State.OPEN:
            return True
        return state.rank < State.TOKEN.rank and now_ns - self.refused_at_ns >= self.limits.wait_ns

    def refused(self, now_ns: int, *, attack: bool = False) -> Self:
        """Return what it is like after somebody was judged and refused; an attack makes it stricter at once."""
        limits = self.limits
        counted_until = max(now_ns, self.forgiven_at_ns)
        if attack:
            counted_until = max(counted_until, now_ns + (limits.stricter - 1) * limits.forgiven_ns)
        most = now_ns + limits.token * limits.forgiven_ns
        return replace(
            self,
            forgiven_at_ns=min(counted_until + limits.forgiven_ns, most),
            refused_at_ns=now_ns,
            turned_away=0,  # whoever came while a token was asked for before this does not count for the next rest
        )

    def turn_away(self, now_ns: int) -> Self:
        """Return what it is like after somebody came without a token although it was asked for."""
        if self.state(now_ns) is not State.TOKEN:
            return self
        if self.turned_away + 1 < self.limits.rest:
            return replace(self, turned_away=self.turned_away + 1)
        return replace(self, turned_away=0, rest_until_ns=now_ns + self.limits.rest_ns)
