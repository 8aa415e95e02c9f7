# SPDX-License-Identifier: Apache-2.0
"""The section [limiter]."""

from __future__ import annotations

from dataclasses import dataclass

from edge_gate.settings.setting import setting


@dataclass(frozen=True, slots=True)
class LimiterSettings:
    """What many refusals make of the gate, whoever comes: slower, stricter, asking for a token, at rest."""

    stricter_after: int = setting(
        3, "refusals after decision.attempts, after which twice as much is wanted to go by", low=1, high=100
    )
    token_after: int = setting(6, "refusals after those, after which eyes alone do not open", low=1, high=100)
    rest_after: int = setting(6, "approaches meanwhile, after which nobody is judged for rest_s", low=1, high=100)
    forgiven_s: float = setting(30.0, "a refusal counts for so long, one after the other", low=1, high=3600)
    wait_s: float = setting(2.0, "time from a refusal to the next judgement, where it is slower", low=0, high=30)
    rest_s: float = setting(120.0, "how long nobody is judged then", low=5, high=3600)
