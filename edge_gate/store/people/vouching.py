# SPDX-License-Identifier: Apache-2.0
"""What vouches for a resident's name and consents: a code that only this device can make, in the table ``voucher``.

Whoever has the store's key can write any row. They cannot write the code that goes with it, for its key comes from the
keyring. The code is made in the transaction of each honest change, and looked at before anybody is compared: whoever
is not as it says does not open. It is in the audit log too, in the row of the change, so that the chain covers it, and
a checkpoint that was kept elsewhere.

    key   HMAC-SHA256 over the resident's salt (audit/subject.py) and their data key, under a key from the keyring
    code  HMAC-SHA256 under that key over their row and their consents', as a JSON list

A withdrawal destroys the data key, so the code of before holds no more, and with it no earlier state that is put back.
Forgetting destroys salt and data key, so a code in the audit log leads to no name, not even to one that is guessed.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final

from edge_gate.store.audit.subject import salt_for
from edge_gate.store.faults import reading
from edge_gate.store.keys.keyed import KeyedRows
from edge_gate.store.keys.keyring import Keyring
from edge_gate.store.rows import Rows

_PURPOSE: Final = "people 1"
# Where a row of the audit log has the code, or several.
FIELD: Final = "vouched"
# Codes in one row of the audit log, whose detail is bounded.
CODES_A_ROW: Final = 50


def vouch(store: KeyedRows, resident_id: str) -> None:
    """Vouch for a resident as they stand, in the transaction that is open and has changed them."""
    salt_for(store, resident_id)
    (state,) = _states(store, [resident_id]).values()
    store.run("DELETE FROM voucher WHERE resident_id = ?", (resident_id,))
    store.insert("voucher", {"resident_id": resident_id, "code": _code(store.keyring, state)})


def code_of(store: Rows, resident_id: str) -> str:
    """Return the code as the audit log has it, or "" where there is none."""
    found = store.rows("SELECT code FROM voucher WHERE resident_id = ?", (resident_id,))
    return found[0]["code"].hex() if found else ""


def codes(store: Rows) -> dict[str, str]:
    """Return whose each code is, by the code as the audit log has it."""
    return {row["code"].hex(): row["resident_id"] for row in store.rows("SELECT * FROM voucher")}


def everyones_codes(store: Rows) -> list[list[str]]:
    """Return all codes, so many at a time as a row of the audit log has room for. Their order says nothing."""
    found = sorted(codes(store))
    return [found[at : at + CODES_A_ROW] for at in range(0, len(found), CODES_A_ROW)]


def again(store: KeyedRows, resident_id: str) -> Callable[[], None]:
    """Return what vouches for a resident after a change that is about to come. Whoever is in doubt before it stays so.

    Not so after a withdrawal (consent.py). Somebody without a data key has no template either, after a power cut too.
    """
    if store.keyring.data_key(resident_id) is not None and doubtful(store, [resident_id]):
        return lambda: None
    return partial(vouch, store, resident_id)


def doubtful(store: KeyedRows, resident_ids: Collection[str] | None = None) -> set[str]:
    """Return which of these residents, or of all, are not as their code says, or have none.

    Whoever is forgotten is on their way out and not judged. Nor is, where an older keyring was put back, whose key it
    lacks.
    """
    with reading(store.path):
        states = _states(store, resident_ids)
        stored = {row["resident_id"]: bytes(row["code"]) for row in store.rows("SELECT * FROM voucher")}
        return {
            each
            for each, state in states.items()
            if not hmac.compare_digest(stored.get(each, b""), _code(store.keyring, state))
            and not store.keyring.buried(each)
            and not (store.keyring.suspect and store.keyring.data_key(each) is None)
        }


def _states(store: Rows, resident_ids: Collection[str] | None) -> dict[str, dict[str, Any]]:
    """Return the row of each resident, with their salt and their consents."""
    where = "" if resident_ids is None else " WHERE {} IN (SELECT value FROM json_each(?))"
    values = () if resident_ids is None else (json.dumps(list(resident_ids)),)
    people = store.rows(
        "SELECT resident.*, salt FROM resident LEFT JOIN audit_subject ON resident_id = resident.id"  # noqa: S608
        + where.format("resident.id"),
        values,
    )
    found: dict[str, dict[str, Any]] = {each["id"]: {**each, "consents": []} for each in people}
    given = f"SELECT * FROM consent{where.format('resident_id')} ORDER BY id"  # noqa: S608 - no value
    for row in store.rows(given, values):
        if row["resident_id"] in found:
            found[row["resident_id"]]["consents"].append(list(row.values()))
    return found


def _code(keyring: Keyring, state: dict[str, Any]) -> bytes:
    salt, data_key = state["salt"] or b"", keyring.data_key(state["id"]) or b""
    key = hmac.digest(keyring.secret(_PURPOSE), salt + data_key, "sha256")
    told = [state["id"], state["name"], state["created_at"], state["consents"]]
    return hmac.digest(key, json.dumps(told, separators=(",", ":")).encode(), "sha256")
