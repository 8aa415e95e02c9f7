# SPDX-License-Identifier: Apache-2.0
"""The words in which a capability declares itself."""

from __future__ import annotations

import enum
from collections.abc import Iterator
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
    changes the keyring, and counts as an enrolment or a deletion (roles.people_per_hour). ``when``: in words, where the
    second person is not always needed.
    """

    name: str
    roles: frozenset[Role]
    changes: bool = False
    second: frozenset[Role] = NOBODY
    people: bool = False
    when: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Something besides a verb that waits for a second person, who has to be of one of these roles."""

    name: str
    roles: frozenset[Role]


class Ending(enum.Enum):
    """How an event that is written before it happens has ended, so far as its outcome says."""

    AWAITED = "awaited"
    DONE = "done"
    FAILED = "failed"

    @classmethod
    def of(cls, outcome: str | None) -> Ending:
        """Return what an outcome amounts to. Where the gate ended first nobody knows, so it does not count as done."""
        if outcome is None:
            return cls.AWAITED
        return cls.FAILED if outcome == INTERRUPTED or outcome.startswith(FAILED) else cls.DONE


# How the outcome of an event begins where it is known that it failed, and all of it where the gate ended before it.
FAILED: Final = "failed"
INTERRUPTED: Final = "interrupted"


@dataclass(frozen=True, slots=True)
class EventKind:
    """One kind of event, and what it means to a maintainer (docs/maintainer.md).

    ``awaited``: it is written before it happens, and an outcome follows. ``scored``: it may have a comparison score;
    of a refusal none is kept, for one could climb by it. ``by_eye``: the eye alone can cause it, so
    how many are written is bounded. ``formerly``: the name in stores and scripts of before.

    ``written_as``: nothing is written under this name. It is what another kind is told as while it has this
    ``ending``, so that nobody counts as done what is not.
    """

    name: str
    meaning: str
    awaited: bool = False
    scored: bool = False
    by_eye: bool = False
    formerly: str = ""
    written_as: str = ""
    ending: Ending = Ending.DONE


class Act(enum.Enum):
    """Why rows of a resident are removed."""

    FORGETTING = "forgetting"
    WITHDRAWAL = "withdrawal"


class Fate(enum.Enum):
    """What becomes of a resident's rows at an act.

    MARKED: the act's moment is written into `PersonalTable.mark`, and all else stays. BLANKED: the row stays, without
    the resident's identifier and with its `PersonalTable.cleared` columns empty.
    """

    KEPT = "kept"
    MARKED = "marked"
    DELETED = "deleted"
    BLANKED = "blanked"


class Retention(enum.Enum):
    """How long rows are kept."""

    UNTIL_FORGOTTEN = "kept until the resident is forgotten"
    AFTER_CONSENT = "`consent.erase_after_days` after the last consent ended, or until the resident is forgotten"
    ROW_STAYS = "who it was: until the resident is forgotten; the row: until the store is replaced"


@dataclass(frozen=True, slots=True)
class Phrase:
    """Some words of a receipt in each language of a site; ``{count}`` is how many rows they are about."""

    en: str
    zh: str

    def fill(self, language: str, count: str) -> str:
        """Return the words in this language ("zh" or "en")."""
        return (self.zh if language == "zh" else self.en).format(count=count)


@dataclass(frozen=True, slots=True)
class PersonalTable:
    """A table whose rows are about residents: forgetting, withdrawal, receipts and searches follow from it.

    Tables are declared in the order in which they refer to each other: a table comes after those it refers to.

    ``column`` holds the resident's identifier; None for a table about nobody, whose pages are personal all the same.
    ``figure`` names the count of rows in answers and receipts; "" where none is told.
    ``removed`` are a receipt's words for rows that were deleted or blanked, ``kept`` for those that a withdrawal left.
    ``unmentioned`` is the reason why a receipt has no words for rows that go.
    ``mark`` is the column that a MARKED row gets the moment in.
    ``cleared`` are the columns of a BLANKED row that hold a JSON object, which may name somebody.
    ``chained``: the rows are in the chain of events, which survives that they are blanked.
    ``rebuilt``: whenever rows of a person go, all pages are written anew, so that no stale copy stays in their slack.
    """

    name: str
    column: str | None = "resident_id"
    forgetting: Fate = Fate.DELETED
    withdrawal: Fate = Fate.KEPT
    figure: str = ""
    removed: Phrase | None = None
    kept: Phrase | None = None
    unmentioned: str = ""
    mark: str = ""
    cleared: tuple[str, ...] = ()
    chained: bool = False
    rebuilt: bool = True
    retention: Retention = Retention.UNTIL_FORGOTTEN

    def __post_init__(self) -> None:
        """Raise ValueError for a declaration that would leave something of a resident, or not say so."""
        if reason := next(self._gaps(), ""):
            raise ValueError(f"the table {self.name!r}: {reason}")

    def _gaps(self) -> Iterator[str]:
        fates = {self.forgetting, self.withdrawal}
        if self.column is None:
            if fates != {Fate.KEPT}:
                yield "rows that name nobody cannot go with a resident"
            return
        if self.forgetting not in (Fate.DELETED, Fate.BLANKED):
            yield "rows that name a resident are deleted or blanked when the resident is forgotten"
        if fates & {Fate.DELETED, Fate.MARKED} and not self.rebuilt:
            yield "rows that are deleted or grow leave stale copies, so its pages have to be rebuilt"
        if Fate.MARKED in fates and not self.mark:
            yield "no column is named for the mark"
        if Fate.BLANKED in fates and self.rebuilt:
            yield "blanked rows stay where they are, and are not rebuilt"
        if not self.removed and not self.unmentioned:
            yield "a receipt has neither words for its rows nor a reason to leave them out"

    def fate(self, act: Act) -> Fate:
        """Return what becomes of a resident's rows at this act."""
        return self.forgetting if act is Act.FORGETTING else self.withdrawal

    def not_ended(self, act: Act) -> str | None:
        """Return the condition, in SQL, of a resident's rows that this act ends; None where it leaves them as they are.

        It has one place, for the resident's identifier. A row that was blanked names nobody any more.
        """
        match self.fate(act):
            case Fate.KEPT:
                return None
            case Fate.MARKED:
                return f"{self.column} = ? AND {self.mark} IS NULL"
            case Fate.DELETED | Fate.BLANKED:
                return f"{self.column} = ?"


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
