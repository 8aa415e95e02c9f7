# SPDX-License-Identifier: Apache-2.0
"""The section [store]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_gate.settings.setting import setting


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The encrypted store and where its key comes from."""

    path: Path = setting(Path("/var/lib/edge-gate/edge-gate.db"), "the database")
    key_file: Path = setting(Path(), "for a trial: a file with mode 0600. Empty: the systemd credential `store-key`")
