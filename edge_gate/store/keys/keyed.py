# SPDX-License-Identifier: Apache-2.0
"""What a module needs of a store whose rows it vouches for: the rows, and the keyring."""

from __future__ import annotations

from typing import Protocol

from edge_gate.store.keys.keyring import Keyring
from edge_gate.store.rows import Rows


class KeyedRows(Rows, Protocol):
    """Reads and writes the rows of an open store, with its keyring (database.Store does)."""

    @property
    def keyring(self) -> Keyring:
        """The keyring that belongs to the store."""
