# SPDX-License-Identifier: Apache-2.0
"""The checks of one peer's stream that are the same for every link: sender, order, time, age, rate, and patience.

There is no socket in it. `decode` has judged each message alone; a `Channel` judges it among the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_gate.core.clock import Clock
from edge_gate.core.errors import WireError
from edge_gate.core.token_bucket import TokenBucket
from edge_gate.wire.stamp import Stamp, Stamped


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """The bounds of one peer's stream.

    ``messages_per_s`` bounds the accepted messages, as a burst and as a rate. ``oldest_ns`` bounds their age. A message
    beyond these two is refused. After ``most_refused`` at once, and ``refused_per_s`` since, the peer is to be dropped.
    """

    messages_per_s: int
    oldest_ns: int
    most_refused: int
    refused_per_s: int


class Channel:
    """Judges the messages of one peer. It outlives a connection: a replay on the next one is a replay too.

    A connection has one sender. Numbers grow, and times never go back, on the next connection neither.
    """

    def __init__(self, name: str, limits: ChannelLimits, clock: Clock) -> None:
        """``name`` is the link's, for errors."""
        self._name = name
        self._limits = limits
        self._clock = clock
        self._last: dict[type, Stamp] = {}
        self._newest_ns: dict[type, int] = {}
        self._rate = TokenBucket(limits.messages_per_s, limits.messages_per_s, clock.monotonic_ns())
        self.begin()

    def begin(self) -> None:
        """Begin with a new connection, whose peer has its whole patience again."""
        self._sender: int | None = None
        limits = self._limits
        self._patience = TokenBucket(limits.most_refused, limits.refused_per_s, self._clock.monotonic_ns())

    def admit(self, message: Stamped) -> bool:
        """Return whether the message is fresh and within the rate.

        Raises WireError where the peer is to be dropped: a second sender, a number or a time out of order, or too many
        refused messages.
        """
        kind, stamp = type(message), message.stamp
        self._check_sender(stamp)
        self._check_order(kind, stamp)
        now_ns = self._clock.monotonic_ns()
        if self._is_fresh(stamp, now_ns):
            self._check_time(kind, stamp)
            if self._rate.spend(now_ns):
                return True
        if not self._patience.spend(now_ns):
            raise WireError(self._name, "a flood of messages that are too many, or too old")
        return False

    def _check_sender(self, stamp: Stamp) -> None:
        if self._sender not in (None, stamp.sender):
            raise WireError(self._name, "a second sender on one connection")
        self._sender = stamp.sender

    def _check_time(self, kind: type, stamp: Stamp) -> None:
        """A time that is still to come is not fresh, so nobody can put the newest one ahead of the clock."""
        newest_ns = self._newest_ns.get(kind, stamp.at_ns)
        if stamp.at_ns < newest_ns:
            raise WireError(self._name, f"its time goes back, by {(newest_ns - stamp.at_ns) / 1e6:.0f} ms")
        self._newest_ns[kind] = stamp.at_ns

    def _check_order(self, kind: type, stamp: Stamp) -> None:
        last = self._last.get(kind)
        if last is not None and last.sender == stamp.sender and stamp.sequence <= last.sequence:
            raise WireError(self._name, f"sequence {stamp.sequence} after {last.sequence}")
        self._last[kind] = stamp

    def _is_fresh(self, stamp: Stamp, now_ns: int) -> bool:
        return 0 <= now_ns - stamp.at_ns <= self._limits.oldest_ns
