# SPDX-License-Identifier: Apache-2.0
"""One setting: a field of a section's dataclass, with its default, its bounds and a sentence of help."""

from __future__ import annotations

from dataclasses import Field, field
from pathlib import Path
from typing import Any


def setting(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    one_of: tuple[Any, ...] = (),
) -> Any:
    """Declare a setting: ``text`` says what it means; a value is in ``one_of``, or from ``low`` to ``high``."""
    return field(default=default, metadata={"help": text, "low": low, "high": high, "one_of": one_of})


def anchor(path: str | Path, folder: Path) -> str:
    """Return a path that is taken from a folder where it is relative; what is empty stays so, and is refused later."""
    text = "" if path == Path() else str(path)
    return str(folder / text) if text.strip() else text


def bounds_of(declared: Field[Any]) -> str:
    """Return the values that a setting takes, for people; empty where all are good."""
    allowed, low, high = (declared.metadata[name] for name in ("one_of", "low", "high"))
    if allowed:
        return ", ".join(map(str, allowed))
    return f"{low:g} to {high:g}" if low is not None else ""
