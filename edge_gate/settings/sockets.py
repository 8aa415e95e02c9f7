# SPDX-License-Identifier: Apache-2.0
"""The section [sockets]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_gate.settings.setting import setting


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """Where the two processes and the CLI meet."""

    eye: Path = setting(Path("/run/edge-gate/eye/eye.sock"), "the eye tells the gate what it sees")
    control: Path = setting(Path("/run/edge-gate/control/control.sock"), "the CLI speaks to the gate")
    operators: str = setting(
        "edge-gate", "the Unix group whose members are maintainers; root and the gate's own user always may call"
    )
    eye_user: str = setting("", "the only user that may be the eye; empty: the gate's own user or root")
