# SPDX-License-Identifier: Apache-2.0
"""The files that hold keys, and the words that give one back."""

from __future__ import annotations

import contextlib
import io
import uuid
from pathlib import Path
from unittest import mock

import click
from shamir_mnemonic import generate_mnemonics

from edge_gate.cli.keys import command as commands
from edge_gate.core.clock import SystemClock
from edge_gate.store.database import Store
from edge_gate.store.keys import pending, sealing
from edge_gate.store.keys.keyring import MAGIC, Keyring
from tests.fuzz.target import Target

_KEY = bytes(range(32))
_WHO = str(uuid.UUID(int=7))


def make_keyring(folder: Path) -> Target:
    """The keyring's file; where the first byte is even, what comes after it is sealed under the right key first."""
    path = folder / "edge-gate.db.keyring"
    under = sealing.derive(_KEY, "keyring 1")

    def one(data: bytes) -> None:
        path.write_bytes(data[1:] if data[:1] and data[0] % 2 else MAGIC + sealing.encrypt(under, data[1:], MAGIC))
        ring = Keyring.open(path, _KEY)
        key = ring.data_key(_WHO)
        assert key is None or len(key) == sealing.KEY_BYTES
        assert all(count >= 0 for count in ring.counts()) and len(ring.template_secret()) == sealing.KEY_BYTES
        ring.buried(_WHO)
        ring.signer()

    Keyring.create(path, _KEY).ensure([_WHO])
    whole = path.read_bytes()
    plain = sealing.decrypt(under, whole[len(MAGIC) :], MAGIC)
    return Target(one, (b"\1" + whole, b"\0" + plain, b"\0" + plain[:48]), longest=512)


def make_pending(folder: Path) -> Target:
    """The file of a key change under way; where the first byte is even, the key in it is sealed by the right one."""
    path = folder / "edge-gate.db"
    under = sealing.derive(_KEY, "rotation, new key 1")

    def one(data: bytes) -> None:
        body = data[1:] if data[:1] and data[0] % 2 else sealing.encrypt(under, data[1:], pending.MAGIC)
        pending.pending_path(path).write_bytes(pending.MAGIC + body)
        change = pending.read(path, _KEY)
        assert change is None or len(change.old) == len(change.new) == sealing.KEY_BYTES
        pending.keys_in_use(path, _KEY)

    Store.create(path, _KEY, SystemClock()).close()
    pending.write(path, pending.Change(_KEY, bytes(32)))
    whole = pending.pending_path(path).read_bytes()
    return Target(one, (b"\1" + whole[len(pending.MAGIC) :], b"\0" + bytes(32)), longest=256)


def make_sealed(_: Path) -> Target:
    """A sealed row, opened for whoever the store says that it is about."""

    def one(data: bytes) -> None:
        for version in (sealing.CODE, sealing.VECTOR):
            try:
                sealing.open_row(_KEY, "template", _WHO, b"model-01", data, version)
            except sealing.DoesNotOpen:
                continue

    rows = [
        sealing.seal_row(_KEY, "template", _WHO, b"model-01", bytes(66), each)
        for each in (sealing.CODE, sealing.VECTOR)
    ]
    return Target(one, tuple(rows), longest=512)


def make_shares(folder: Path) -> Target:
    """Shares as an owner types them, one a line, into `edge-gate keys recover`."""
    to = folder / "key"
    config = folder / "edge-gate.toml"
    config.write_text('[store]\npath = "none.db"\n')

    def one(data: bytes) -> None:
        to.unlink(missing_ok=True)
        typed = data.decode("utf-8", "replace")
        # Not click's CliRunner, which keeps what every call of it was given.
        quiet = contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO())
        with mock.patch("sys.stdin", io.StringIO(typed)), quiet[0], quiet[1], contextlib.suppress(click.Abort):
            commands.command.main(["recover", str(to), "--config", str(config)], standalone_mode=False)
        assert not to.exists() or len(to.read_text()) == 65

    ((*shares,),) = generate_mnemonics(1, [(2, 3)], _KEY)
    ((*short,),) = generate_mnemonics(1, [(2, 2)], bytes(16))
    ((*slow,),) = generate_mnemonics(1, [(1, 1)], bytes(16), iteration_exponent=3)
    seeds = ("\n".join(shares[:2]), "\n".join(short), "\n".join((shares[0], short[0])), "\n".join(slow))
    return Target(one, tuple(each.encode() for each in seeds), longest=1024)
