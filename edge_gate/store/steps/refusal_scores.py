# SPDX-License-Identifier: Apache-2.0
"""The scores of refusals that an earlier version kept are taken out, and those of openings cut to a tenth.

Whoever reads how nearly a refusal was an opening can climb by it. Of a field test's presentations the verdicts stay,
and their mean scores go too, for the same reason.
"""

from __future__ import annotations

from typing import Final

from edge_gate.store.steps.event_table import write_anew
from edge_gate.store.steps.step import Migrating, Step, run_each

_OPENING: Final = "CASE WHEN kind = 'opened' THEN round(score, 1) END"

_TRIALS: Final = (
    """
    CREATE TABLE pad_trial_anew (
        at TEXT NOT NULL,
        camera TEXT NOT NULL, -- which camera, as the configuration has it
        model_id BLOB NOT NULL, -- which network scored
        species TEXT NOT NULL, -- live, or what was presented
        source TEXT NOT NULL, -- a number for the person or the thing, never a name
        looks INTEGER NOT NULL CHECK (looks >= 0), -- how many were measured
        verdict TEXT NOT NULL -- live, attack or unsure, by the threshold of then
    ) STRICT
    """,
    "INSERT INTO pad_trial_anew"
    " SELECT at, camera, model_id, species, source, looks, verdict FROM pad_trial ORDER BY rowid",
    "DROP TABLE pad_trial",
    "ALTER TABLE pad_trial_anew RENAME TO pad_trial",
)


def blank_scores(store: Migrating) -> None:
    """Take the scores out. A store that has none stays as it is."""
    if store.rows("SELECT 1 FROM event WHERE score IS NOT NULL LIMIT 1"):
        write_anew(store, score=_OPENING)
        store.run("CREATE INDEX event_kind ON event(kind)")


STEP: Final = Step("0009_refusal_scores", run_each(*_TRIALS), move=blank_scores)
