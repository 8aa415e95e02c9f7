# SPDX-License-Identifier: Apache-2.0
"""The encrypted store: residents, their consent and templates, and the events of the gate.

One SQLCipher file, one connection, one thread. `Store` (database.py) carries rows and commits them; residents.py,
consent.py, templates.py and events.py each know one table and give frozen values; schema.py holds the tables.
"""

from edge_gate.store.database import Store
from edge_gate.store.keys import create_key_file, load_key

__all__ = ["Store", "create_key_file", "load_key"]
