# SPDX-License-Identifier: Apache-2.0
"""Reads a configuration file into the dataclasses of its sections. Every complaint names file, line and fix."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self, get_origin, get_type_hints

from edge_gate.core import toml_text
from edge_gate.core.access import denied
from edge_gate.core.errors import ConfigError, ConfigMissing
from edge_gate.settings.setting import bounds_of

# Nobody reads more, and each costs a look through the file for its line.
MOST_MISTAKES: Final = 50
# What keyboards and word processors write instead of the signs of TOML.
_WIDE: Final = frozenset("“”„‟″＂‘’‚＇｀「」『』《》＝：［］【】｛｝，、。．＃")
_WANTED: Final[Mapping[type, str]] = MappingProxyType(
    {int: "a whole number", float: "a number", str: "text in quotes", Path: "a path in quotes", bool: "true or false"}
)


def read_text(path: Path) -> str:
    """Return the text of the file. Raises ConfigMissing, AccessDenied or Mistake."""
    try:
        return toml_text.content_of(path).decode("utf-8-sig")  # some editors begin a file with a mark
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigMissing(path) from error
    except PermissionError as error:
        raise denied(path) from error
    except OSError as error:
        raise Mistake(path, 0, error.strerror or str(error), "Check its permissions") from error
    except UnicodeDecodeError as error:
        raise Mistake(path, 1, "this is not UTF-8 text", "Save the file as UTF-8") from error
    except ValueError as error:
        raise Mistake(path, 0, str(error), "Compare with docs/configuration.md") from error


class Mistake(ConfigError):
    """One mistake in a file. ``stops``: False for what may be meant, and is only told."""

    def __init__(self, path: Path, line: int | str, what: str, fix: str, key: str = "", *, stops: bool = True) -> None:
        super().__init__(path, line, what, fix)
        self.line, self.what, self.fix, self.key, self.stops = int(line), what, fix, key, stops


@dataclass(frozen=True, slots=True)
class Reader:
    """The document, and what every complaint about it must name: the file and its lines."""

    path: Path
    lines: list[str]
    document: dict[str, Any]

    @classmethod
    def parse(cls, text: str, path: Path) -> Self:
        """Read the TOML; ``path`` is named in errors and anchors relative paths. Raises Mistake."""
        lines = text.removesuffix("\n").split("\n")  # as TOML counts them: splitlines knows other ends besides
        try:
            document = toml_text.table(text)
        except ValueError as error:
            found = re.search(r"line (\d+)", str(error))
            line = int(found[1]) if found else len(lines)  # "at end of document"
            fix = _advise(str(error), lines[min(line, len(lines)) - 1])
            raise Mistake(path, line, f"not valid TOML ({error})", fix) from error
        return cls(path.absolute(), lines, document)

    def read(self, known: Mapping[str, type]) -> tuple[dict[str, Any], list[Mistake]]:
        """Return each section that the file has, as its dataclass, and every mistake, up to MOST_MISTAKES.

        What is wrong is left out.
        """
        sections: dict[str, Any] = {}
        mistakes: list[Mistake] = []
        for name, values in self.document.items():
            if len(mistakes) >= MOST_MISTAKES:
                break
            if name not in known:
                mistakes.append(self._unknown(name, list(known), section=None))
            elif not isinstance(values, dict):
                mistakes.append(self.complaint(None, name, f"{name} is a section", f"Write it as [{name}]"))
            else:
                sections[name] = self._section(name, known[name], values, mistakes)
        return sections, mistakes

    def complaint(
        self, section: str | None, key: str, what: str, fix: str, within: str = "", *, stops: bool = True
    ) -> Mistake:
        """Return the error about ``key``; a list may go over several lines, and ``within`` is a text of one of them."""
        line = self._line(section, key)
        if within:
            begin = max(line, 1)
            rest = enumerate(self.lines[begin - 1 :], begin)
            line = next((number for number, text in rest if f"'{within}'" in text or f'"{within}"' in text), line)
        named = f"{section}.{key}" if section else key
        return Mistake(self.path, line, what, fix.rstrip("."), named, stops=stops)

    def _section(self, section: str, kind: Any, values: dict[str, Any], mistakes: list[Mistake]) -> Any:
        known = {each.name: each for each in fields(kind)}
        hints = get_type_hints(kind)
        read: dict[str, Any] = {}
        for key, value in values.items():
            if len(mistakes) >= MOST_MISTAKES:
                break
            try:
                if key not in known:
                    raise self._unknown(key, list(known), section)
                read[key] = self._value(section, known[key], hints[key], value)
            except Mistake as mistake:
                mistakes.append(mistake)
        made = kind(**read)
        return made.anchored(self.path.parent) if hasattr(made, "anchored") else made

    def _value(self, section: str, setting: Field[Any], kind: type, value: Any) -> Any:
        what = f"{section}.{setting.name}"
        if isinstance(value, str) and "\0" in value:
            raise self.complaint(section, setting.name, f"{what} has a zero byte", "Leave it out")
        if kind is Path and isinstance(value, str):
            return self.path.parent / value if value else Path()
        if get_origin(kind) is tuple:
            return self._texts(section, setting, value)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) < 2**63 else math.inf
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.complaint(section, setting.name, f"{what} is {value!r}", f"Write {_WANTED[kind]}")
        self._check_bounds(section, setting, value)
        return value

    def _check_bounds(self, section: str, setting: Field[Any], value: Any) -> None:
        what = f"{section}.{setting.name}"
        allowed, low, high = (setting.metadata[name] for name in ("one_of", "low", "high"))
        if allowed and value not in allowed:
            raise self.complaint(section, setting.name, f"{what} is {value!r}", f"Use one of {bounds_of(setting)}")
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            raise self.complaint(section, setting.name, f"{what} is {value}", f"Use {bounds_of(setting)}")

    def _texts(self, section: str, setting: Field[Any], value: Any) -> tuple[str, ...]:
        what = f"{section}.{setting.name}"
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise self.complaint(section, setting.name, f"{what} is {value!r}", 'Write a list: ["...", "..."]')
        return tuple(value)

    def _unknown(self, name: str, known: list[str], section: str | None) -> Mistake:
        near = get_close_matches(name, known, 1)
        fix = f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(known)}"
        what = f"unknown key {name!r} in [{section}]" if section else f"unknown section [{name}]"
        return self.complaint(section, name, what, fix)

    def _line(self, section: str | None, key: str) -> int:
        """Return the line, counted from 1, that sets ``key`` in ``section``; tomllib keeps no positions."""
        wanted = [key] if section is None else [section, key]
        above: list[str] = []
        around = 0  # where the whole section is one value: site = { name = "..." }
        for number, line in enumerate(self.lines, 1):
            header = re.match(r"\s*\[{1,2}([^\]]+)\]", line)
            left, sign, _ = line.partition("=")
            if header:
                above = place = _parts(header[1])
            elif sign:
                place = [*above, *_parts(left)]
            else:
                continue
            if place[: len(wanted)] == wanted or (not header and [*above, left.strip().strip("\"'")] == wanted):
                return number
            if not header and place == wanted[:-1]:
                around = number
        return around


def _parts(name: str) -> list[str]:
    """Return the parts of a key: site.name has two. Of one whose quotes have a dot inside it may be more."""
    return [each.strip().strip("\"'") for each in name.split(".")]


def _advise(error: str, line: str) -> str:
    """Return what helps where a line is no TOML: mostly quotes are missing, or are not those of a program."""
    if "Invalid value" in error or _WIDE & set(line):
        return 'Use straight quotes around text, name = "...", and plain signs = [ ] , as an English keyboard has'
    return "Compare with docs/configuration.md"
