# SPDX-License-Identifier: Apache-2.0
"""The words in which a capability declares itself."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class Role(enum.StrEnum):
    """What a caller is. Root and the gate's own user could read the store without asking, so they may ask for all."""

    ROOT = "root"
    GATE = "the gate's own user"
    INSTALLER = "installer"
    MAINTAINER = "maintainer"
    AUDITOR = "auditor"


NOBODY: Final[frozenset[Role]] = frozenset()


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that can be asked at the control socket.

    ``roles`` may ask for it, besides root and the gate's own user. ``changes``: it changes something, so it has a row
    in the audit log. ``second``: the roles of which a second person has to be, where it takes one. ``people``: it
    changes the keyring, and counts as an enrolment or a deletion (roles.people_per_hour).
    """

    name: str
    roles: frozenset[Role]
    changes: bool = False
    second: frozenset[Role] = NOBODY
    people: bool = False


@dataclass(frozen=True, slots=True)
class Agreement:
    """Something besides a verb that waits for a second person, who has to be of one of these roles."""

    name: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class EventKind:
    """One kind of event, and what it means to a maintainer (docs/maintainer.md).

    ``awaited``: it is written before it happens, and an outcome follows. ``by_eye``: the eye alone can cause it, so
    how many are written is bounded. ``formerly``: the name in stores and scripts of before.
    """

    name: str
    meaning: str
    awaited: bool = False
    by_eye: bool = False
    formerly: str = ""


class Fate(enum.Enum):
    """What becomes of a resident's rows when their consent is withdrawn, or when they are forgotten."""

    KEPT = "kept"
    MARKED = "marked"
    DELETED = "deleted"
    BLANKED = "blanked"


@dataclass(frozen=True, slots=True)
class PersonalTable:
    """A table whose rows are about residents: forgetting, receipts and the search for traces follow from it.

    ``column`` holds the resident's identifier.
    """

    name: str
    column: str = "resident_id"
    forgetting: Fate = Fate.DELETED
    withdrawal: Fate = Fate.KEPT


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing that edge-gate can do, with all that the rest has to know of it."""

    name: str
    verbs: tuple[Verb, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    events: tuple[EventKind, ...] = ()
    tables: tuple[PersonalTable, ...] = ()


def roles(*each: Role) -> frozenset[Role]:
    """Return a set of roles, as a verb has it."""
    return frozenset(each)
