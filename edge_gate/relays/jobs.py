# SPDX-License-Identifier: Apache-2.0
"""What is to be said on a line: jobs, and the attempt of the moment. Nothing here touches a port."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_gate.core.errors import RelayError
from edge_gate.relays.framing import Exchange

Done = Callable[[bytes | RelayError | None], None]
"""Told the last answer, None for a board that gives none, or the error that ended the job."""

Permit = Callable[[], RelayError | None]
"""Asked whether an exchange may still be sent; the error says why it may not."""


class Stage(enum.Enum):
    """Where the exchange of the moment is."""

    IDLE = enum.auto()
    GAP = enum.auto()
    SENDING = enum.auto()
    DRAINING = enum.auto()
    LISTENING = enum.auto()


@dataclass(slots=True, eq=False)
class Job:
    """Exchanges that belong together; the first that fails ends the job. ``begun``: it cannot be taken back."""

    plan: deque[Exchange]
    done: Done
    not_after_ns: int | None
    permit: Permit | None = None
    begun: bool = False
    opening_left: int = 0


@dataclass(slots=True)
class Attempt:
    """One exchange under way. ``ahead``: it goes out at once, unheard, and is asked again when its answer is clear."""

    exchange: Exchange
    attempts_left: int
    ahead: bool = False
    sent_ns: int = 0
    unsent: bytes = b""
    received: bytearray = field(default_factory=bytearray)

    @property
    def may_go_ahead(self) -> bool:
        """Whether this switches off and was not sent yet: then it does not wait until its answer would be clear."""
        return self.attempts_left == 2 and not self.exchange.asks
