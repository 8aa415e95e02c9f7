# SPDX-License-Identifier: Apache-2.0
"""What an eye's connection was told, and so what it may say: nothing of another connection, nothing while it is to
pause, and nothing that was seen when something else was wanted.

The number of a connection is drawn here, and each message has to repeat it: what was recorded on another connection, or
before a start of the gate, is none of this one's. Each command has a count, which a message repeats too.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import WireError
from edge_gate.wire.eye import MOST_COMMANDS, Command, EyeMode, Health, Sighting

GRACE_NS: Final = 5_000_000_000
"""How long an eye may go on by an older command: it may be at a picture, or be kept waiting by a busy machine."""
_REMEMBERED: Final = 64


class Orders:
    """The commands of one connection at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._current: Command | None = None
        self._replaced_ns: OrderedDict[int, int] = OrderedDict()
        self.begin()

    def begin(self) -> None:
        """Forget the connection before: the next one has a number of its own, and was told nothing yet."""
        self._eye = secrets.randbits(64)
        self._current = None
        self._replaced_ns.clear()

    def give(self, verb: EyeMode) -> Command:
        """Return the next command. What is seen by an older one is not used any more."""
        before = self._current
        self._current = Command(verb, (before.order + 1) % MOST_COMMANDS if before else 1, self._eye)
        if before is not None:
            self._replaced_ns[before.order] = self._clock.monotonic_ns()
        while len(self._replaced_ns) > _REMEMBERED:
            self._replaced_ns.popitem(last=False)
        return self._current

    def judge(self, message: Sighting | Health) -> None:
        """Raise WireError for a message that ends the connection."""
        current = self._current
        if message.eye != self._eye or current is None:
            raise WireError("eye", "it uses a number that this connection was not given")
        if message.order == current.order:
            if current.verb is EyeMode.PAUSE and isinstance(message, Sighting):
                raise WireError("eye", "it looks, though it was told to pause")
            return
        replaced_ns = self._replaced_ns.get(message.order)
        if replaced_ns is None or self._clock.monotonic_ns() - replaced_ns > GRACE_NS:
            raise WireError("eye", f"it does not do what it is told: it goes by command {message.order}")

    def holds(self, message: Sighting | Health) -> bool:
        """Tell whether a message that was judged goes by the newest command."""
        return self._current is not None and message.order == self._current.order
