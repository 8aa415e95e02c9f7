# SPDX-License-Identifier: Apache-2.0
"""The settings as two people last agreed to them, and what of the file waits until they agree again.

Whoever writes the configuration file could let in whom they like. So a setting that is not on the list of those that
one person may change alone (edge_gate/settings/oversight.py) keeps its agreed value, or keeps the door shut, until a
second person agrees. What was agreed to last stands in the audit log itself, in its last row with the verb POLICY.

A setting is written under its section's name and its own, as a value of JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final

from edge_gate.settings.config import Config
from edge_gate.settings.liveness import REQUIRE
from edge_gate.settings.oversight import ALONE, SERVED, STRICTER

POLICY: Final = "policy"
# The names in rows of before, which had eight settings.
_FORMER: Final = MappingProxyType(
    {
        "fmr": "decision.fmr",
        "min_sightings": "decision.min_sightings",
        "attempts": "decision.attempts",
        "pulse_ms": "door.pulse_ms",
        "people_per_hour": "roles.people_per_hour",
        "liveness": "liveness.mode",
        "trusted_keys": "models.trusted_keys",
        "allow_unsigned": "models.allow_unsigned",
    }
)
# What takes more, spelled in JSON, is written down as a hash: an audit row has room for so much.
_LONGEST: Final = 60
_HASHED: Final = "sha256 "
_MOST_SHOWN: Final = 4000
_MOST: Final = 8
_INFRARED: Final = "infrared.driver"


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was agreed to, by the names of settings. ``assumed``: those that nobody was ever asked about."""

    values: Mapping[str, Any]
    assumed: tuple[str, ...] = ()

    @classmethod
    def read(cls, said: Mapping[str, Any], wanted: Config) -> Agreement:
        """Return what an audit row has, where ``wanted`` is what the file asks for now.

        A setting that did not exist, or was not held, when the row was written counts with its default: whoever wants
        another value has to ask. But a row of before has eight settings only, and says nothing of the others although
        the site may have chosen them: these are taken as agreed.
        """
        asked = held(wanted)
        if "fmr" in said:
            # Whoever wrote that knew of no attack detection at first: letting pictures pass was never agreed to.
            known = {_FORMER[name]: _listed(value) for name, value in said.items() if name in _FORMER}
            said = {"liveness.mode": REQUIRE, **known}
            assumed = tuple(name for name in asked if name not in said)
            return cls({**asked, **_fitting(said, asked)}, assumed)
        return cls({**_defaults(wanted), **_fitting(said, asked)})

    def waiting(self, wanted: Config) -> list[str]:
        """Return the settings that the file has otherwise, and of which somebody else has to agree first."""
        asked = held(wanted)
        changed = [name for name in asked if asked[name] != self.values[name]]
        return [name for name in changed if not self._stricter(name, asked[name])]

    def _stricter(self, name: str, value: Any) -> bool:
        if name.startswith("infrared.") and not self.values[_INFRARED]:
            return True  # there was none, and it can only speak against a person
        return name in STRICTER and STRICTER[name][1](self.values[name], value)

    def settled(self, wanted: Config) -> dict[str, Any]:
        """Return what holds from now on: the file's settings, with what was agreed to in place of what waits."""
        return held(wanted) | {name: self.values[name] for name in self.waiting(wanted)}

    def serve(self, wanted: Config) -> Config:
        """Return the settings that the gate goes on with."""
        served = wanted
        for name in SERVED.intersection(self.waiting(wanted)):
            section, _, key = name.partition(".")
            changed = replace(getattr(served, section), **{key: self.values[name]})
            served = replace(served, **{section: changed})
        return served

    def compared(self, wanted: Config) -> dict[str, dict[str, str]]:
        """Return what the second person is to agree to, from what to what, by section and key."""
        asked = held(wanted)
        found: dict[str, dict[str, str]] = {}
        for name in self.waiting(wanted):
            section, _, key = name.partition(".")
            to = _whole(getattr(getattr(wanted, section), key), asked[name])
            found.setdefault(section, {})[key] = f"from {_shown(self.values[name])} to {_shown(to)}"
        return found


def held(config: Config) -> dict[str, Any]:
    """Return every setting that one person may not change alone, as a value of JSON."""
    return {
        f"{section.name}.{each.name}": _plain(getattr(getattr(config, section.name), each.name))
        for section in fields(config)
        for each in fields(getattr(config, section.name))
        if f"{section.name}.{each.name}" not in ALONE
    }


def digest(config: Config) -> int:
    """Return 8 bytes, never 0, of a hash over the settings that eye and gate have to agree in."""
    shared = {name: value for name, value in held(config).items() if name not in SERVED}
    spelled = json.dumps(shared, sort_keys=True).encode("ascii")
    return int.from_bytes(hashlib.sha256(spelled).digest()[:8]) or 1


def shutting(waiting: Iterable[str]) -> list[str]:
    """Return those of what waits that the gate cannot have as they were: until they are agreed to nothing is opened."""
    return [name for name in waiting if name not in SERVED]


def _defaults(config: Config) -> dict[str, Any]:
    return {
        f"{section.name}.{each.name}": _plain(each.default)
        for section in fields(config)
        for each in fields(getattr(config, section.name))
        if f"{section.name}.{each.name}" not in ALONE and each.default is not MISSING
    }


def _fitting(said: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row says of settings that there are, as far as it is of their kind."""

    def fits(name: str) -> bool:
        value = said[name]
        return type(value) is type(asked[name]) and (not isinstance(value, list) or all(map(_is_text, value)))

    return {name: said[name] for name in asked if name in said and fits(name)}


def _listed(value: Any) -> Any:
    """Return a list of texts in the form of today, and anything else as it is."""
    return _plain(tuple(value)) if isinstance(value, list) and all(map(_is_text, value)) else value


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        items = sorted(map(_brief, value))
        return items if len(items) <= _MOST else [_hash("\n".join(sorted(value)))]
    if isinstance(value, (bool, int, float)):
        return value
    return _brief("" if value == type(value)() else str(value))  # a text or a path; of the empty path str is a dot


def _whole(value: Any, plain: Any) -> Any:
    """Return a setting of the file as people have to read it before they agree: not as a hash, unless it has no end."""
    if _HASHED not in json.dumps(plain):
        return plain
    whole = sorted(map(str, value)) if isinstance(value, tuple) else str(value)
    return whole if len(json.dumps(whole)) <= _MOST_SHOWN else plain


def _brief(text: str) -> str:
    return text if len(json.dumps(text)) <= _LONGEST + 2 else _hash(text)


def _hash(text: str) -> str:
    return f"{_HASHED}{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:32]}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, (int, float)) else (value or "empty")
