# SPDX-License-Identifier: Apache-2.0
"""A link that no product has: a card reader that tells of cards, and a gate that sets its lamp.

Its kinds have the eye's numbers, and its `Card` the length of the eye's `Health`, so that the link's id alone keeps the
two apart.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import astuple, dataclass
from typing import Any

from edge_gate.wire.channel import ChannelLimits
from edge_gate.wire.frame import Link, MessageKind
from edge_gate.wire.stamp import Stamp


class Colour(enum.IntEnum):
    RED = 1
    GREEN = 2


@dataclass(frozen=True, slots=True)
class Card:
    reader: int
    sequence: int
    read_ns: int
    digest: bytes

    @property
    def stamp(self) -> Stamp:
        return Stamp(self.reader, self.sequence, self.read_ns)


@dataclass(frozen=True, slots=True)
class Alive:
    reader: int
    sequence: int
    sent_ns: int

    @property
    def stamp(self) -> Stamp:
        return Stamp(self.reader, self.sequence, self.sent_ns)


@dataclass(frozen=True, slots=True)
class Lamp:
    colour: Colour
    seconds: int


def _read_lamp(fields: tuple[Any, ...]) -> Lamp:
    return Lamp(Colour(fields[0]), fields[1])


READER_LINK: Link[Card | Alive, Lamp] = Link(
    id=200,
    name="reader",
    version=9,
    to_gate=(
        MessageKind(2, Card, struct.Struct("<3x 3Q 32s 8x"), astuple, lambda fields: Card(*fields)),
        MessageKind(4, Alive, struct.Struct("<3x 3Q"), astuple, lambda fields: Alive(*fields)),
    ),
    from_gate=(MessageKind(3, Lamp, struct.Struct("<B H"), astuple, _read_lamp),),
)
READER_LIMITS = ChannelLimits(messages_per_s=5, oldest_ns=10**9, most_refused=4, refused_per_s=1)
