# SPDX-License-Identifier: Apache-2.0
"""The tables, and the steps that made them (steps/).

    resident ──< consent            who may be recognised, on whose word, until when
        └──────< template           one per model; the only biometric rows, each sealed (keys/sealing.py)
    template_key                    what the key of the templates' transform is made from, besides the keyring's secret
    event ──── outcome              what happened at the gate; written before the door moves, and how it ended
    audit ──── audit_checkpoint     what people did, in a chain of hashes that is signed now and then (audit/)
               audit_end            and whose end is signed with each row
                audit_subject       the salt that says which of its rows are about a resident

**Forgetting.** `secure_delete` zeroes what is deleted, but SQLite moves rows between pages when it balances its trees
and leaves stale copies in the slack of the old ones: in a churn of 1,400 deleted people, up to ten could still be
read from the decrypted pages. So:

- the personal tables (edge_gate/spec declares which) are written anew from the living rows whenever a person is removed
  (rebuilding.py; freed pages *are* zeroed whole);
- an event row is written once, at the end of its table, where SQLite does not move it, and never grows; a row that
  grows is moved, so how an event ended stands in `outcome`. Forgetting puts FORGOTTEN in the resident's place and
  empties the detail.

Before that the person's data key is destroyed, so what a copy of this file has of their template does not open. A test
decrypts every page on its own and looks. What stays on worn flash cells is encrypted under the store's key.

Every moment is text as edge_gate.core.clock.iso writes it, so that text order is time order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlite_utils import Database, Migrations

from edge_gate.spec import registry
from edge_gate.spec.model import PersonalTable
from edge_gate.store.steps import (
    audit_tables,
    event_kinds,
    event_names,
    first_tables,
    protected_templates,
    sealed_templates,
)
from edge_gate.store.steps.sealed_templates import UNSEALED
from edge_gate.store.steps.step import Migrating, Step

# An event's resident once that person is forgotten: the nil UUID (RFC 9562, 5.9).
FORGOTTEN: Final = "00000000-0000-0000-0000-000000000000"

# From this step on templates are sealed.
SEALING_STEP: Final = sealed_templates.STEP.name

# A step that was released is never changed: a change is a new step at the end.
STEPS: Final = (
    first_tables.STEP,
    sealed_templates.STEP,
    audit_tables.LOG_STEP,
    protected_templates.STEP,
    audit_tables.END_STEP,
    event_names.STEP,
    event_kinds.STEP,
)


@dataclass(frozen=True, slots=True)
class Schema:
    """The steps that a store has had once it is up to date, and which of its tables are personal."""

    steps: tuple[Step, ...]
    personal: tuple[PersonalTable, ...]

    def known_steps(self) -> list[str]:
        """Return the steps that this program can apply, in order."""
        return [step.name for step in self.steps]

    def migrate(self, database: Database, store: Migrating) -> None:
        """Apply the steps that this file has not had. Call it in a transaction, so that all of them hold or none."""
        migrations = Migrations("edge-gate")
        for step in self.steps:
            migrations(name=step.name)(lambda database, step=step: step.apply(database, store))
        migrations.apply(database)

    def strange_tables(self, database: Database, applied: list[str]) -> list[str]:
        """Return the tables, of those that the applied steps make, whose columns are not as the steps made them.

        STRICT tables hold what their columns say. Another table in the place of ours could hold anything.
        """
        fresh = Database(memory=True, recursive_triggers=False, execute_plugins=False)
        try:
            for step in self.steps:
                if step.name in applied:
                    step.shape(fresh)
            wanted, found = _shapes(fresh), _shapes(database)
        finally:
            fresh.close()
        return sorted(name for name, shape in wanted.items() if found.get(name) != shape)


SCHEMA: Final = Schema(STEPS, tuple(registry.TABLES.values()))


def applied_steps(database: Database) -> list[str]:
    """Return the steps this file has had, in order; none where it is no store of ours."""
    return [each.name for each in Migrations("edge-gate").applied(database)]


def _shapes(database: Database) -> dict[str, tuple[bool, list[tuple[str, str]]]]:
    """Return for each table of ours whether it is STRICT, and the names and types of its columns."""
    listed = database.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    columns = "SELECT name, type FROM pragma_table_xinfo(?) ORDER BY cid"
    return {
        name: (bool(strict), [(column, kind) for column, kind in database.execute(columns, [name])])
        for name, strict in listed.fetchall()
        if not name.startswith(("sqlite_", "_sqlite_")) and name != UNSEALED
    }
