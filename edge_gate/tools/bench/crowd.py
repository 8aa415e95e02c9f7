# SPDX-License-Identifier: Apache-2.0
"""A store as a site has it after years: so many residents, each enrolled once, and ten events for each of them."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np

from edge_gate.core.clock import SystemClock, iso
from edge_gate.rules.protection import BITS
from edge_gate.store import event_chain
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.people import vouching
from edge_gate.store.people.residents import Resident
from edge_gate.store.templates import templates
from edge_gate.store.templates.templates import Template

EVENTS_EACH: Final = 10
KINDS: Final = ("opened", "no match", "not acquired", "opened")


def fill(path: Path, key: bytes, residents: int, model_id: bytes, dimensions: int) -> list[Resident]:
    """Fill an empty store. The codes are random, so nobody is like anybody."""
    draw = np.random.default_rng(residents)
    with Store.open(path, key, SystemClock()) as store:
        people = [Resident(str(uuid.uuid4()), f"Resident {number:06d}", store.now()) for number in range(residents)]
        store.keyring.ensure(each.id for each in people)
        with store.transaction():
            for each in people:
                code = draw.bytes(BITS // 8)
                _enrol(store, each, templates.seal(store, Template(each.id, model_id, 5, code, dimensions)), model_id)
            _let_in(store, people)
        log = AuditLog(store, store.keyring.signer())
        with store.transaction():
            for each in people:
                log.append("audit-resident", actor="uid 0", role="auditor", resident_id=each.id)
    return people


def _enrol(store: Store, who: Resident, sealed: bytes, model_id: bytes) -> None:
    now, until = iso(who.created_at), iso(who.created_at + timedelta(days=365))
    store.run("INSERT INTO resident VALUES (?, ?, ?)", (who.id, who.name, now))
    given = (str(uuid.uuid4()), who.id, "entry", who.name, now, until, "bench")
    store.run("INSERT INTO consent VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", given)
    store.run("INSERT INTO template VALUES (?, ?, 5, ?, ?)", (who.id, model_id, sealed, now))
    vouching.vouch(store, who.id)


def _let_in(store: Store, people: list[Resident]) -> None:
    detail, now = json.dumps({"track": 1}), iso(store.now())
    for number in range(EVENTS_EACH):
        kind = KINDS[number % len(KINDS)]
        for each in people:
            opened = kind == "opened"
            event_id, who = str(uuid.uuid4()), each.id if opened else None
            row = {
                "id": event_id,
                "at": now,
                "kind": kind,
                "resident_id": who,
                "score": 0.5 if opened else None,
                "detail": detail,
            }
            whole = event_chain.chained(store, row, awaited=opened)
            seq = store.insert("event", whole)
            if opened:
                code = event_chain.code_of_outcome(store, event_id, "confirmed", now)
                store.insert("outcome", {"event_seq": seq, "outcome": "confirmed", "at": now, "code": code})
