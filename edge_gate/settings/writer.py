# SPDX-License-Identifier: Apache-2.0
"""Writes a configuration file: every setting with its help, its bounds and its value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from edge_gate.settings.setting import bounds_of


def write(sections: Iterable[tuple[str, type]], chosen: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a whole commented file. A setting that is not ``chosen`` stands as a comment, with its default."""
    parts: list[str] = []
    for name, kind in sections:
        parts.append(f"# {(kind.__doc__ or '').strip()}\n[{name}]")
        parts += _settings(kind, chosen.get(name, {}))
        parts.append("")
    return "\n".join(parts)


def _settings(kind: type, chosen: Mapping[str, Any]) -> Iterable[str]:
    for each in fields(kind):
        bounds = bounds_of(each)
        line = f"{each.name} = {_toml(chosen.get(each.name, each.default))}"
        comment = f"# {each.metadata['help']}" + (f" ({bounds})" if bounds else "")
        yield f"{comment}\n{'' if each.name in chosen else '# '}{line}"


def _toml(value: Any) -> str:
    if isinstance(value, Path):
        value = "" if value == Path() else str(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)
