# SPDX-License-Identifier: Apache-2.0
"""A store that an earlier version wrote is opened and loses nothing.

tests/unit/data/store-0001.db was written by the commit before the audit log: two residents with consent, template and
one opening each, under the key 00 01 02 ... 1f.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from edge_gate.core.clock import SystemClock
from edge_gate.store import events
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.people import consent, residents
from edge_gate.store.templates import renewal, templates

KEY = bytes(range(32))
OLD = Path(__file__).parent / "data" / "store-0001.db"


def test_a_store_from_before_the_audit_log_is_opened_without_loss_and_can_be_logged_in(tmp_path: Path) -> None:
    path, clock = tmp_path / "edge-gate.db", SystemClock()
    shutil.copy(OLD, path)
    path.chmod(0o600)
    with Store.open(path, KEY, clock) as store:
        assert "0003_audit" in [row["name"] for row in store.rows("SELECT name FROM _sqlite_migrations")]
        standings = residents.everyone(store, b"model-01", clock.now())
        assert [(each.resident.name, each.consent, each.has_template) for each in standings] == [
            ("Ada", consent.State.VALID, True),
            ("Bo", consent.State.VALID, True),
        ]
        transform, converted = renewal.prepare(store)
        found = templates.gallery(store, b"model-01", clock.now())
        assert (converted, len(found)) == (2, 2)
        for number, each in enumerate(found):
            given = np.random.default_rng(number).normal(size=128).astype(np.float32)
            assert np.unpackbits(np.frombuffer(each.code, np.uint8) ^ transform.encode(given)).sum() < 20
        assert [event.outcome for event in events.recent(store)] == ["confirmed"] * 2
        AuditLog(store, store.keyring.signer()).append(
            "pause", actor="gate", role="gate", resident_id=standings[0].resident.id
        )
        assert len(audit_log.about(store, standings[0].resident.id)) == 1
        residents.forget(store, "Ada")
        assert store.check() == []
    with Store.open(path, KEY, clock) as again:
        assert [row.verb for row in audit_log.rows(again)] == ["pause"]
