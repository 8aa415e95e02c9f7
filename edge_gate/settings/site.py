# SPDX-License-Identifier: Apache-2.0
"""The section [site]."""

from __future__ import annotations

from dataclasses import dataclass

from edge_gate.settings.setting import setting


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """Who and where this terminal is."""

    name: str = setting("edge-gate", "shown to residents and written into every event; 80 characters at most")
    language: str = setting("zh", "language of what residents read first", one_of=("zh", "en"))
    time_zone: str = setting("", "days and times that people read and write are of this zone; empty for the system's")
