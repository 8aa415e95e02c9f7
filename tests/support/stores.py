# SPDX-License-Identifier: Apache-2.0
"""Stores for tests: their key, residents enrolled without a camera, pages decrypted without SQLCipher, an old store."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from edge_gate.core.clock import SystemClock
from edge_gate.documents.receipt import Receipt
from edge_gate.store.database import Store
from edge_gate.store.people import consent, residents
from edge_gate.store.templates import templates

KEY = bytes(range(32))
CLOCK = SystemClock()
MODEL = b"model-01"
FIGURES = {"consents": 1, "templates": 2, "events": 31}
RECEIPT = Receipt(
    "北门 North", "6f1c1e0a-9b1d-4f57-8a53-0c6c1fb5f7aa", datetime(2026, 3, 1, tzinfo=UTC), FIGURES, False
)
# A real gate of the version that derived the log's key from the store's wrote it: two runs, 80 rows, Ada enrolled, Bob
# enrolled and forgotten; and the checkpoint that was taken away from it at row 78.
BEFORE = Path(__file__).parents[1] / "unit" / "stores" / "steps_0004.db"
KEPT_BEFORE = (
    "edge-gate-checkpoint-1,78,2026-11-25T01:38:03.971Z,8840778abae45fe3e1b37ff1f8a3b5443f71d780c10a56bab688a24d4d8096e1,"
    "9d5997982de56554762ad70d5a9addf56241e756c831f90896101d44d71deaab,"
    "c72c844dbc412b95f72b7da9be100c5840158f7db2c5ecde79fbd1bcba36d17f956fc02f405a87688288e97fac34b0938f5608792043d39e754ffe7a7d3ad907"
)

# SQLCipher 4: each page ends with 16 bytes of IV and 64 of HMAC-SHA512; the file's salt stands in the first 16 bytes.
PAGE_BYTES, IV_BYTES, HMAC_BYTES, SALT_BYTES = 4096, 16, 64, 16
LOG_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24


def decrypted(page: bytes, number: int, salt: bytes) -> bytes:
    """Return a page in the clear, having made sure that it is one (the MAC covers ciphertext, IV and page number)."""
    start = SALT_BYTES if number == 1 else 0
    body, iv = page[start : -IV_BYTES - HMAC_BYTES], page[-IV_BYTES - HMAC_BYTES : -HMAC_BYTES]
    mac_key = hashlib.pbkdf2_hmac("sha512", KEY, bytes(byte ^ 0x3A for byte in salt), 2, 32)
    mac = hmac.digest(mac_key, body + iv + number.to_bytes(4, "little"), "sha512")
    assert mac == page[-HMAC_BYTES:]
    decryptor = Cipher(algorithms.AES256(KEY), modes.CBC(iv)).decryptor()
    return decryptor.update(body) + decryptor.finalize()


def pages(path: Path) -> Iterator[bytes]:
    """Yield every page of the database and of its write-ahead log in the clear, whether SQLite still uses it or not."""
    content = path.read_bytes()
    for number, start in enumerate(range(0, len(content), PAGE_BYTES), 1):
        yield decrypted(content[start : start + PAGE_BYTES], number, content[:SALT_BYTES])
    log = path.with_name(path.name + "-wal")
    frames = log.read_bytes()[LOG_HEADER_BYTES:] if log.exists() else b""
    for start in range(0, len(frames), FRAME_HEADER_BYTES + PAGE_BYTES):
        number = int.from_bytes(frames[start : start + 4], "big")
        page = frames[start + FRAME_HEADER_BYTES : start + FRAME_HEADER_BYTES + PAGE_BYTES]
        yield decrypted(page, number, content[:SALT_BYTES])


def in_the_clear(path: Path) -> bytes:
    return b"\xff--\xff".join(pages(path))


def compared(store: Store, model_id: bytes, at: datetime) -> list[templates.Template]:
    """Return the templates that may be compared at that moment with a probe of this model."""
    return [each.template for each in templates.references(store, model_id, at)]


def enrol(store: Store, name: str, seed: int = 0) -> tuple[residents.Resident, list[bytes]]:
    """Enrol somebody, and return them with all that must be gone once they are forgotten."""
    resident = residents.add(store, name)
    year = CLOCK.now() + timedelta(days=365)
    consent.record(store, resident.id, purpose=f"entry of {name}", given_by=name, until=year, operator="operator")
    code = np.random.default_rng(seed).bytes(256)
    templates.put(store, templates.Template(resident.id, MODEL, 5, code, 128))
    (row,) = store.rows("SELECT sealed FROM template WHERE resident_id = ?", (resident.id,))
    stored = row["sealed"]
    return resident, [name.encode(), resident.id.encode(), stored[:24], stored[-24:]]


def names_in_the_gallery(store: Store) -> set[str]:
    return {residents.find(store, each.resident_id).name for each in compared(store, MODEL, CLOCK.now())}
