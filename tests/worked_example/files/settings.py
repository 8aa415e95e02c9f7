# SPDX-License-Identifier: Apache-2.0
"""The section [visitors]."""

from __future__ import annotations

from dataclasses import dataclass

from edge_gate.settings.setting import setting


@dataclass(frozen=True, slots=True)
class VisitorSettings:
    """How many visitors may be expected."""

    most: int = setting(5, "visitors that one resident may expect at a time", low=1, high=50)
