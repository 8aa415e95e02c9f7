# SPDX-License-Identifier: Apache-2.0
"""What a module needs of a store that it does not open: its rows, and its clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol


class Rows(Protocol):
    """Reads and writes the rows of an open store (database.Store does)."""

    @property
    def path(self) -> Path:
        """Where the store lies, for messages."""

    def now(self) -> datetime:
        """Return the clock's date and time."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query, each by column name."""

    def insert(self, table: str, row: Mapping[str, Any]) -> int:
        """Add one row and return its rowid."""

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it touched."""
