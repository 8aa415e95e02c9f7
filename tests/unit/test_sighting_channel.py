# SPDX-License-Identifier: Apache-2.0
"""How much an eye that has been taken over could tell through its numbers: the gate's bound on bytes a second holds.

Every byte of a message counts as if it could be chosen freely, though many cannot. The figures are those of the threat
model; docs/developer.md says where they come from.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import pytest

from edge_gate.gate.peers.eye import LIMITS, EyeLink
from edge_gate.gate.peers.peer_link import BATCH
from edge_gate.wire.eye import HEALTH_BYTES, LARGEST_BYTES, SIGHTING_BYTES, EyeMode
from tests.support.clocks import HeldClock
from tests.support.peers import RawEye, embedding

MODEL = b"12345678"
STRIP_BYTES = 160 * 72 * 3
FACE_BYTES = 112 * 112 * 3


def accepted_bytes(folder: Path, seconds: int, tries_a_second: int) -> tuple[int, int]:
    """Flood the gate's socket; return how many bytes it accepted, and how many were sent."""
    clock = HeldClock(10**12)
    link = EyeLink(folder / "eye.sock", "", MODEL, 0, clock, lambda _: None)
    eye = RawEye(folder / "eye.sock", MODEL)
    assert link.accept() and link.send(EyeMode.WATCH)
    accepted = sent = 0
    for tick in range(seconds * tries_a_second):
        clock.at_ns = 10**12 + tick * 10**9 // tries_a_second
        eye.see(embedding(tick % 7), captured_ns=clock.at_ns)
        sent += SIGHTING_BYTES
        accepted += SIGHTING_BYTES * len(link.receive())
    link.close()
    return accepted, sent


@pytest.mark.parametrize("seconds", [1, 10, 60])
def test_no_more_bytes_a_second_are_accepted_than_the_bound_says(tmp_path: Path, seconds: int) -> None:
    accepted, sent = accepted_bytes(tmp_path, seconds, 200)
    most = LIMITS.messages_per_s * SIGHTING_BYTES
    assert sent > 5 * most * seconds, "the flood was one"
    assert accepted <= most * (seconds + 1), "one second's worth may come at once"
    assert accepted >= most * seconds, "and the bound is used up, so this is the figure"


def test_an_honest_eye_stays_far_below_the_bound(tmp_path: Path) -> None:
    accepted, sent = accepted_bytes(tmp_path, 10, 15)
    assert accepted == sent


def test_a_message_that_is_longer_than_its_layout_ends_the_connection(tmp_path: Path) -> None:
    link = EyeLink(tmp_path / "eye.sock", "", MODEL, 0, HeldClock(10**12), lambda _: None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as eye:
        eye.connect(str(tmp_path / "eye.sock"))
        assert link.accept()
        eye.send(struct.pack("<2sBBB", b"EG", 1, 6, 1) + os.urandom(STRIP_BYTES))
        assert link.receive() == [] and link.connection is None and link.refused == 1
    link.close()


def test_the_figures_of_the_threat_model_follow_from_the_bound() -> None:
    a_second = LIMITS.messages_per_s * max(SIGHTING_BYTES, HEALTH_BYTES)
    assert (LARGEST_BYTES, a_second) == (344, 10_320)
    assert LIMITS.messages_per_s <= BATCH, "one turn of the loop can take in one second's worth"
    assert round(STRIP_BYTES / a_second, 1) == 3.3, "seconds for a strip, as it is"
    assert round(FACE_BYTES / a_second, 1) == 3.6, "seconds for a face of 112 x 112, as it is"
