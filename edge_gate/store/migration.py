# SPDX-License-Identifier: Apache-2.0
"""Brings a store's tables up to date, with sqlite-utils. Nothing else imports it, so a process whose store needs no
steps does not load it, nor the packages that it brings; one that serves leaves the steps to another (upgrade.py).
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlite_utils import Database, Migrations

from edge_gate.core.errors import StoreCorrupt
from edge_gate.store.schema import STEP_SET, Schema
from edge_gate.store.steps.step import Migrating


def migrate(connection: Any, schema: Schema, store: Migrating) -> None:
    """Apply the steps that this file has not had. Call it in a transaction, so that all of them hold or none."""
    # No plugins: an installed package must not be able to reach into the store.
    database = Database(connection, recursive_triggers=False, execute_plugins=False)
    migrations = Migrations(STEP_SET)
    for step in schema.steps:
        migrations(name=step.name)(lambda database, step=step: step.apply(database, store))
    try:
        migrations.apply(database)
    except sqlite3.Error as error:  # what sqlite-utils itself finds wrong; SQLCipher's errors are of another tree
        raise StoreCorrupt(store.path, str(error)) from error
