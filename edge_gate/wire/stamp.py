# SPDX-License-Identifier: Apache-2.0
"""Where a message stands in its peer's stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where a message stands in its stream.

    ``sender`` names the peer, or its connection. ``sequence`` grows with each message of one kind.
    ``at_ns`` is CLOCK_BOOTTIME, the same clock in every process.
    """

    sender: int
    sequence: int
    at_ns: int


class Stamped(Protocol):
    """A message that says where it stands in its stream."""

    @property
    def stamp(self) -> Stamp:
        """Return sender, sequence and time."""
        ...
