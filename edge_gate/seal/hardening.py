# SPDX-License-Identifier: Apache-2.0
"""The names of the walls, and which of them stand. Nothing is applied here, so that every part may import this."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Hardening(enum.IntFlag):
    """What a process has given up, for good. The numbers are on the wire (edge_gate.wire.eye.Health.sealed)."""

    PRIVILEGES = 1  # no program that it starts could gain rights
    DUMP = 2  # no core dump; nobody but root reads its memory
    SWAP = 4  # its memory is locked, so none of it is swapped out
    CALLS = 8  # seccomp: no network, no new program or process, no debugging, no memory both written and executed
    FILES = 16  # Landlock: only the files that its policy names
    TCP = 32  # Landlock: no TCP, besides seccomp
    SCOPE = 64  # Landlock: no signal and no abstract socket to a process outside

    @property
    def title(self) -> str:
        """The wall's name for people."""
        return TITLES[self]


TITLES: Mapping[Hardening, str] = {
    Hardening.PRIVILEGES: "no new privileges",
    Hardening.DUMP: "no core dump",
    Hardening.SWAP: "no swap",
    Hardening.CALLS: "system calls",
    Hardening.FILES: "files",
    Hardening.TCP: "TCP",
    Hardening.SCOPE: "signals",
}
ALL = Hardening(0)
for _each in TITLES:
    ALL |= _each


@dataclass(frozen=True, slots=True)
class Sealed:
    """What came of sealing: the walls that stand, those that are not to be had here (a kernel without Landlock, a limit
    on locked memory), and those that failed, with the reason."""

    standing: Hardening
    lacking: Mapping[Hardening, str] = field(default_factory=dict)
    failed: Mapping[Hardening, str] = field(default_factory=dict)


def titles(walls: Hardening) -> list[str]:
    """Return the names of the walls in a set, in order."""
    return [each.title for each in TITLES if each in walls]


def summary(standing: Hardening, lacking: Mapping[Hardening, str]) -> dict[str, Any]:
    """Return what `status` says of one process: names of walls that stand, that are not to be had here (and why), and
    that are missing although they could be had."""
    return {
        "standing": titles(standing),
        "not_here": {each.title: why for each, why in lacking.items() if each not in standing},
        "missing": titles(ALL & ~standing & ~_union(lacking)),
    }


def _union(walls: Mapping[Hardening, str]) -> Hardening:
    found = Hardening(0)
    for each in walls:
        found |= each
    return found
