# SPDX-License-Identifier: Apache-2.0
"""The section [door]."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from edge_gate.settings.setting import anchor, setting


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """The relay that opens, and for how long. How the lock behaves without power is a matter of its wiring."""

    relay: str = setting("lcus1", "an installed relay protocol: lcus1, modbus-waveshare")
    port: str = setting("/dev/edge-gate-relay", "the serial port")
    baud: int = setting(9600, "bits a second", one_of=(1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200))
    reply_ms: int = setting(250, "how long a board may take to answer (Modbus)", low=50, high=2000)
    raise_dtr: bool = setting(False, "raise DTR and RTS, for an adapter that takes its current from them")
    address: int = setting(1, "the board's address on the bus (Modbus)", low=1, high=247)
    channels: int = setting(1, "relays on the board; all are switched off at start", low=1, high=32)
    channel: int = setting(1, "the relay that the lock hangs on, counted from 1", low=1, high=32)
    pulse_ms: int = setting(700, "how long the lock is released", low=100, high=25_000)

    def anchored(self, folder: Path) -> Self:
        """Return the settings with ``port`` taken from a folder, where it is a relative path."""
        return replace(self, port=anchor(self.port, folder))
