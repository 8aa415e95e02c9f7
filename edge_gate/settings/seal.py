# SPDX-License-Identifier: Apache-2.0
"""The section [seal]."""

from __future__ import annotations

from dataclasses import dataclass

from edge_gate.settings.setting import setting


@dataclass(frozen=True, slots=True)
class SealSettings:
    """The wall from inside: what each process gives up for good at its start (see docs/maintainer.md, "Sealed")."""

    required: bool = setting(
        True, "a process in which a wall fails that this machine could have does not start; false lets it start"
    )
