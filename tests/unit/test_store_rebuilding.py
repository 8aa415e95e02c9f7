# SPDX-License-Identifier: Apache-2.0
"""Tables that are written anew keep their rows, rules, indexes, references and numbers, whatever made them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlcipher3 import dbapi2
from sqlite_utils import Database

from edge_gate.store.rebuilding import rebuild

MADE = (
    """CREATE TABLE person ( -- a comment with CREATE TABLE person in it
        id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 2), name TEXT NOT NULL UNIQUE
    ) STRICT""",
    "CREATE TABLE visit (number INTEGER PRIMARY KEY AUTOINCREMENT, person TEXT REFERENCES person(id)) STRICT",
    "CREATE TABLE persons (id TEXT REFERENCES person(id)) STRICT",
    "CREATE INDEX visit_person ON visit(person) WHERE person IS NOT NULL",
)


@pytest.fixture
def database() -> Iterator[Any]:
    connection = dbapi2.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    for statement in MADE:
        connection.execute(statement)
    connection.execute("INSERT INTO person VALUES ('aa', 'Ada'), ('bb', 'Bob'), ('cc', 'Cy')")
    connection.execute("INSERT INTO visit(person) VALUES ('aa'), ('bb'), (NULL), ('aa')")
    connection.execute("INSERT INTO persons VALUES ('bb')")
    yield connection
    connection.close()


def rebuilt(connection: Any, *tables: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    rebuild(connection, tables)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.execute("COMMIT")


def rows(connection: Any) -> list[list[tuple[Any, ...]]]:
    return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in ("person", "visit", "persons")]


def statements(connection: Any) -> list[str]:
    found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return [sql.replace('"', "") for (sql,) in found]


def test_rows_rules_indexes_and_references_stay(database: Any) -> None:
    before, made = rows(database), statements(database)
    for _ in range(2):
        rebuilt(database, "persons", "visit", "person")
    assert (rows(database), statements(database)) == (before, made)
    for refused in ("INSERT INTO person VALUES ('long', 'x')", "INSERT INTO person VALUES ('dd', 'Ada')",
                    "INSERT INTO visit(person) VALUES ('zz')", "DELETE FROM person WHERE id = 'bb'"):  # fmt: skip
        with pytest.raises(dbapi2.IntegrityError):
            database.execute(refused)


def test_a_number_is_not_given_again_also_where_no_row_is_left(database: Any) -> None:
    database.execute("DELETE FROM visit")
    rebuilt(database, "visit")
    assert database.execute("INSERT INTO visit(person) VALUES ('aa')").lastrowid == 5


def test_a_table_that_sqlite_utils_wrote_anew_can_be_too(database: Any) -> None:
    before = rows(database)
    Database(database, recursive_triggers=False, execute_plugins=False).table("person").transform()
    rebuilt(database, "person")
    assert rows(database) == before


def test_a_table_that_was_made_in_another_way_is_refused_and_nothing_is_changed(database: Any) -> None:
    database.execute("CREATE TABLE odd (x)")
    database.execute("PRAGMA writable_schema = ON")
    database.execute("UPDATE sqlite_master SET sql = 'CREATE TEMP TABLE odd(x)' WHERE name = 'odd'")
    database.execute("BEGIN IMMEDIATE")
    with pytest.raises(ValueError, match="another statement than ours"):
        rebuild(database, ["odd"])
    database.execute("ROLLBACK")
