# SPDX-License-Identifier: Apache-2.0
"""Notices a keyring that is not the newest one of this store, and a database that is older than its keyring.

**An older keyring** (a copy that was put back, by mistake or to bring back what was destroyed): the gate goes on for
those whose keys are there, because a locked door helps nobody against it. It is in the audit log, an event, a fault in
`status` and `doctor`; nothing is removed for want of a key, and templates are not renewed. Whoever is enrolled,
withdrawn or forgotten then makes this keyring the newest: a resident's right does not wait for a lost file.

**Another keyring**, which `edge-gate keys new-keyring` did not make, opens no template at all, and a gate that went on
with it would begin new axes and give up the old ones. It does not start.

**An older database** is a restored backup, or a change that was cut off. It is told and all goes on.
"""

from __future__ import annotations

from typing import Any, Protocol

from edge_gate.core.errors import KeyringDoubtful
from edge_gate.gate.services import Journal
from edge_gate.store.audit import generation
from edge_gate.store.database import Store


class NoteWriter(Protocol):
    """Writes a row of the audit log, if the store allows."""

    def __call__(self, verb: str, *, detail: dict[str, Any] | None = None) -> None:
        """Write it."""


class KeyringWatch:
    """Compares the keyring with what the audit log has of it. Raises KeyringDoubtful for another one.

    ``public_key`` is the device's, by which this keyring signs; ``note`` writes a row of the audit log.
    """

    def __init__(self, store: Store, public_key: bytes, journal: Journal, note: NoteWriter) -> None:
        self._journal = journal
        self._note = note
        self._keyring = store.keyring
        self._told = ""
        self._seen = generation.last_recorded(store)
        if self._seen is None or self._seen.generation is None:
            return
        if self._seen.key != public_key.hex():
            raise KeyringDoubtful(
                self._keyring.path, "it is another one, which `edge-gate keys new-keyring` did not make"
            )
        self._keyring.expect(self._seen.generation)

    def start(self) -> None:
        """Tell what the comparison showed. The start was written down."""
        before = self._seen.generation if self._seen else None
        if before is not None and before < self._keyring.generation:
            detail = {"recorded": before, "keyring": self._keyring.generation}
            self._note("older database", detail=detail)
            self._journal.record("older database", detail=detail)
        self.tick()

    def tick(self) -> None:
        """Tell once where the keyring is an older one: at the start, or at the change that read it again."""
        if self._keyring.suspect == self._told:
            return
        self._told = self._keyring.suspect
        detail = {"keyring": self._keyring.generation, "known": self._keyring.known}
        self._note("older keyring", detail=detail)
        self._journal.record("older keyring", detail={"why": self._told})

    def refuse(self) -> None:
        """Raise KeyringDoubtful where what is to be done needs all templates to open."""
        if self._keyring.suspect:
            raise KeyringDoubtful(self._keyring.path, self._keyring.suspect)
