# SPDX-License-Identifier: Apache-2.0
"""The encrypted store: residents, their consent and templates, the events of the gate, the audit log, and the keys.

One SQLCipher file, one connection, one thread. `Store` (database.py) carries rows and commits them; the modules of each
folder know one table and give frozen values; schema.py has the tables, steps/ how they came about.
"""
