# SPDX-License-Identifier: Apache-2.0
"""Asking at the terminal for the passphrase of a locked key."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge_gate.core.ending import tell, understand
from edge_gate.core.errors import KeyLocked, PassphraseWrong
from edge_gate.core.interrupts import INTERRUPTED
from edge_gate.settings.config import StoreSettings
from edge_gate.store.keys.locked import is_locked, unlock
from edge_gate.store.keys.source import as_it_lies, plain_key

ATTEMPTS: Final = 3
_TERMINAL: Final = Path("/dev/tty")


def load_or_ask(settings: StoreSettings, environ: Mapping[str, str]) -> bytes:
    """Return the key for a gate at a desk; where it is locked, ask for the passphrase at the terminal.

    Raises what `load_key` and `ask_in_child` raise.
    """
    content, place = as_it_lies(settings, environ)
    return ask_in_child(content, place) if is_locked(content) else plain_key(content, place)


def ask_in_child(content: bytes, place: Path) -> bytes:
    """Do the same as `ask_passphrase` in a process of its own: deriving takes more memory than the gate has.

    Raises KeyLocked; SystemExit, with the failure's own code, where the other process has told what failed.
    """
    if not at_a_terminal():
        raise KeyLocked(place)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(writer, ask_passphrase(content, place)[0])
            code = 0
        except (EOFError, KeyboardInterrupt):
            code = INTERRUPTED
        except Exception as error:
            failure = understand(error)
            tell(f"edge-gate: {failure}")
            code = failure.exit_code
        finally:
            os._exit(code)  # whatever happens, this copy of the process does not go on
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        key = pipe.read()
    if (status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])) != 0:
        raise SystemExit(status)
    return key


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
