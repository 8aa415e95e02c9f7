# SPDX-License-Identifier: Apache-2.0
"""The tables, and the steps that made them (steps/).

    resident ──< consent            who may be recognised, on whose word, until when
        └──────< template           one per model; the only biometric rows, each sealed (keys/sealing.py)
    template_key                    what the key of the templates' transform is made from, besides the keyring's secret
    event ──── outcome              what happened at the gate; written before the door moves, and how it ended
    audit ──── audit_checkpoint     what people did, in a chain of hashes that is signed now and then (audit/)
               audit_end            and whose end is signed with each row
                audit_subject       the salt that says which of its rows are about a resident
    voucher                         what only the keyring can make of a resident's name and consents
    pad_trial                       what people and attacks were found to be at this camera; it names nobody

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

import re
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from sqlcipher3 import dbapi2

from edge_gate.spec import registry
from edge_gate.spec.model import PersonalTable
from edge_gate.store.steps import (
    audit_tables,
    event_kinds,
    event_names,
    first_tables,
    pad_trials,
    protected_templates,
    refusal_scores,
    sealed_templates,
    time_kept,
    vouching,
)
from edge_gate.store.steps.sealed_templates import UNSEALED
from edge_gate.store.steps.step import Step

# An event's resident once that person is forgotten: the nil UUID (RFC 9562, 5.9).
FORGOTTEN: Final = "00000000-0000-0000-0000-000000000000"

# Under this name sqlite-utils keeps which steps a file has had, and in this table.
STEP_SET: Final = "edge-gate"
_APPLIED: Final = "_sqlite_migrations"

# A name in quotes is one word, or stays as it is: a comment's marks within quotes would hide what SQLite does read.
_NOISE: Final = re.compile(r"""'[^']*'|"(\w+)"|--[^\n]*|/\*.*?\*/|\s""", re.DOTALL)
# What a table is called while it is written anew (rebuilding.py); a power cut leaves it.
TWIN: Final = "_twin"
# From this step on templates are sealed.
SEALING_STEP: Final = sealed_templates.STEP.name

# From this step on a store keeps time (trusted_clock.py).
TIME_STEP: Final = time_kept.STEP.name

# A step that was released is never changed: a change is a new step at the end.
STEPS: Final = (
    first_tables.STEP,
    sealed_templates.STEP,
    audit_tables.LOG_STEP,
    protected_templates.STEP,
    audit_tables.END_STEP,
    event_names.STEP,
    event_kinds.STEP,
    pad_trials.STEP,
    refusal_scores.STEP,
    vouching.STEP,
    time_kept.STEP,
)


@dataclass(frozen=True, slots=True)
class Schema:
    """The steps that a store has had once it is up to date, and which of its tables are personal."""

    steps: tuple[Step, ...]
    personal: tuple[PersonalTable, ...]

    def known_steps(self) -> list[str]:
        """Return the steps that this program can apply, in order."""
        return [step.name for step in self.steps]

    def strange_tables(self, connection: Any, applied: list[str]) -> list[str]:
        """Return the tables and indexes, of those that the applied steps make, that are not as the steps made them, and
        the indexes that are none of theirs.

        STRICT tables hold what their columns say. Another table in the place of ours could hold anything, or lose it.
        """
        with closing(dbapi2.connect(":memory:")) as fresh:
            for step in self.steps:
                if step.name in applied:
                    step.shape(fresh)
            wanted, found = _shapes(fresh), _shapes(connection)
        foreign = {name for name in found if name not in wanted and name.removesuffix(TWIN) not in wanted}
        return sorted({name for name, shape in wanted.items() if found.get(name) != shape} | foreign)


SCHEMA: Final = Schema(STEPS, tuple(registry.TABLES.values()))


def applied_steps(connection: Any) -> list[str]:
    """Return the steps this file has had, in order, as migration.py wrote them; none where it is no store of ours."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", [_APPLIED]).fetchone():
        return []
    applied = f"SELECT name FROM {_APPLIED} WHERE migration_set = ? ORDER BY rowid"  # noqa: S608 - a name of ours
    return [name for (name,) in connection.execute(applied, [STEP_SET])]


def _kept(noise: re.Match[str]) -> str:
    return noise[1] or (noise[0] if noise[0].startswith("'") else "")


def _shapes(connection: Any) -> dict[str, tuple[str, tuple[tuple[str, str], ...]]]:
    """Return for each table and index of ours its statement, and for a table the names and types of its columns.

    The statement has constraints, which decide what becomes of a row that is written. It is compared without comments,
    quotes and spaces: a table that was renamed or written anew has others of them.
    """
    listed = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    columns = "SELECT name, type FROM pragma_table_xinfo(?) ORDER BY cid"
    return {
        name: (_NOISE.sub(_kept, sql), tuple(connection.execute(columns, [name])) if kind == "table" else ())
        for kind, name, sql in listed
        if not name.startswith(("sqlite_", "_sqlite_", "idx__sqlite_")) and name != UNSEALED
    }
