# SPDX-License-Identifier: Apache-2.0
"""The section [consent]."""

from __future__ import annotations

from dataclasses import dataclass

from edge_gate.settings.setting import setting


@dataclass(frozen=True, slots=True)
class ConsentSettings:
    """What becomes of a resident whose consent has ended. From that moment on they are not recognised."""

    erase_after_days: int = setting(
        30, "days after the end of a resident's last consent until the template is erased; 0: at once", low=0, high=3650
    )
