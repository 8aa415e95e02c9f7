# SPDX-License-Identifier: Apache-2.0
"""The store's key for commands that work on the files themselves, without the gate."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from edge_gate.core.access import denied, is_there
from edge_gate.core.errors import KeyLocked, KeyMissing
from edge_gate.core.plain_files import read_plain
from edge_gate.settings.config import StoreSettings
from edge_gate.store.keys.locked import is_locked
from edge_gate.store.keys.source import CREDENTIAL, as_it_lies, plain_key, read_private

SEALED_CREDENTIAL: Final = Path("/etc/edge-gate") / f"{CREDENTIAL}.cred"
# systemd's own limit for one (systemd.exec(5)).
LARGEST_CREDENTIAL: Final = 1024 * 1024
# Where edge-gate-unlock.service lays the opened key for systemd, which passes it to the gate: memory that is never
# swapped, and root's alone.
OPENED: Final = Path("/run/edge_gate_key") / CREDENTIAL


def unlock_key(settings: StoreSettings, *, may_ask: bool = True) -> bytes:
    """Return the key as the gate gets it; as root also out of the sealed credential that the unit names.

    A key that is locked with a passphrase is taken from where it was opened at the gate's start; else the terminal is
    asked, if the caller ``may_ask``. Raises KeyMissing, KeyUnsafe, KeyMalformed, KeyLocked, PassphraseWrong,
    LockDamaged.
    """
    content, place = content_of_place(settings)
    if not is_locked(content):
        return plain_key(content, place)
    if settings.key_file == Path() and os.access(OPENED, os.R_OK):
        return plain_key(read_private(OPENED, shared_with_root=False), OPENED)
    if not may_ask:
        raise KeyLocked(place)
    from edge_gate.store.keys.asking import ask_passphrase

    return ask_passphrase(content, place)[0]


def content_of_place(settings: StoreSettings, credential: Path = SEALED_CREDENTIAL) -> tuple[bytes, Path]:
    """Return what is in the key's place, digits or a locked key, and where that is. Raises KeyMissing or KeyUnsafe."""
    if settings.key_file != Path() or "CREDENTIALS_DIRECTORY" in os.environ or not is_there(credential):
        return as_it_lies(settings, os.environ)
    try:
        return open_credential(read_plain(credential, LARGEST_CREDENTIAL)), credential
    except PermissionError as error:
        raise denied(credential) from error
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", b"") or str(error).encode()
        raise KeyMissing(f"systemd-creds does not open {credential} ({reason.decode().strip()})") from error


def open_credential(sealed: bytes) -> bytes:
    """Return what was sealed in a credential. Raises OSError or SubprocessError."""
    command = ["systemd-creds", "decrypt", f"--name={CREDENTIAL}", "-", "-"]
    done = subprocess.run(command, input=sealed, capture_output=True, check=True, timeout=60)  # noqa: S603 - no shell
    return done.stdout
