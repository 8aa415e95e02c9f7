# SPDX-License-Identifier: Apache-2.0
"""Every capability, once, and what follows from all of them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

from edge_gate.core.errors import UnknownEventKind
from edge_gate.spec import (
    clock,
    door,
    events,
    eye,
    keys,
    liveness,
    models,
    oversight,
    recognition,
    residents,
    status,
    store,
    templates,
)
from edge_gate.spec.model import Capability, Ending, EventKind, PersonalTable, Role, Verb

CAPABILITIES: Final[tuple[Capability, ...]] = (
    status.SPEC,
    eye.SPEC,
    models.SPEC,
    recognition.SPEC,
    liveness.SPEC,
    door.SPEC,
    residents.SPEC,
    events.SPEC,
    templates.SPEC,
    store.SPEC,
    clock.SPEC,
    oversight.SPEC,
    keys.SPEC,
)


# A mistyped kind is compared with the others up to here.
LONGEST_GUESSED: Final = 40


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Named = TypeVar("Named", bound=_Named)


def by_name(declared: Iterable[Named]) -> Mapping[str, Named]:
    """Return what was declared by its name. Raises ValueError where two have one name."""
    listed = list(declared)
    refuse_twice([each.name for each in listed])
    return MappingProxyType({each.name: each for each in listed})


def refuse_twice(names: Sequence[str]) -> None:
    """Raise ValueError for a name that stands there twice."""
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is declared twice")


VERBS: Final[Mapping[str, Verb]] = by_name(verb for each in CAPABILITIES for verb in each.verbs)
EVENTS: Final[Mapping[str, EventKind]] = by_name(kind for each in CAPABILITIES for kind in each.events)
TABLES: Final[Mapping[str, PersonalTable]] = by_name(table for each in CAPABILITIES for table in each.tables)
_AGREEMENTS: Final = by_name(each for capability in CAPABILITIES for each in capability.agreements)
refuse_twice([*VERBS, *_AGREEMENTS])
refuse_twice([*EVENTS, *(kind.formerly for kind in EVENTS.values() if kind.formerly)])
refuse_twice([table.figure for table in TABLES.values() if table.figure])
SECOND: Final[Mapping[str, frozenset[Role]]] = MappingProxyType(
    {verb.name: verb.second for verb in VERBS.values() if verb.second}
    | {each.name: each.roles for each in _AGREEMENTS.values()}
)
"""Who may be the second person for what."""
PEOPLE: Final[tuple[str, ...]] = tuple(verb.name for verb in VERBS.values() if verb.people)
"""What counts as an enrolment or a deletion, and changes the keyring."""


def check_event_kind(kind: str) -> None:
    """Raise UnknownEventKind for a kind that does not exist.

    The error names those that exist and, for a former name, the new one; else those that may have been meant.
    """
    if kind in EVENTS:
        return
    from difflib import get_close_matches  # here, because only a mistake needs it

    renamed = next((each.name for each in EVENTS.values() if each.formerly and each.formerly == kind), None)
    near = get_close_matches(kind[:LONGEST_GUESSED].lower(), EVENTS)
    meant = f"; did you mean {' or '.join(map(repr, near))}" if near else ""
    raise UnknownEventKind(kind, f"; it is named {renamed!r} now" if renamed else meant, ", ".join(EVENTS))


def told_as(kind: str, outcome: str | None) -> str:
    """Return the name under which an event of this kind is told, given its outcome."""
    ending = Ending.of(outcome)
    return next((each.name for each in EVENTS.values() if each.written_as == kind and each.ending is ending), kind)
