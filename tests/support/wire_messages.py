# SPDX-License-Identifier: Apache-2.0
"""Strategies for whatever may be said on a link, in each direction."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from edge_gate.wire import eye as wire
from edge_gate.wire.eye import EYE_LINK
from edge_gate.wire.frame import Direction, Link
from tests.support.made_up_link import READER_LINK, Alive, Card, Colour, Lamp

u16 = st.integers(0, 2**16 - 1)
u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
number = st.floats(allow_nan=False, allow_infinity=False, width=32)
figure = st.floats(-wire.LARGEST_FIGURE, wire.LARGEST_FIGURE, width=32)
weight = st.floats(0, 1, width=32)
qualities = st.builds(wire.Quality, figure, figure, figure, figure, figure, figure, weight)


@st.composite
def sightings(draw: st.DrawFn) -> wire.Sighting:
    refusal = draw(st.sampled_from(wire.AcquisitionFailure))
    accepted = refusal is wire.AcquisitionFailure.NONE
    view = draw(st.binary(min_size=1, max_size=wire.MAX_DIMENSIONS).filter(any)) if accepted else b""
    # One that was not measured is not equal to itself (test_frame.py has it).
    pad_score = draw(st.floats(0, 1, width=32))
    pad_reason = draw(st.sampled_from([each for each in wire.PadReason if each is not wire.PadReason.NOT_MEASURED]))
    return wire.Sighting(
        draw(u64), draw(u64), draw(u64), draw(u32), draw(u16), draw(u16), draw(u16), draw(u16),
        draw(qualities), pad_score, pad_reason, refusal, draw(st.binary(min_size=8, max_size=8)), view, draw(u16),
    )  # fmt: skip


@st.composite
def healths(draw: st.DrawFn) -> wire.Health:
    arrived = draw(u16)
    return wire.Health(
        draw(u64), draw(u64), draw(u64), draw(u64), draw(number), draw(number), draw(number), draw(number),
        draw(st.sampled_from(wire.CameraState)), draw(st.integers(0, 255)), arrived, draw(st.integers(0, arrived)),
        draw(st.sampled_from(wire.SceneState)), draw(st.sampled_from(wire.InfraredCamera)), draw(u16), draw(u64),
    )  # fmt: skip


commands = st.builds(wire.Command, st.sampled_from(wire.EyeMode), u16, u64)
cards = st.builds(Card, u64, u64, u64, st.binary(min_size=32, max_size=32))
lamps = st.builds(Lamp, st.sampled_from(Colour), u16)

# Everything that any link may say: the link, the direction and the message.
WAYS: dict[tuple[str, Direction], st.SearchStrategy[Any]] = {
    ("eye", Direction.TO_GATE): st.one_of(sightings(), healths()),
    ("eye", Direction.FROM_GATE): commands,
    ("reader", Direction.TO_GATE): st.one_of(cards, st.builds(Alive, u64, u64, u64)),
    ("reader", Direction.FROM_GATE): lamps,
}
KNOWN: tuple[Link[Any, Any], ...] = (EYE_LINK, READER_LINK)
said = st.one_of(
    *(
        st.tuples(st.just(link), st.just(direction), WAYS[link.name, direction])
        for link in KNOWN
        for direction in Direction
    )
)
