# SPDX-License-Identifier: Apache-2.0
"""A key locked with a passphrase: nothing but the passphrase opens it, and no file takes more than it may."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.kdf import argon2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_gate.core.errors import KeyLocked, LockDamaged, PassphraseWrong
from edge_gate.settings.config import StoreSettings
from edge_gate.store.keys.locked import COST, LENGTH, MAGIC, MOST, Cost, is_locked, lock, unlock
from edge_gate.store.keys.source import load_key

KEY = bytes(range(32))
CHEAP = Cost(8 * 1024, 1, 1)
PASSPHRASE = "a gate, a lamp and seven geese"
LOCKED = lock(KEY, PASSPHRASE, CHEAP)
HERE = Path("store.key")


def checked(body: bytes) -> bytes:
    """Return a body with a check that fits, as somebody hostile would write it."""
    return body + hashlib.sha256(body).digest()[:8]


def test_the_passphrase_opens_it_and_a_wrong_one_does_not() -> None:
    made = lock(KEY, PASSPHRASE)
    assert is_locked(made) and len(made) == LENGTH
    assert unlock(made, PASSPHRASE, HERE) == KEY
    for wrong in ("", PASSPHRASE + " ", PASSPHRASE.upper(), PASSPHRASE[:-1]):
        with pytest.raises(PassphraseWrong):
            unlock(made, wrong, HERE)


def test_a_guess_costs_what_rfc_9106_recommends_for_little_memory() -> None:
    made = lock(KEY, PASSPHRASE)
    assert struct.unpack_from("<III", made, len(MAGIC)) == (65536, 3, 4) == (COST.memory_kib, COST.passes, COST.lanes)


def test_the_file_is_laid_out_as_its_description_says() -> None:
    kdf = argon2.Argon2id(salt=LOCKED[20:36], length=32, iterations=1, lanes=1, memory_cost=8192)
    assert AESGCMSIV(kdf.derive(PASSPHRASE.encode())).decrypt(LOCKED[36:48], LOCKED[48:96], LOCKED[:36]) == KEY


def test_locking_twice_shows_neither_the_key_nor_that_it_is_the_same() -> None:
    other = lock(KEY, PASSPHRASE, CHEAP)
    assert LOCKED[:20] == other[:20]
    assert all(LOCKED[at : at + 4] != other[at : at + 4] for at in range(20, LENGTH - 4))
    assert KEY not in LOCKED and KEY.hex().encode() not in LOCKED


def test_a_letter_with_its_accent_is_one_or_two_characters_and_the_same_passphrase() -> None:
    assert unlock(lock(KEY, "caf\u00e9 " * 4, CHEAP), "cafe\u0301 " * 4, HERE) == KEY


@pytest.mark.parametrize("at", range(len(MAGIC), LENGTH))
def test_a_damaged_byte_is_told_from_a_wrong_passphrase(at: int) -> None:
    damaged = LOCKED[:at] + bytes([LOCKED[at] ^ 1]) + LOCKED[at + 1 :]
    with pytest.raises(LockDamaged):
        unlock(damaged, PASSPHRASE, HERE)


@settings(deadline=None)  # what a changed number asks for takes its time
@given(st.integers(len(MAGIC), LENGTH - 9), st.integers(1, 255))
def test_no_changed_byte_with_a_check_that_fits_gives_a_key(at: int, change: int) -> None:
    body = LOCKED[:at] + bytes([LOCKED[at] ^ change]) + LOCKED[at + 1 : -8]
    with pytest.raises((PassphraseWrong, LockDamaged)):
        unlock(checked(body), PASSPHRASE, HERE)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
@example(2**32 - 1, 1, 1)
@example(8192, 2**32 - 1, 1)
@example(8192, 1, 2**32 - 1)
@example(0, 0, 0)
@example(MOST.memory_kib + 1, 1, 1)
@example(16 * 1024, 1, 1)
def test_a_hostile_file_never_makes_it_take_more_than_the_most(memory: int, passes: int, lanes: int) -> None:
    asked: list[tuple[int, int, int]] = []
    real = argon2.Argon2id

    def watched(*, salt: bytes, length: int, iterations: int, lanes: int, memory_cost: int) -> argon2.Argon2id:
        asked.append((memory_cost, iterations, lanes))
        cheap = min(memory_cost, 16 * 1024)  # what matters is what was asked for
        return real(salt=salt, length=length, iterations=min(iterations, 2), lanes=min(lanes, 2), memory_cost=cheap)

    body = MAGIC + struct.pack("<III", memory, passes, lanes) + LOCKED[20:-8]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argon2, "Argon2id", watched)
        with pytest.raises((PassphraseWrong, LockDamaged)):
            unlock(checked(body), "x" * 20, HERE)
    assert all(m <= MOST.memory_kib and p <= MOST.passes and n <= MOST.lanes for m, p, n in asked)


@given(st.binary(max_size=200))
@example(MAGIC)
@example(LOCKED[:-1])
@example(LOCKED + b"\n")
def test_no_bytes_do_worse_than_be_damaged(content: bytes) -> None:
    for each in (content, MAGIC + content):
        if each != LOCKED:
            with pytest.raises(LockDamaged):
                unlock(each, PASSPHRASE, HERE)


def test_the_gate_does_not_take_a_locked_key_and_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "store.key"
    file.write_bytes(LOCKED)
    file.chmod(0o600)
    with pytest.raises(KeyLocked, match="systemctl start edge-gate"):
        load_key(StoreSettings(key_file=file), {})
