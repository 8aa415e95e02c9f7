# SPDX-License-Identifier: Apache-2.0
"""Writes tables anew from their living rows, in the transaction that is open (schema.py, "Forgetting").

A table is made again under another name by its own statement, filled, and takes the old one's name (sqlite.org,
"Making Other Kinds Of Table Schema Changes"). Its old pages are freed, and `secure_delete` zeroes freed pages whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

_REBUILT: Final = "_rebuilt"


def rebuild(connection: Any, tables: Iterable[str]) -> None:
    """Rebuild each table with its indexes. The caller looks for references to nobody afterwards.

    Raises ValueError for a table that is not made as ours are.
    """
    connection.execute("PRAGMA defer_foreign_keys = ON")  # a table that others refer to is away for a moment
    try:
        for table in tables:
            _rebuild(connection, table)
    finally:
        connection.execute("PRAGMA defer_foreign_keys = OFF")


def _rebuild(connection: Any, table: str) -> None:
    fresh = table + _REBUILT
    made = "SELECT sql FROM sqlite_master WHERE type = ? AND tbl_name = ? AND sql IS NOT NULL"
    ((statement,),) = connection.execute(made, ("table", table)).fetchall()
    indexes = connection.execute(made, ("index", table)).fetchall()
    connection.execute(_renamed(statement, table, fresh))
    connection.execute(f'INSERT INTO "{fresh}" SELECT * FROM "{table}" ORDER BY rowid')  # noqa: S608 - names of ours
    if "AUTOINCREMENT" in statement.upper():  # a number is never given twice, also where the newest row is gone
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (fresh,))
        connection.execute(
            "INSERT INTO sqlite_sequence SELECT ?, seq FROM sqlite_sequence WHERE name = ?", (fresh, table)
        )
    connection.execute(f'DROP TABLE "{table}"')
    connection.execute(f'ALTER TABLE "{fresh}" RENAME TO "{table}"')
    for (index,) in indexes:
        connection.execute(index)


def _renamed(statement: str, table: str, fresh: str) -> str:
    """Return a table's statement for another name. SQLite writes the old one plain, or quoted after a renaming."""
    head = re.compile(rf'CREATE TABLE (?:"{table}"|\[{table}\]|{table}(?!\w))')
    renamed, found = head.subn(f'CREATE TABLE "{fresh}"', statement, count=1)
    if not found:
        raise ValueError(f"the table {table} was made by another statement than ours")
    return renamed
