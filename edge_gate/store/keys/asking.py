# SPDX-License-Identifier: Apache-2.0
"""Asking at the terminal for the passphrase of a locked key."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from edge_gate.core.ending import tell
from edge_gate.core.errors import KeyLocked, KeyMalformed, LockDamaged, PassphraseWrong
from edge_gate.core.forked import fork
from edge_gate.settings.config import StoreSettings
from edge_gate.store.keys.locked import is_locked, unlock
from edge_gate.store.keys.source import HeldPlace, held, plain_key

ATTEMPTS: Final = 3
_TERMINAL: Final = Path("/dev/tty")


@contextmanager
def held_or_asked(
    settings: StoreSettings, environ: Mapping[str, str], confine: Callable[[], object]
) -> Iterator[Callable[[], bytes]]:
    """Yield what reads the key, for a gate that seals itself in between. Nothing of a plain key is read before.

    Where the key is locked, a copy of this process, which ``confine`` confines, asks for the passphrase at the
    terminal: deriving takes more memory than the gate has. Raises what `source.held` raises and KeyLocked; what is
    yielded raises KeyMalformed, or SystemExit with the failure's own code where the copy has told what failed.
    """
    with held(settings, environ) as place:
        yield ask_in_copy(place.read(), place.path, confine) if place.is_locked else partial(_read_plain, place)


def _read_plain(place: HeldPlace) -> bytes:
    content = place.read()
    if is_locked(content):  # the beginning of one, which no passphrase opens
        raise LockDamaged(place.path, f"it ends after {len(content)} bytes")
    return plain_key(content, place.path)


def ask_in_copy(content: bytes, place: Path, confine: Callable[[], object]) -> Callable[[], bytes]:
    """Start to ask; return what waits for the key. Raises KeyLocked where there is no terminal."""
    if not is_locked(content):
        raise KeyMalformed(place)
    if not at_a_terminal():
        raise KeyLocked(place)

    def ask(caller: socket.socket) -> None:
        confine()
        try:
            caller.sendall(ask_passphrase(content, place)[0])
        except EOFError as error:
            raise KeyboardInterrupt from error

    copy = fork(ask)

    def wait() -> bytes:
        key = copy.hear()
        if (code := copy.wait()) != 0:
            raise SystemExit(code)
        return key

    return wait


def ask_passphrase(content: bytes, place: Path) -> tuple[bytes, str]:
    """Ask at the terminal until the passphrase opens this locked key, three times at most; return key and passphrase.

    Raises KeyLocked where there is no terminal, PassphraseWrong, LockDamaged, CipherMissing, EOFError or
    KeyboardInterrupt.
    """
    if not at_a_terminal():
        raise KeyLocked(place)
    for left in reversed(range(ATTEMPTS)):
        passphrase = read_typed("Passphrase of the store's key: ")
        try:
            return unlock(content, passphrase, place), passphrase
        except PassphraseWrong as error:
            if not left:
                raise
            tell(str(error))
    raise AssertionError("unreachable")


def at_a_terminal() -> bool:
    """Tell whether somebody can be asked."""
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError:
        return False
    return True


def read_typed(question: str) -> str:
    """Return what was typed at the terminal, without an echo. Raises EOFError or KeyboardInterrupt."""
    import getpass

    return getpass.getpass(question)
