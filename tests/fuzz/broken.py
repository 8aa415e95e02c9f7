# SPDX-License-Identifier: Apache-2.0
"""Parsers that are broken on purpose: the fuzzer has to find them out, or it finds nothing anywhere."""

from __future__ import annotations

import time
from pathlib import Path

from edge_gate.core.errors import WireError
from tests.fuzz.target import Target


def make_crashes(_: Path) -> Target:
    """Fails behind five right bytes: one chance in 2^40 for whoever guesses blindly, and five steps for the guided."""

    def one(data: bytes) -> None:
        if len(data) < 8:
            raise WireError("eye", "too short")
        # ruff: noqa: SIM102 - each a place of the code of its own, which is what guides
        if data[0] == 0x45:
            if data[1] == 0x47:
                if data[2] == 0x91:
                    if data[3] == 0x07:
                        if data[4] == 0xE3:
                            raise KeyError(data[5])

    return Target(one, (b"12345678",), longest=16)


def make_hangs(_: Path) -> Target:
    """Does not end for some inputs."""

    def one(data: bytes) -> None:
        while data[:1] == b"H":
            time.sleep(0.01)

    return Target(one, (b"1",), longest=4)


def make_swallows(_: Path) -> Target:
    """Takes memory without bound for some inputs."""

    def one(data: bytes) -> None:
        taken = []
        while data[:1] == b"M":
            taken.append(bytes(range(256)) * 400_000)

    return Target(one, (b"1",), longest=4)
