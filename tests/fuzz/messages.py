# SPDX-License-Identifier: Apache-2.0
"""Messages of fixed layout: the frames of each link, and what a relay board answers."""

from __future__ import annotations

from pathlib import Path

from edge_gate.core.errors import WireError
from edge_gate.relays.lcus import Lcus1
from edge_gate.relays.modbus import WaveshareModbus
from edge_gate.settings.config import DoorSettings
from edge_gate.wire.eye import EYE_LINK, CameraState, Command, EyeMode, Health
from edge_gate.wire.frame import Direction, decode, encode
from edge_gate.wire.glance import LONGEST_BYTES, Glance
from edge_gate.wire.glance import decode as decode_glance
from edge_gate.wire.glance import encode as encode_glance
from edge_gate.wire.links import LINKS
from tests.fuzz.target import Target
from tests.support.peers import embedding, sighting


def make_wire(_: Path) -> Target:
    """Each link's decoder, in each direction, meets the same bytes: one of them at most understands a message, and what
    it understands is packed into the same bytes again."""
    ways = [(link, direction) for link in LINKS for direction in Direction]

    def one(data: bytes) -> None:
        refusals: list[WireError] = []
        for link, direction in ways:
            try:
                message = decode(link, direction, data)
            except WireError as error:
                refusals.append(error)
            else:
                assert encode(link, direction, message) == data
        assert len(ways) - len(refusals) <= 1, "a message that goes two ways"
        for refusal in refusals:
            assert str(refusal).strip()

    health = Health(7, 1, 10**12, 99, 15.0, 8.0, 12.0, 0.4, CameraState.WORKING, 3)
    to_gate = (sighting(embedding(1)), sighting(), health)
    seeds = [encode(EYE_LINK, Direction.TO_GATE, each) for each in to_gate]
    seeds.append(encode(EYE_LINK, Direction.FROM_GATE, Command(EyeMode.ENROL, 1)))
    kinds = {(link.id, kind.number) for link, direction in ways for kind in link.kinds(direction)}
    assert {(seed[2], seed[4]) for seed in seeds} == kinds, "each kind of each link has a seed"
    return Target(one, tuple(seeds), longest=max(link.longest(direction) for link, direction in ways) + 56)


def make_relay(_: Path) -> Target:
    """What each board makes of an answer; the first byte says how many relays it has."""

    def one(data: bytes) -> None:
        channels = data[0] % 32 + 1 if data else 1
        settings = DoorSettings(channels=channels)
        for board in (Lcus1(settings), WaveshareModbus(settings)):
            states = board.decode(data[1:])
            assert states is None or len(states) == channels

    boards = [WaveshareModbus(DoorSettings(channels=number)) for number in (1, 8, 32)]
    answers = [each.request for board in boards for each in board.all_off()]
    answers += [each.reply or b"" for board in boards for each in board.all_off()]
    return Target(one, tuple(bytes((number - 1,)) + each for number in (1, 8, 32) for each in answers), longest=64)


def make_glance(_: Path) -> Target:
    """What looked through the camera for the doctor says, or whoever took it over: a value within bounds."""

    def one(data: bytes) -> None:
        glance = decode_glance(data)
        assert decode_glance(encode_glance(glance)) == glance

    looks = (
        Glance(640, 480, 0.4, identity="uvcvideo usb-1 046d:0825"),
        Glance(),
        Glance(fault="The camera /dev/video0 failed: it is in use."),
    )
    return Target(one, tuple(map(encode_glance, looks)), longest=LONGEST_BYTES + 8)
