# SPDX-License-Identifier: Apache-2.0
"""Drivers found by entry point, so that a camera or a relay board of somebody else's is a package, not a patch."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from edge_gate.core.errors import UnknownDriver


def names(group: str) -> list[str]:
    """Return the installed drivers of ``edge_gate.cameras`` or ``edge_gate.relays``, sorted."""
    return sorted(point.name for point in entry_points(group=group))


def load(group: str, name: str) -> Any:
    """Import and return one driver's class. Raises UnknownDriver naming those there are."""
    for point in entry_points(group=group, name=name):
        return point.load()
    raise UnknownDriver(group.rpartition(".")[2].removesuffix("s"), name, ", ".join(names(group)))
