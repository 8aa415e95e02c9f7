# SPDX-License-Identifier: Apache-2.0
"""One step of a store from one version to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sqlite_utils import Database

from edge_gate.store.keys.keyring import Keyring
from edge_gate.store.rows import Rows


class Migrating(Rows, Protocol):
    """A store that is being brought up to date, in one transaction over all steps."""

    @property
    def keyring(self) -> Keyring:
        """The keyring that belongs to the store."""


def keep_tables(_: Database) -> None:
    """Change no table."""


def keep_rows(_: Migrating) -> None:
    """Change no row."""


@dataclass(frozen=True, slots=True)
class Step:
    """``shape`` makes the tables; ``move`` then brings the rows of an older store into them.

    ``shape`` alone says what columns a store must have, so it works on an empty database without a keyring.
    """

    name: str
    shape: Callable[[Database], None] = keep_tables
    move: Callable[[Migrating], None] = keep_rows

    def apply(self, database: Database, store: Migrating) -> None:
        """Take the step, in the transaction that is open."""
        self.shape(database)
        self.move(store)


def run_each(*statements: str) -> Callable[[Database], None]:
    """Return a shape that runs these statements."""

    def shape(database: Database) -> None:
        for statement in statements:
            database.execute(statement)

    return shape
