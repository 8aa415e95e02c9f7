# SPDX-License-Identifier: Apache-2.0
"""The checks of one peer's stream that are the same for every link: order, age, rate, and patience.

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
    """Judges the messages of one peer. It outlives a connection: a replay on the next one is a replay too."""

    def __init__(self, name: str, limits: ChannelLimits, clock: Clock) -> None:
        """``name`` is the link's, for errors."""
        self._name = name
        self._limits = limits
        self._clock = clock
        self._last: dict[type, Stamp] = {}
        self._rate = TokenBucket(limits.messages_per_s, limits.messages_per_s, clock.monotonic_ns())
        self.renew_patience()

    def renew_patience(self) -> None:
        """Give the peer, on a new connection, its whole patience again."""
        limits = self._limits
        self._patience = TokenBucket(limits.most_refused, limits.refused_per_s, self._clock.monotonic_ns())

    def admit(self, message: Stamped) -> bool:
        """Return whether the message is fresh and within the rate.

        Raises WireError where the peer is to be dropped: a number out of order, or too many refused messages.
        """
        stamp = message.stamp
        self._check_order(type(message), stamp)
        now_ns = self._clock.monotonic_ns()
        if self._is_fresh(stamp, now_ns) and self._rate.spend(now_ns):
            return True
        if not self._patience.spend(now_ns):
            raise WireError(self._name, "a flood of messages that are too many, or too old")
        return False

    def _check_order(self, kind: type, stamp: Stamp) -> None:
        last = self._last.get(kind)
        if last is not None and last.sender == stamp.sender and stamp.sequence <= last.sequence:
            raise WireError(self._name, f"sequence {stamp.sequence} after {last.sequence}")
        self._last[kind] = stamp

    def _is_fresh(self, stamp: Stamp, now_ns: int) -> bool:
        return 0 <= now_ns - stamp.at_ns <= self._limits.oldest_ns
