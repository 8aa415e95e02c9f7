# SPDX-License-Identifier: Apache-2.0
"""One step of a store from one version to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from edge_gate.store.keys.anchor import Anchor
from edge_gate.store.keys.keyed import KeyedRows


class Tables(Protocol):
    """A database whose tables are made, or looked at: sqlite_utils' own, or a bare connection."""

    def execute(self, sql: str, /) -> Any:
        """Run one statement."""


class Migrating(KeyedRows, Protocol):
    """A store that is being brought up to date, in one transaction over all steps."""

    @property
    def anchor(self) -> Anchor:
        """What the device knows of the store's records."""


def keep_tables(_: Tables) -> None:
    """Change no table."""


def keep_rows(_: Migrating) -> None:
    """Change no row."""


@dataclass(frozen=True, slots=True)
class Step:
    """``shape`` makes the tables; ``move`` then brings the rows of an older store into them.

    ``shape`` alone says what columns a store must have, so it works on an empty database without a keyring.
    """

    name: str
    shape: Callable[[Tables], None] = keep_tables
    move: Callable[[Migrating], None] = keep_rows

    def apply(self, database: Tables, store: Migrating) -> None:
        """Take the step, in the transaction that is open."""
        self.shape(database)
        self.move(store)


def run_each(*statements: str) -> Callable[[Tables], None]:
    """Return a shape that runs these statements."""

    def shape(database: Tables) -> None:
        for statement in statements:
            database.execute(statement)

    return shape
