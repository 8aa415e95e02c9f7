# SPDX-License-Identifier: Apache-2.0
"""Drivers found by entry point, so that a camera or a relay board of somebody else's is a package, not a patch."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from edge_gate.core.errors import DriverUnusable, EdgeGateError, UnknownDriver
from edge_gate.core.errors.foreign import describe_exception


def names(group: str) -> list[str]:
    """Return the installed drivers of ``edge_gate.cameras`` or ``edge_gate.relays``, sorted."""
    return sorted(point.name for point in entry_points(group=group))


def load(group: str, name: str) -> Any:
    """Import and return one driver's class.

    Raises UnknownDriver naming those there are, DriverUnusable where somebody else's package does not even load.
    """
    kind = group.rpartition(".")[2].removesuffix("s")
    for point in entry_points(group=group, name=name):
        try:
            return point.load()
        except EdgeGateError:
            raise
        except Exception as error:  # an import runs code of others
            raise DriverUnusable(kind, name, describe_exception(error)) from error
    raise UnknownDriver(kind, name, ", ".join(names(group)))
