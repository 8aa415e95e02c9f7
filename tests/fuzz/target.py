# SPDX-License-Identifier: Apache-2.0
"""What a fuzz target is: one parser, the bytes it meets, and what well formed ones look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Target:
    """``one`` meets some bytes and returns, or raises an EdgeGateError; anything else is a finding.

    ``seeds`` are inputs that the code itself made, from which the fuzzer begins; ``longest`` the most bytes it tries.
    """

    one: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    longest: int = 4096


# Makes a target that keeps its files, if it needs any, in the folder.
Maker = Callable[[Path], Target]
