# SPDX-License-Identifier: Apache-2.0
"""A relay protocol, found by its name in the configuration and tried before anything relies on it."""

from __future__ import annotations

from edge_gate.core import drivers
from edge_gate.core.errors import EdgeGateError, RelayError
from edge_gate.relays.framing import Exchange, Framing
from edge_gate.settings.config import DoorSettings


def load_framing(settings: DoorSettings) -> tuple[Framing, tuple[Exchange, ...]]:
    """Return the protocol and what switches everything off. A driver that fails is found here, not during a pulse."""
    make = drivers.load("edge_gate.relays", settings.relay)
    try:
        framing: Framing = make(settings)
        for channel in range(1, framing.channels + 1):
            framing.off(channel)
        framing.read()
        return framing, framing.all_off()
    except EdgeGateError:
        raise
    except Exception as error:
        what = f"its driver {settings.relay} failed ({type(error).__name__}: {error}); tell its maker"
        raise RelayError(settings.port, what) from error
