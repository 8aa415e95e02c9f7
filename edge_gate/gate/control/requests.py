# SPDX-License-Identifier: Apache-2.0
"""What may stand in the fields of a request at the control socket."""

from __future__ import annotations

from typing import Any

from edge_gate.core.errors import WireError


def line(request: dict[str, Any], key: str, longest: int) -> str:
    """Return a field that is one line of text of at most ``longest`` characters. Raises WireError."""
    value = request.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
        raise WireError("control", f"{key} is a line of text of 1 to {longest} characters")
    return value.strip()


def number(request: dict[str, Any], key: str, default: int, low: int, high: int) -> int:
    """Return a field that is a whole number from ``low`` to ``high``, or its default. Raises WireError."""
    value = request.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise WireError("control", f"{key} is a whole number from {low} to {high}")
    return value
