# SPDX-License-Identifier: Apache-2.0
"""Messages of fixed layout: the frames between eye and gate, and what a relay board answers."""

from __future__ import annotations

from pathlib import Path

from edge_gate.relays.lcus import Lcus1
from edge_gate.relays.modbus import WaveshareModbus
from edge_gate.settings.config import DoorSettings
from edge_gate.wire.eye import CameraState, Command, EyeMode, Health, unpack
from tests.fuzz.target import Target
from tests.support.peers import embedding, sighting


def make_wire(_: Path) -> Target:
    """A message that is understood says the same when it is packed again."""

    def one(data: bytes) -> None:
        message = unpack(data)
        # NaN is not equal to itself, and there are many of it: the bytes of the second packing are the measure.
        packed = message.pack()
        assert unpack(packed).pack() == packed and len(packed) == len(data)

    health = Health(7, 1, 10**12, 99, 15.0, 8.0, 12.0, 0.4, CameraState.WORKING, 3)
    said = (sighting(embedding(1)), sighting(), health, Command(EyeMode.ENROL, 1))
    return Target(one, tuple(each.pack() for each in said), longest=400)


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
