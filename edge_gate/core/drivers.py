# SPDX-License-Identifier: Apache-2.0
"""Drivers found by entry point, so that a camera or a relay board of somebody else's is a package, not a patch.

Those of edge-gate itself come first: no installed package can take a name from them. One that tries is told where the
drivers are listed. What is installed is looked up only where it has to be: that takes a process 2 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from edge_gate.core.errors import DriverUnusable, EdgeGateError, UnknownDriver
from edge_gate.core.errors.foreign import describe_exception

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

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


def names(group: str) -> list[str]:
    """Return the installed drivers of ``edge_gate.cameras`` or ``edge_gate.relays``, sorted."""
    return sorted({*BUILT_IN.get(group, {}), *(point.name for point in _installed(group))})


def load(group: str, name: str) -> Any:
    """Import and return one driver's class; edge-gate's own come first, whatever is installed.

    Raises UnknownDriver naming those there are, DriverUnusable where a driver does not even load.
    """
    kind = group.rpartition(".")[2].removesuffix("s")
    try:
        if built_in := BUILT_IN.get(group, {}).get(name):
            module, _, attribute = built_in.partition(":")
            return getattr(import_module(module), attribute)
        for point in _installed(group):
            if point.name == name:
                return point.load()
    except EdgeGateError:
        raise
    except Exception as error:  # an import runs code of others
        raise DriverUnusable(kind, name, describe_exception(error)) from error
    raise UnknownDriver(kind, name, ", ".join(names(group)))


def list_shadowing(group: str) -> list[str]:
    """Return a sentence for each installed driver that has the name of one of edge-gate's own, and is not used."""
    own = BUILT_IN.get(group, {})
    return [
        f"The driver {each.name} of the installed package {each.dist.name if each.dist else 'unknown'} is not used:"
        " edge-gate has its own of that name."
        for each in _installed(group)
        if each.name in own and each.value != own[each.name]
    ]


def _installed(group: str) -> tuple[EntryPoint, ...]:
    from importlib.metadata import entry_points

    return tuple(entry_points(group=group))
