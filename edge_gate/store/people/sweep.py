# SPDX-License-Identifier: Apache-2.0
"""Finishes at a start what forgetting began: after a power cut, and after an old backup was put back.

Both look alike: rows of somebody whose data key is gone. Where there is a tombstone the whole person goes; where there
is none (a consent was withdrawn) only the template, which nobody can open. While the keyring is an older one that was
put back, that is no reason to remove anything: the right one may still come.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_gate.spec.model import Act
from edge_gate.store import rebuilding
from edge_gate.store.database import Store
from edge_gate.store.faults import reading
from edge_gate.store.people import removal, residents
from edge_gate.store.templates import templates


@dataclass(frozen=True, slots=True)
class Swept:
    """How many forgotten residents were there and were removed, and how many templates that no key opens."""

    residents: int
    templates: int

    def __bool__(self) -> bool:
        """Tell whether anything was there to remove."""
        return bool(self.residents or self.templates)


def sweep(store: Store) -> Swept:
    """Remove what must not be there. Nobody else may be writing: a key that another process has just made would be
    taken for a missing one. Not inside a transaction."""
    store.keyring.reload()
    with reading(store.path):
        back = {each for each in removal.residents_in(store) if store.keyring.buried(each)}
    names = {each.id: each.name for each in residents.everyone_known(store)} if back else {}
    for each in sorted(back):
        removal.take_out(store, Act.FORGETTING, each, [names[each]] if each in names else [])
    closed = [] if store.keyring.suspect else templates.unreadable(store)
    if closed:
        with store.transaction():
            for place in closed:
                store.run("DELETE FROM template WHERE resident_id = ? AND model_id = ?", place)
            rebuilding.require(store)
    rebuilding.at_once(store)  # also of what was removed before, if a power cut came between
    store.empty_log()
    return Swept(len(back), len(closed))
