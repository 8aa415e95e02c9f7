# SPDX-License-Identifier: Apache-2.0
"""Where this device keeps the store's key, what that place stops, and how another key is put there.

A key file or a systemd credential; in either the key may be locked with a passphrase besides (store/keys/locked.py).
"""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from pathlib import Path
from types import MappingProxyType
from typing import Final

from edge_gate.cli.keys.unlock import (
    LARGEST_CREDENTIAL,
    OPENED,
    SEALED_CREDENTIAL,
    content_of_place,
    open_credential,
    unlock_key,
)
from edge_gate.core.access import is_there
from edge_gate.core.errors import EdgeGateError, KeyNotPlaced
from edge_gate.core.plain_files import read_plain
from edge_gate.settings.config import StoreSettings
from edge_gate.store.files import replace
from edge_gate.store.keys.asking import ask_passphrase
from edge_gate.store.keys.locked import is_locked, lock, unlock
from edge_gate.store.keys.source import CREDENTIAL

# What the first 16 bytes of a sealed credential say it was sealed with (systemd, src/shared/creds-util.h).
_SEALED_WITH: Final = MappingProxyType(
    {
        "5a1c6a86df9d4096b1d5a65e0862f19a": "host",
        "0c7cc07b117645919c4b0bea08bc20fe": "tpm2",
        "faf7eb9341e3412ca1a436f95a29362f": "tpm2-with-public-key",
        "93a894094874449090caf2fc93cab553": "host+tpm2",
        "af4950a849134eb1a73846304ff30c05": "host+tpm2-with-public-key",
        "058469daf6f54324800549da0f8ea2fb": "null",
    }
)

LIMITS: Final = MappingProxyType(
    {
        "key file": "Stops who has a copy of the store. Does not stop who can read the file, or holds the memory card.",
        "host": "Stops who has copies of the store and the credential. Does not stop who holds the whole memory card:"
        " the host's key is on it.",
        "tpm2": "Stops who holds the memory card in another machine. Does not stop root on this one, nor who changes"
        " the software on the card and puts it back.",
        "null": "Stops nothing: the credential is sealed with a key that everybody knows.",
        "unknown": "What it stops cannot be told from here.",
        "passphrase": "Stops who holds the memory card, or the device without power, for as long as the passphrase is"
        " not guessed or told. Does not stop root, nor who holds the device while the gate runs, nor who changes the"
        " software on the card and has the passphrase typed into that.",
        "tpm2+passphrase": "Stops who holds the memory card in another machine, even with the passphrase, and who holds"
        " the device without power but not the passphrase. Does not stop root, nor who holds it while the gate runs,"
        " nor who changes the software on the card and has the passphrase typed into that.",
    }
)


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """``tier``: "key file", what the credential was sealed with, or "unknown"; ``locked``: whether the key in there is
    locked with a passphrase besides, None where this user cannot tell; ``passphrase``: the one to use, if it was asked.
    """

    settings: StoreSettings
    tier: str
    locked: bool | None
    credential: Path = SEALED_CREDENTIAL
    passphrase: str | None = field(default=None, repr=False)

    @property
    def what(self) -> str:
        """Return in words where the key is."""
        if self.tier == "key file":
            place = f"key file {self.settings.key_file}"
        else:
            place = f"systemd credential {self.credential}, sealed with: {self.tier}"
        return place + (", and locked with a passphrase" if self.locked else "")

    @property
    def limits(self) -> str:
        """Return in plain words what this place stops and what it does not."""
        tier = "tpm2" if "tpm2" in self.tier else self.tier
        if self.locked:
            tier = "tpm2+passphrase" if tier == "tpm2" else "passphrase"
        return LIMITS.get(tier, LIMITS["unknown"])

    def fetch(self, *, may_ask: bool = True) -> bytes:
        """Return the key from its place, by the passphrase that was asked before where there is one.

        Raises what `unlock_key` and `unlock` raise.
        """
        if self.passphrase is None:
            return unlock_key(self.settings, may_ask=may_ask)
        content, place = content_of_place(self.settings, self.credential)
        return unlock(content, self.passphrase, place)

    def with_passphrase(self) -> KeyPlace:
        """Return the same, after having asked for the passphrase if the key is locked: then `put` can lock another."""
        content, place = content_of_place(self.settings, self.credential)
        if not is_locked(content):
            return self
        return replace_fields(self, passphrase=ask_passphrase(content, place)[1])

    def put(self, key: bytes) -> None:
        """Put another key in the place of the present one, durably, and locked if there is a passphrase.

        Where the key was opened for the gate the new one is laid there first, so that at no moment a gate could be
        given a key that is not in the place any more. Raises StoreError or KeyNotPlaced.
        """
        content = key.hex().encode() + b"\n" if self.passphrase is None else lock(key, self.passphrase)
        if self.tier == "key file":
            replace(self.settings.key_file, content)
            return
        sealed = self._sealed(content)
        if is_there(OPENED):
            replace(OPENED, key.hex().encode() + b"\n")
        replace(self.credential, sealed)

    def _sealed(self, content: bytes) -> bytes:
        if self.tier not in ("host", "tpm2", "host+tpm2"):
            raise KeyNotPlaced(f"a credential sealed with {self.tier} cannot be made here")
        command = ["systemd-creds", "encrypt", f"--with-key={self.tier}", f"--name={CREDENTIAL}", "-", "-"]
        try:
            sealed = subprocess.run(  # noqa: S603 - no shell; the key goes through a pipe, not the command line
                command, input=content, capture_output=True, check=True, timeout=60
            ).stdout
            back = open_credential(sealed)
        except (OSError, subprocess.SubprocessError) as error:
            raise KeyNotPlaced(f"systemd-creds did not seal the key ({error})") from error
        if back != content:
            raise KeyNotPlaced("systemd-creds gave back something else than it was given")
        return sealed


def find(settings: StoreSettings, credential: Path = SEALED_CREDENTIAL) -> KeyPlace:
    """Return the place that the configuration and the sealed credential point to."""
    try:
        locked: bool | None = is_locked(content_of_place(settings, credential)[0])
    except EdgeGateError:
        locked = None
    tier = "key file" if settings.key_file != Path() else sealed_with(credential)
    return KeyPlace(settings, tier, locked, credential)


def sealed_with(credential: Path) -> str:
    """Return what a credential was sealed with, as `systemd-creds encrypt --with-key=` names it, or "unknown"."""
    try:
        head = base64.b64decode(b"".join(read_plain(credential, LARGEST_CREDENTIAL).split())[:24], validate=True)[:16]
    except (OSError, ValueError):
        return "unknown"
    return _SEALED_WITH.get(head.hex(), "unknown")
