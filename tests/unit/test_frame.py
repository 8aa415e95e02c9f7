# SPDX-License-Identifier: Apache-2.0
"""One frame for all links: whatever the bytes, a value of this link and this direction, or an error that names it.

The second link is made up (tests/support/made_up_link.py). The modules under test know nothing of it.
"""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.errors import WireError
from edge_gate.wire.eye import EYE_LINK, CameraState, Command, EyeMode, Health, PadReason, Sighting
from edge_gate.wire.frame import HEADER, MAGIC, Direction, Link, decode, encode
from edge_gate.wire.links import LINKS
from tests.support.made_up_link import READER_LINK, Card, Colour, Lamp
from tests.support.peers import embedding, sighting
from tests.support.wire_messages import KNOWN, WAYS, said

TO_GATE, FROM_GATE = Direction.TO_GATE, Direction.FROM_GATE
Said = tuple[Link[Any, Any], Direction, Any]
HEALTH = Health(7, 1, 10**12, 99, 15.0, 8.0, 12.0, 0.5, CameraState.WORKING, 3)
EXAMPLES: list[Said] = [
    (EYE_LINK, TO_GATE, sighting(embedding(1))),
    (EYE_LINK, TO_GATE, sighting()),
    (EYE_LINK, TO_GATE, HEALTH),
    (EYE_LINK, FROM_GATE, Command(EyeMode.ENROL, 5)),
    (READER_LINK, TO_GATE, Card(7, 1, 10**12, bytes(range(32)))),
    (READER_LINK, FROM_GATE, Lamp(Colour.GREEN, 3)),
]


def opposite(direction: Direction) -> Direction:
    return FROM_GATE if direction is TO_GATE else TO_GATE


def is_value_or_error(link: Link[Any, Any], direction: Direction, data: bytes) -> bool:
    """Return whether the bytes are a value, and fail where they are neither a value in its one form nor an error."""
    try:
        message = decode(link, direction, data)
    except WireError as error:
        assert f"on the {link.name} socket" in str(error)
        return False
    assert encode(link, direction, message) == data
    return True


@given(said)
def test_what_is_encoded_is_decoded_and_what_is_decoded_is_encoded_the_same(one: Said) -> None:
    link, direction, message = one
    data = encode(link, direction, message)
    assert decode(link, direction, data) == message
    assert encode(link, direction, decode(link, direction, data)) == data


@pytest.mark.parametrize("one", EXAMPLES, ids=lambda one: type(one[2]).__name__)
def test_every_flipped_bit_gives_a_value_or_an_error_that_names_the_link(one: Said) -> None:
    link, direction, message = one
    data = encode(link, direction, message)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        understood = is_value_or_error(link, direction, bytes(flipped))
        assert not understood or bit >= 8 * HEADER.size, "no bit of the header may change"


@given(said)
def test_every_truncation_is_refused(one: Said) -> None:
    link, direction, message = one
    data = encode(link, direction, message)
    for length in range(len(data)):
        assert not is_value_or_error(link, direction, data[:length])


@given(said, st.binary(min_size=1, max_size=400))
def test_every_extension_is_refused(one: Said, more: bytes) -> None:
    link, direction, message = one
    assert not is_value_or_error(link, direction, encode(link, direction, message) + more)


@given(said)
def test_a_message_is_refused_by_every_other_link_and_in_the_other_direction(one: Said) -> None:
    link, direction, message = one
    data = encode(link, direction, message)
    assert not is_value_or_error(link, opposite(direction), data)
    for foreign in KNOWN:
        if foreign is not link:
            assert not any(is_value_or_error(foreign, each, data) for each in Direction)
    with pytest.raises(WireError, match=link.name):
        encode(link, opposite(direction), message)


@given(st.sampled_from(KNOWN), st.sampled_from(Direction), st.data())
def test_any_body_behind_a_right_header_is_a_value_or_an_error(
    link: Link[Any, Any], direction: Direction, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(link.kinds(direction)))
    body = data.draw(st.binary(min_size=kind.body.size, max_size=kind.body.size))
    is_value_or_error(link, direction, HEADER.pack(MAGIC, link.id, link.version, kind.number) + body)


def test_the_links_id_alone_keeps_apart_what_is_alike_in_all_else() -> None:
    """A card has the length and the kind of a health; made to look like one of the eye's link it is no health yet."""
    card = encode(READER_LINK, TO_GATE, Card(7, 1, 10**12, bytes(32)))
    same_version = replace(READER_LINK, version=EYE_LINK.version)
    alike = encode(same_version, TO_GATE, Card(7, 1, 10**12, bytes(32)))
    assert len(card) == len(encode(EYE_LINK, TO_GATE, HEALTH))
    with pytest.raises(WireError, match=r"on the eye socket .* link 200; this is link 1"):
        decode(EYE_LINK, TO_GATE, alike)
    retagged = alike[:2] + bytes([EYE_LINK.id]) + alike[3:]
    assert decode(EYE_LINK, TO_GATE, retagged), "the control: with the eye's id it would have been one"


