# SPDX-License-Identifier: Apache-2.0
"""A measured threshold, as a model's card states it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold and the error it was measured to have.

    ``kind`` is ``single`` (one picture against one) or ``fused`` (a template of several against a fused probe, which
    is what the gate decides on); ``fmr_upper95`` the one-sided 95 % bound of the false match rate given
    ``n_impostor`` comparisons.
    """

    kind: str
    fmr: float
    threshold: float
    n_impostor: int
    fmr_upper95: float
