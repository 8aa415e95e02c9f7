# SPDX-License-Identifier: Apache-2.0
"""A measured threshold, as a model's card states it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# More comparisons than anybody makes.
_MOST_COMPARISONS: Final = 2**53


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

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> OperatingPoint:
        """Read a card's table, which has every field. Raises ValueError naming the one that is out of bounds.

        A cosine of people who are not compared with themselves lies around 0, so no threshold is measured there.
        """
        kind, count = table["kind"], table["n_impostor"]
        if not isinstance(kind, str):
            raise ValueError(f"'kind' is {kind!r}, and no word")
        if type(count) is not int or not 0 < count <= _MOST_COMPARISONS:
            raise ValueError(f"'n_impostor' is {count!r}, and no number of comparisons")
        fmr, threshold, upper = (_share(table, name) for name in ("fmr", "threshold", "fmr_upper95"))
        return cls(kind, fmr, threshold, count, upper)


def _share(table: Mapping[str, Any], name: str) -> float:
    value = table[name]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value < 1:
        raise ValueError(f"{name!r} is {value!r}, and does not lie between 0 and 1")
    return float(value)
