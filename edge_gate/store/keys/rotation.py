# SPDX-License-Identifier: Apache-2.0
"""Gives the store another key, in steps of which each may be the last before a power cut.

    1  both keys are written down, each sealed under the other (pending.py); from here on either opens everything
    2  the database is written into a new file under the new key, checked, and takes the old one's name
    3  the keyring likewise
    4  the new key takes the old one's place: key file, credential, passphrase
    5  the key is fetched from there again; it must open both files; only then what step 1 wrote is overwritten

Each step is one durable change of a name. A change that was cut off is finished by asking for it again; the gate runs
in the meantime. `PRAGMA rekey` would change the file in place under a journal and keep the old free pages; a new file
is checked before it counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from edge_gate.core.access import is_there
from edge_gate.core.errors import RotationFailed
from edge_gate.store import connection
from edge_gate.store.faults import faults
from edge_gate.store.files import remove, replacing, sync
from edge_gate.store.keys import pending
from edge_gate.store.keys.keyring import Keyring, keyring_path
from edge_gate.store.keys.pending import Change
from edge_gate.store.keys.sealing import KEY_BYTES


def rotate(path: Path, fetch: Callable[[], bytes], place: Callable[[bytes], None]) -> bool:
    """Change the key of a store that no gate uses, or finish such a change; return whether one had been cut off.

    ``fetch()`` returns the key from its place, ``place(key)`` puts another there, durably. The caller holds the store
    (lock.sole_use) and has opened it once, so that it is up to date. Raises RotationFailed or StoreError.
    """
    change = pending.read(path, fetch())
    resumed = is_there(pending.pending_path(path))
    if change is None and resumed:  # cut off in the last step: overwritten, but its name was still there
        change = Change(old=fetch(), new=fetch())
    if change is None:
        change = Change(old=fetch(), new=os.urandom(KEY_BYTES))
        pending.write(path, change)
    if not pending.opens_database(path, change.new):
        _rewrite(path, change)
    if not pending.opens_keyring(path, change.new):
        Keyring.open(keyring_path(path), change.old).sealed_again(change.new)
    if fetch() != change.new:
        place(change.new)
    if fetch() != change.new:
        raise RotationFailed("the new key does not come back from its place; both keys still open the store")
    if not (pending.opens_database(path, change.new) and pending.opens_keyring(path, change.new)):
        raise RotationFailed("the new key does not open both files; both keys are kept")
    remove(pending.pending_path(path))
    return resumed


def _rewrite(path: Path, change: Change) -> None:
    with replacing(path) as draft:
        with faults(path), closing(connection.connect(path, change.old, "rw")) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            rows = _rows(old)
            there = f"{draft.path.absolute().as_uri()}?mode=rw"  # as a plain name it would be made where it is not
            old.execute(f"ATTACH DATABASE ? AS fresh KEY \"x'{change.new.hex()}'\"", (there,))
            old.execute("SELECT sqlcipher_export('fresh')").fetchone()
            old.execute("DETACH DATABASE fresh")
        with faults(draft.path), closing(connection.connect(draft.path, change.new, "rw")) as new:
            new.execute("PRAGMA journal_mode = WAL")
            problems = [*new.execute("PRAGMA cipher_integrity_check"), *new.execute("PRAGMA foreign_key_check")]
            if problems or new.execute("PRAGMA integrity_check").fetchone() != ("ok",) or _rows(new) != rows:
                raise RotationFailed("the store could not be copied whole; nothing was changed")
        # A log of the old file beside the new one would be played into it. Closing has removed it; now for good.
        if is_there(path.with_name(path.name + "-wal")):
            raise RotationFailed("another process is using the store; nothing was changed")
        sync(path.parent)


def _rows(database: Any) -> dict[str, int]:
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    counts = {}
    for name in names:
        (counts[name],) = database.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608 - names of ours
    return counts
