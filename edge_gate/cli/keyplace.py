# SPDX-License-Identifier: Apache-2.0
"""Where this device keeps the store's key, what that place stops, and how another key is put there."""

from __future__ import annotations

import base64
import binascii
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from edge_gate.cli.unlock import SEALED_CREDENTIAL, unlocked
from edge_gate.config import StoreSettings
from edge_gate.errors import RotationFailed
from edge_gate.store.files import replace
from edge_gate.store.keys import CREDENTIAL

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
        "tpm2": "Stops who holds the memory card in another machine. Does not stop root on this one.",
        "null": "Stops nothing: the credential is sealed with a key that everybody knows.",
        "unknown": "What it stops cannot be told from here.",
    }
)


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """``tier``: "key file", what the credential was sealed with, or "unknown"; ``what``: the same in words."""

    settings: StoreSettings
    tier: str
    what: str

    @property
    def limits(self) -> str:
        """Return in plain words what this place stops and what it does not."""
        return LIMITS.get("tpm2" if "tpm2" in self.tier else self.tier, LIMITS["unknown"])

    def fetch(self) -> bytes:
        """Return the key from its place. Raises KeyMissing, KeyUnsafe or KeyMalformed."""
        return unlocked(self.settings)

    def put(self, key: bytes) -> None:
        """Put another key in the place of the present one, durably. Raises StoreError or RotationFailed."""
        if self.tier == "key file":
            replace(self.settings.key_file, key.hex().encode() + b"\n")
            return
        if self.tier not in ("host", "tpm2", "host+tpm2"):
            raise RotationFailed(f"a credential sealed with {self.tier} cannot be made here")
        command = ["systemd-creds", "encrypt", f"--with-key={self.tier}", f"--name={CREDENTIAL}", "-", "-"]
        try:
            sealed = subprocess.run(  # noqa: S603 - no shell; the key goes through a pipe, not the command line
                command, input=key.hex().encode() + b"\n", capture_output=True, check=True, timeout=60
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise RotationFailed(f"systemd-creds did not seal the new key ({error})") from error
        replace(SEALED_CREDENTIAL, sealed)


def find(settings: StoreSettings, credential: Path = SEALED_CREDENTIAL) -> KeyPlace:
    """Return the place that the configuration and the sealed credential point to."""
    if settings.key_file != Path():
        return KeyPlace(settings, "key file", f"key file {settings.key_file}")
    tier = sealed_with(credential)
    return KeyPlace(settings, tier, f"systemd credential {credential}, sealed with: {tier}")


def sealed_with(credential: Path) -> str:
    """Return what a credential was sealed with, as `systemd-creds encrypt --with-key=` names it, or "unknown"."""
    try:
        head = base64.b64decode(b"".join(credential.read_bytes().split())[:24], validate=True)[:16]
    except (OSError, binascii.Error):
        return "unknown"
    return _SEALED_WITH.get(head.hex(), "unknown")
