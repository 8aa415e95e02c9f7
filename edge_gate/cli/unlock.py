# SPDX-License-Identifier: Apache-2.0
"""The store's key for commands that work on the files themselves, without the gate."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Final

from edge_gate.config import StoreSettings
from edge_gate.errors import KeyMalformed, KeyMissing
from edge_gate.store.keys import CREDENTIAL, load_key

SEALED_CREDENTIAL: Final = Path("/etc/edge-gate") / f"{CREDENTIAL}.cred"


def unlocked(settings: StoreSettings) -> bytes:
    """Return the key as the gate gets it; as root also out of the sealed credential that the unit names.

    Raises KeyMissing, KeyUnsafe or KeyMalformed.
    """
    if settings.key_file != Path() or "CREDENTIALS_DIRECTORY" in os.environ or not SEALED_CREDENTIAL.exists():
        return load_key(settings, os.environ)
    command = ["systemd-creds", "decrypt", f"--name={CREDENTIAL}", str(SEALED_CREDENTIAL), "-"]
    try:
        opened = subprocess.run(command, capture_output=True, check=True, timeout=60)  # noqa: S603 - no shell, fixed words
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", b"") or str(error).encode()
        raise KeyMissing(f"systemd-creds does not open {SEALED_CREDENTIAL} ({reason.decode().strip()})") from error
    if not re.fullmatch(rb"[0-9a-fA-F]{64}\n?", opened.stdout):
        raise KeyMalformed(SEALED_CREDENTIAL)
    return bytes.fromhex(opened.stdout.decode("ascii"))
