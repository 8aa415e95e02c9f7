# SPDX-License-Identifier: Apache-2.0
"""The section [decision]."""

from __future__ import annotations

from dataclasses import dataclass

from edge_gate.settings.setting import setting


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """When a person counts as recognised."""

    fmr: float = setting(
        1e-4, "false match rate the threshold is taken for, from the model's card", low=1e-7, high=1e-1
    )
    min_sightings: int = setting(3, "good sightings that are fused before a decision", low=2, high=20)
    window_s: float = setting(4.0, "an approach that has not been recognised for so long is refused", low=0.5, high=30)
    attempts: int = setting(
        3, "refusals before a person has to step away, and the gate becomes slower for whoever comes", low=1, high=20
    )
    gap_s: float = setting(1.0, "an approach ends when nobody was seen for so long", low=0.2, high=10)
    hold_off_s: float = setting(5.0, "the same resident opens once in this time", low=0, high=600)
