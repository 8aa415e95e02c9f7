# SPDX-License-Identifier: Apache-2.0
"""Drivers found by entry point, so that a camera or a relay board of somebody else's is a package, not a patch.

Those of edge-gate itself come first: no installed package can take a name from them. One that tries is told.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Final

from edge_gate.core.errors import DriverUnusable, EdgeGateError, UnknownDriver
from edge_gate.core.errors.foreign import describe_exception

BUILT_IN: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "edge_gate.cameras": MappingProxyType(
            {
                "demo-street": "edge_gate.tools.demo.street:StreetCamera",
                "picamera2": "edge_gate.eye.cameras.pi:PiCamera",
                "replay": "edge_gate.eye.cameras.replay:ReplayCamera",
                "v4l2": "edge_gate.eye.cameras.v4l2:V4L2Camera",
            }
        ),
        "edge_gate.relays": MappingProxyType(
            {
                "lcus1": "edge_gate.relays.lcus:Lcus1",
                "modbus-waveshare": "edge_gate.relays.modbus:WaveshareModbus",
            }
        ),
    }
)
"""The drivers of edge-gate itself, as in setup.cfg: group, name, and where the class is."""

_log = logging.getLogger(__name__)


def names(group: str) -> list[str]:
    """Return the installed drivers of ``edge_gate.cameras`` or ``edge_gate.relays``, sorted."""
    return sorted({*BUILT_IN.get(group, {}), *(point.name for point in entry_points(group=group))})


def load(group: str, name: str) -> Any:
    """Import and return one driver's class; edge-gate's own come first, whatever is installed.

    Raises UnknownDriver naming those there are, DriverUnusable where a driver does not even load.
    """
    kind = group.rpartition(".")[2].removesuffix("s")
    built_in = BUILT_IN.get(group, {}).get(name)
    points = tuple(entry_points(group=group, name=name))
    for each in _shadowing(group, points):
        _log.warning("%s", each)
    try:
        if built_in is not None:
            module, _, attribute = built_in.partition(":")
            return getattr(import_module(module), attribute)
        for point in points:
            return point.load()
    except EdgeGateError:
        raise
    except Exception as error:  # an import runs code of others
        raise DriverUnusable(kind, name, describe_exception(error)) from error
    raise UnknownDriver(kind, name, ", ".join(names(group)))


def list_shadowing(group: str) -> list[str]:
    """Return a sentence for each installed driver that has the name of one of edge-gate's own, and is not used."""
    return _shadowing(group, tuple(entry_points(group=group)))


def _shadowing(group: str, points: tuple[EntryPoint, ...]) -> list[str]:
    own = BUILT_IN.get(group, {})
    return [
        f"The driver {each.name} of the installed package {each.dist.name if each.dist else 'unknown'} is not used:"
        " edge-gate has its own of that name."
        for each in points
        if each.name in own and each.value != own[each.name]
    ]