@pytest.mark.parametrize("one", EXAMPLES, ids=lambda one: type(one[2]).__name__)
def test_another_version_is_refused_by_the_name_of_the_link_and_both_numbers(one: Said) -> None:
    link, direction, message = one
    older = encode(replace(link, version=link.version - 1), direction, message)
    with pytest.raises(WireError, match=f"{link.name} .* version {link.version - 1}; .* version {link.version}"):
        decode(link, direction, older)


def test_an_error_says_what_is_wrong_with_magic_and_length() -> None:
    data = encode(EYE_LINK, FROM_GATE, Command(EyeMode.WATCH, 1))
    with pytest.raises(WireError, match="magic b'XX'; this is b'EG'"):
        decode(EYE_LINK, FROM_GATE, b"XX" + data[2:])
    with pytest.raises(WireError, match="17 bytes where command has 16"):
        decode(EYE_LINK, FROM_GATE, data + b"\0")
    with pytest.raises(WireError, match="4 bytes are no message"):
        decode(EYE_LINK, FROM_GATE, data[:4])


@pytest.mark.parametrize("form", [0x7F800001, 0x7FC00001, 0xFFC00000], ids=hex)
def test_one_form_of_not_measured_is_accepted_so_that_the_others_carry_nothing(form: int) -> None:
    data = bytearray(encode(EYE_LINK, TO_GATE, sighting(embedding(1), pad=math.nan)))
    assert data[72:76] == struct.pack("<f", math.nan)
    data[72:76] = struct.pack("<I", form)
    with pytest.raises(WireError, match="bits that mean nothing"):
        decode(EYE_LINK, TO_GATE, bytes(data))


def test_a_score_goes_with_a_reason_and_none_with_not_measured() -> None:
    unmeasured = decode(EYE_LINK, TO_GATE, encode(EYE_LINK, TO_GATE, sighting(embedding(1), pad=math.nan)))
    assert isinstance(unmeasured, Sighting) and math.isnan(unmeasured.pad_score)
    for pad, reason in ((math.nan, PadReason.NONE), (math.nan, PadReason.SURFACE), (0.5, PadReason.NOT_MEASURED)):
        wrong = replace(sighting(embedding(1)), pad_score=pad, pad_reason=reason)
        with pytest.raises(WireError, match="a PAD score goes with a reason"):
            decode(EYE_LINK, TO_GATE, encode(EYE_LINK, TO_GATE, wrong))


def test_padding_carries_nothing() -> None:
    for link, direction, message in EXAMPLES:
        data = encode(link, direction, message)
        (kind,) = (each for each in link.kinds(direction) if each.message is type(message))
        ones = kind.body.pack(*kind.body.unpack(b"\xff" * kind.body.size))
        # Padding is what a layout writes as 0 where every byte it was given was 255.
        for place in (at for at, byte in enumerate(ones, HEADER.size) if byte == 0):
            with pytest.raises(WireError):
                decode(link, direction, data[:place] + b"\1" + data[place + 1 :])


def test_a_field_that_does_not_fit_its_place_is_refused_by_the_name_of_the_link() -> None:
    with pytest.raises(WireError, match="reader"):
        encode(READER_LINK, FROM_GATE, Lamp(Colour.RED, 2**16))
    with pytest.raises(WireError, match="eye"):
        encode(EYE_LINK, FROM_GATE, Command(EyeMode.WATCH, -1))


def test_a_link_with_two_kinds_of_one_number_is_a_mistake_at_once() -> None:
    with pytest.raises(ValueError, match="two kinds of the reader link"):
        replace(READER_LINK, to_gate=(READER_LINK.to_gate[0], READER_LINK.to_gate[0]))
    with pytest.raises(ValueError, match="two kinds of the reader link"):
        replace(READER_LINK, from_gate=(replace(READER_LINK.from_gate[0], number=2),))


def test_each_link_has_an_id_and_a_name_of_its_own_and_no_room_for_a_picture() -> None:
    assert len({each.id for each in LINKS}) == len({each.name for each in LINKS}) == len(LINKS)
    for link in LINKS:
        for direction in Direction:
            assert (link.name, direction) in WAYS, "the properties above are tried on every link there is"
            assert link.longest(direction) <= 512 < 160 * 72 / 8
