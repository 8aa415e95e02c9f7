# SPDX-License-Identifier: Apache-2.0
"""What was printed or kept elsewhere, and comes back: receipts, and checkpoints of the audit log."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_gate.documents import receipt
from edge_gate.store.audit.chain import GENESIS, Checkpoint, Row, examine
from tests.fuzz.target import Target

_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def make_receipt(folder: Path) -> Target:
    """A receipt's file, as `forget --verify` reads it."""
    file = folder / "receipt.txt"

    def one(data: bytes) -> None:
        file.write_bytes(data)
        found = receipt.read(file)
        assert str(uuid.UUID(found.resident_id)) == found.resident_id
        assert found.when.isprintable(), "it is shown in a terminal"

    forgotten = receipt.Receipt(
        "Gate 1",
        str(uuid.UUID(int=7)),
        datetime(2026, 3, 1, tzinfo=UTC),
        {"consents": 1, "templates": 1, "events": 2},
        False,
    )
    return Target(one, tuple(receipt.write(forgotten, _KEY, each).encode() for each in ("en", "zh")), longest=2048)


def make_checkpoint(_: Path) -> Target:
    """A line of `audit checkpoint`, judged against a log whose one row has the rest of the bytes as its detail."""
    public = _KEY.public_key().public_bytes_raw()

    def one(data: bytes) -> None:
        line, _, detail = data.decode("utf-8", "surrogateescape").partition("\n")
        row = Row(1, "2026-03-01", "gate", "gate", "started", None, detail, GENESIS)
        examine([row], [], None, None)
        kept = Checkpoint.read(line)
        examine([row], [kept], None, kept)
        Checkpoint.parse(line)

    good = Checkpoint(1, "2026-03-01T12:00:00.000Z", bytes(32), public).signed(_KEY).line()
    announced = f'{{"device_key": "{public.hex()}"}}'
    return Target(one, (good.encode(), f"{good}\n{announced}".encode(), f"{good}\n{'[' * 900}".encode()), longest=2048)
