# SPDX-License-Identifier: Apache-2.0
"""The messages between eye and gate: exact layouts, nothing else accepted."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.errors import WireError
from edge_gate.wire import eye as wire
from edge_gate.wire.frame import Direction, decode, encode
from tests.support.peers import sighting
from tests.support.wire_messages import commands, healths, sightings


def pack(message: object) -> bytes:
    way = Direction.FROM_GATE if isinstance(message, wire.Command) else Direction.TO_GATE
    return encode(wire.EYE_LINK, way, message)


def unpack(data: bytes) -> wire.Sighting | wire.Health | wire.Command:
    """Read a message that goes either way; the error is that of the way to the gate."""
    try:
        return decode(wire.EYE_LINK, Direction.TO_GATE, data)
    except WireError:
        try:
            return decode(wire.EYE_LINK, Direction.FROM_GATE, data)
        except WireError:
            pass
        raise


messages = st.one_of(sightings(), healths(), commands)


@given(messages)
def test_what_is_packed_is_read_again(message: Any) -> None:
    assert unpack(pack(message)) == message


@given(st.binary(max_size=600))
def test_any_bytes_give_a_message_or_a_wire_error(data: bytes) -> None:
    try:
        message = unpack(data)
    except WireError:
        return
    assert pack(message) == data


@given(messages, st.data())
def test_a_flipped_byte_never_gives_anything_but_a_message_or_a_wire_error(message: Any, data: st.DataObject) -> None:
    packed = bytearray(pack(message))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        read = unpack(bytes(packed))
    except WireError:
        return
    if isinstance(read, wire.Sighting):
        assert all(map(math.isfinite, (read.quality.weight, read.quality.sharpness)))


@pytest.mark.parametrize("at", range(7))
@pytest.mark.parametrize("figure", [3e38, -3e38, math.nan, math.inf, 2e6])
def test_a_figure_that_would_overflow_what_is_fused_is_refused(at: int, figure: float) -> None:
    packed = bytearray(pack(sighting(b"\1")))
    unpack(bytes(packed))
    packed[44 + 4 * at : 48 + 4 * at] = struct.pack("<f", figure)
    with pytest.raises(WireError):
        unpack(bytes(packed))


@pytest.mark.parametrize("heavy", [-0.1, 1.1])
def test_a_weight_is_from_nothing_to_one(heavy: float) -> None:
    packed = bytearray(pack(sighting(b"\1")))
    packed[68:72] = struct.pack("<f", heavy)
    with pytest.raises(WireError, match="weight"):
        unpack(bytes(packed))


@given(messages, st.integers(1, 400))
def test_truncated_and_padded_messages_are_refused(message: Any, change: int) -> None:
    packed = pack(message)
    for wrong in (packed[:-change], packed + bytes(change)):
        with pytest.raises(WireError):
            unpack(wrong)


def test_a_sighting_has_no_room_for_a_picture() -> None:
    """A tenth of the smallest strip, one bit a pixel, would not fit; the design allows 512 bytes."""
    assert wire.LARGEST_BYTES <= 512 < 160 * 72 / 8
    quality = wire.Quality(60, 0.5, 0.5, 0, 0, 0.3, 0.9)
    big = wire.Sighting(
        1,
        1,
        1,
        1,
        1,
        1,
        640,
        480,
        quality,
        0.5,
        wire.PadReason.NONE,
        wire.AcquisitionFailure.NONE,
        b"12345678",
        b"x" * 257,
    )
    with pytest.raises(WireError):
        pack(big)


def test_the_layout_is_the_documented_one() -> None:
    assert (wire.SIGHTING_BYTES, wire.HEALTH_BYTES, wire.COMMAND_BYTES) == (344, 72, 16)
    for size in ("344 bytes", "72 bytes", "16 bytes"):
        assert size in (wire.__doc__ or "")
