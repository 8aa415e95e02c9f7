# SPDX-License-Identifier: Apache-2.0
"""The frame that all links share: a header, and a body of fixed length. Processes share the frame, not the messages.

Every message is one datagram on a SOCK_SEQPACKET UNIX socket, little-endian::

    0  magic     2 bytes   "EG"
    2  link      1 byte    the link's id
    3  version   1 byte    the link's own version
    4  kind      1 byte    what the message is; no kind goes both ways
    5  body                of the one length that the kind has

A link is declared once, as data (see edge_gate.wire.eye). `decode` accepts the kinds of one link in one direction only.
Each message has one form: `decode` refuses bytes that `encode` does not give back.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar, overload

from edge_gate.core.errors import WireError

MAGIC: Final = b"EG"
HEADER: Final = struct.Struct("<2sBBB")

MessageT = TypeVar("MessageT", covariant=True)
ToGateT = TypeVar("ToGateT", covariant=True)
FromGateT = TypeVar("FromGateT", covariant=True)


class Direction(enum.Enum):
    """The way of a message. Every link has the gate at one end."""

    TO_GATE = "to the gate"
    FROM_GATE = "from the gate"


@dataclass(frozen=True, slots=True)
class MessageKind(Generic[MessageT]):
    """One kind of message: its number on the wire, its value's type and its layout.

    ``fields`` returns a value's fields in the layout's order. ``read`` makes a value of such fields. Both raise
    ValueError for a value that does not belong on the wire.
    """

    number: int
    message: type[MessageT]
    body: struct.Struct
    fields: Callable[[Any], tuple[Any, ...]]
    read: Callable[[tuple[Any, ...]], MessageT]

    @property
    def length(self) -> int:
        """Return the bytes of a whole message, header included."""
        return HEADER.size + self.body.size


@dataclass(frozen=True, slots=True)
class Link(Generic[ToGateT, FromGateT]):
    """The messages that one process and the gate may exchange. ``name`` is the process's, in errors and journal."""

    id: int
    name: str
    version: int
    to_gate: tuple[MessageKind[ToGateT], ...]
    from_gate: tuple[MessageKind[FromGateT], ...]

    def __post_init__(self) -> None:
        kinds = (*self.to_gate, *self.from_gate)
        if len({each.number for each in kinds}) != len(kinds):
            raise ValueError(f"two kinds of the {self.name} link have one number")

    def kinds(self, direction: Direction) -> tuple[MessageKind[Any], ...]:
        """Return the kinds that go in this direction."""
        return self.to_gate if direction is Direction.TO_GATE else self.from_gate

    def longest(self, direction: Direction) -> int:
        """Return the bytes of the longest message that goes in this direction."""
        return max((each.length for each in self.kinds(direction)), default=0)


def encode(link: Link[Any, Any], direction: Direction, message: object) -> bytes:
    """Return the message's bytes.

    Raises WireError where the message does not go this way, or a field does not fit its place.
    """
    for kind in link.kinds(direction):
        if kind.message is type(message):
            return _encode(link, kind, message)
    raise WireError(link.name, f"{type(message).__name__} does not go {direction.value}")


@overload
def decode(link: Link[ToGateT, Any], direction: Literal[Direction.TO_GATE], data: bytes) -> ToGateT: ...
@overload
def decode(link: Link[Any, FromGateT], direction: Literal[Direction.FROM_GATE], data: bytes) -> FromGateT: ...
@overload
def decode(link: Link[Any, Any], direction: Direction, data: bytes) -> Any: ...
def decode(link: Link[Any, Any], direction: Direction, data: bytes) -> Any:
    """Read one message. Raises WireError for bytes that are not exactly one of the link's layouts with sane values."""
    kind = _find_kind(link, direction, data)
    if len(data) != kind.length:
        raise WireError(link.name, f"{len(data)} bytes where {kind.message.__name__.lower()} has {kind.length}")
    try:
        message = kind.read(kind.body.unpack_from(data, HEADER.size))
    except (ValueError, OverflowError) as error:
        raise WireError(link.name, str(error)) from error
    # Padding and the many forms of NaN have room for bits that no field shows.
    if _encode(link, kind, message) != data:
        raise WireError(link.name, "bits that mean nothing are set")
    return message


def _find_kind(link: Link[Any, Any], direction: Direction, data: bytes) -> MessageKind[Any]:
    if len(data) < HEADER.size:
        raise WireError(link.name, f"{len(data)} bytes are no message")
    magic, link_id, version, number = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise WireError(link.name, f"magic {magic!r}; this is {MAGIC!r}")
    if link_id != link.id:
        raise WireError(link.name, f"a message of link {link_id}; this is link {link.id}")
    if version != link.version:
        raise WireError(link.name, f"version {version}; this is version {link.version}")
    for kind in link.kinds(direction):
        if kind.number == number:
            return kind
    raise WireError(link.name, f"kind {number} does not go {direction.value}")


def _encode(link: Link[Any, Any], kind: MessageKind[Any], message: object) -> bytes:
    try:
        body = kind.body.pack(*kind.fields(message))
    except (struct.error, ValueError, OverflowError) as error:
        raise WireError(link.name, str(error)) from error
    return HEADER.pack(MAGIC, link.id, link.version, kind.number) + body
